"""keys: what is a key is used, everything else is told for what it is, and secrets stay secret."""

from __future__ import annotations

import io
import os
import random
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from buildpack.support.errors import ExitCode, SlugkitError, UsageError
from slugc.supply_chain.errors import (
    AttestationsNotWrittenError,
    KeyExistsError,
    KeyMissingError,
    KeyOnCommandLineError,
    KeyUnusableError,
    PassphraseError,
)
from slugc.supply_chain.keys import KeyText, passphrase_from, read_key
from slugc.supply_chain.sign import make_keys, new_passphrase, read_private_keys
from slugc.supply_chain.signing import (
    PrivateKey,
    load_private_key,
    load_public_keys,
    new_private_key,
    private_pem,
    public_pem,
)
from slugc.supply_chain.trust import read_public_keys

PEM, PKCS8, PLAIN = form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()


def nobody(_shown: str) -> bytes | None:
    return None


def text(content: bytes | str) -> KeyText:
    return KeyText(shown="a.key", content=content.encode() if isinstance(content, str) else content)


def pem_of(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(PEM, PKCS8, PLAIN)


def public_of(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(PEM, form.PublicFormat.SubjectPublicKeyInfo)


def test_new_keys_are_written_for_their_owner_alone_and_come_back(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = make_keys(tmp_path / "deploy", None)
    finally:
        os.umask(old)
    assert (made.private.name, made.public.name) == ("deploy.key", "deploy.pub")
    assert made.private.stat().st_mode & 0o777 == 0o600
    assert made.public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----\n")
    warnings: list[str] = []
    (private,) = read_private_keys([str(made.private)], {}, passphrase=nobody, warn=warnings.append)
    (public,) = read_public_keys([str(made.public)], {})
    assert private.public == public
    assert public.keyid == made.keyid
    assert warnings == []


def test_openssl_reads_our_keys_and_we_read_openssls(tmp_path: Path) -> None:
    made = make_keys(tmp_path / "ours", None)
    theirs, public = tmp_path / "theirs.key", tmp_path / "theirs.pub"
    for argv in (
        ("openssl", "pkey", "-in", made.private, "-pubout", "-out", tmp_path / "again.pub"),
        ("openssl", "genpkey", "-algorithm", "ed25519", "-out", theirs),
        ("openssl", "pkey", "-in", theirs, "-pubout", "-out", public),
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=20)
    assert (tmp_path / "again.pub").read_bytes() == made.public.read_bytes()
    key = load_private_key(read_key(str(theirs), {}), nobody)
    assert load_public_keys(read_key(str(public), {})) == (key.public,)


@pytest.mark.parametrize("name", ["deploy.key", "deploy.pub"])
def test_no_key_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(KeyExistsError) as caught:
        make_keys(tmp_path / "deploy", None)
    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert caught.value.text().startswith(f"{tmp_path / name} exists already\n\n")
    assert "Nothing was written." in caught.value.text()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(AttestationsNotWrittenError) as caught:
        make_keys(tmp_path / "missing" / "deploy", None)
    assert "deploy.key cannot be written\n\nNo such file or directory" in caught.value.text()


def test_an_encrypted_key_is_opened_with_its_passphrase_only() -> None:
    key = new_private_key()
    locked = text(private_pem(key, b"open sesame"))
    assert b"ENCRYPTED" in locked.content
    opened = load_private_key(
        locked, passphrase_from({"SLUGC_KEY_PASSPHRASE": "open sesame"}, lambda _: None)
    )
    assert opened == key
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "open sesame"

    load_private_key(locked, passphrase_from({}, answer))
    assert asked == ["Passphrase of a.key: "]
    with pytest.raises(PassphraseError) as caught:
        load_private_key(locked, passphrase_from({}, lambda _: None))
    assert caught.value.exit_code is ExitCode.PERMISSION
    assert caught.value.text() == (
        "The private key a.key cannot be opened\n\n"
        "It is encrypted, and no passphrase was given.\n\n"
        "Set SLUGC_KEY_PASSPHRASE, or sign on a terminal, where it is asked for."
    )
    with pytest.raises(PassphraseError) as caught:
        load_private_key(locked, passphrase_from({"SLUGC_KEY_PASSPHRASE": "x"}, lambda _: None))
    assert "The passphrase is wrong, or the file is damaged." in caught.value.text()


def test_a_new_passphrase_is_typed_twice() -> None:
    assert new_passphrase({"SLUGC_KEY_PASSPHRASE": "a"}, lambda _: None) == b"a"
    assert new_passphrase({}, lambda _: "b") == b"b"
    answers = iter(["b", "c"])
    with pytest.raises(UsageError, match="The two passphrases differ"):
        new_passphrase({}, lambda _: next(answers))
    with pytest.raises(UsageError, match="cannot be protected without a passphrase"):
        new_passphrase({}, lambda _: None)


ED25519 = new_private_key()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (public_pem(ED25519.public), "It is a public key: whoever signs needs the private one."),
        (b"", "It is empty."),
        (b"ssh-ed25519 AAAA me@host\n", "There is no PEM block in it."),
        (b"\x30\x2e\x02", "There is no PEM block in it."),
        (private_pem(ED25519, None)[:-10], "Its PEM block is cut short: it has no end."),
        (private_pem(ED25519, None) * 2, "It holds 2 private keys."),
        (private_pem(ED25519, None).replace(b"M", b"!"), "It is damaged."),
        (pem_of(RSA), "It is an RSA key."),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "It is an elliptic curve key."),
        (pem_of(ed448.Ed448PrivateKey.generate()), "It is an Ed448 key."),
        (pem_of(x25519.X25519PrivateKey.generate()), "It is an X25519 key."),
        (
            RSA.private_bytes(PEM, form.PrivateFormat.TraditionalOpenSSL, PLAIN),
            "It is of another kind: RSA PRIVATE KEY.",
        ),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "It is of another kind: OPENSSH PRIVATE KEY.",
        ),
    ],
)
def test_what_is_no_private_key_is_told_for_what_it_is(content: bytes, found: str) -> None:
    with pytest.raises(KeyUnusableError) as caught:
        load_private_key(text(content), nobody)
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text().startswith(f"a.key is not an Ed25519 private key\n\n{found}\n\n")
    assert "openssl genpkey -algorithm ed25519 -out NAME.key" in caught.value.text()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (private_pem(ED25519, None), "It is a private key: keep it to yourself, and give the"),
        (private_pem(ED25519, b"x"), "It is a private key: keep it to yourself, and give the"),
        (public_of(RSA), "It is an RSA key."),
        (b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", "It is damaged."),
        (b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "CERTIFICATE."),
    ],
)
def test_what_is_no_public_key_is_told_for_what_it_is(content: bytes, found: str) -> None:
    with pytest.raises(KeyUnusableError) as caught:
        load_public_keys(text(content))
    assert caught.value.text().startswith("a.key is not an Ed25519 public key\n\n")
    assert found in caught.value.text()


def test_a_file_may_hold_several_public_keys_and_words_between_them() -> None:
    other = new_private_key()
    both = b"# old\n" + public_pem(ED25519.public) + b"# new\n" + public_pem(other.public)
    assert load_public_keys(text(both)) == (ED25519.public, other.public)
    windows = both.replace(b"\n", b"\r\n")
    assert load_public_keys(text(windows)) == (ED25519.public, other.public)


def test_every_changed_byte_of_a_public_key_is_caught() -> None:
    content = public_pem(ED25519.public)
    rng = random.Random(3)
    for position in range(len(content) - 1):  # after the last line there is nothing to change
        changed = bytearray(content)
        changed[position] ^= 1 << rng.randrange(8)
        try:
            assert load_public_keys(text(bytes(changed))) != (ED25519.public,), bytes(changed)
        except SlugkitError:
            continue


def test_keys_come_from_variables_and_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    pem = private_pem(ED25519, None)
    one_line = pem.decode().strip().replace("\n", "\\n")
    for value in (pem.decode(), one_line):
        assert load_private_key(read_key("env:KEY", {"KEY": value}), nobody) == ED25519
    stdin = io.TextIOWrapper(io.BytesIO(pem))
    monkeypatch.setattr("sys.stdin", stdin)
    assert load_private_key(read_key("-", {}), nobody) == ED25519


@pytest.mark.parametrize("env", [{}, {"KEY": ""}])
def test_a_variable_that_is_not_set_is_told(env: dict[str, str]) -> None:
    with pytest.raises(KeyMissingError) as caught:
        read_key("env:KEY", env)
    assert caught.value.exit_code is ExitCode.NO_INPUT
    assert caught.value.text().startswith(
        "The key env:KEY cannot be read\n\nThe environment variable KEY is not set.\n\n"
    )


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "no", "No such file or directory"), (tmp_path, "Is a dir")):
        with pytest.raises(KeyMissingError) as caught:
            read_key(str(path), {})
        assert found in caught.value.text()


def test_a_key_on_the_command_line_is_refused_and_not_repeated() -> None:
    pem = private_pem(ED25519, None).decode()
    with pytest.raises(KeyOnCommandLineError) as caught:
        read_key(pem, {})
    assert caught.value.exit_code is ExitCode.USAGE
    assert "Other users of this machine can see it there" in caught.value.text()
    assert pem.splitlines()[1] not in caught.value.text()


def test_a_huge_key_is_not_read_whole(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusableError, match="is not a key") as caught:
        read_key("/dev/zero", {})
    assert "It is larger than 65,536 bytes." in caught.value.text()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_private_key_that_others_can_read_is_warned_of(tmp_path: Path, mode: int) -> None:
    made = make_keys(tmp_path / "deploy", None)
    made.private.chmod(mode)
    warnings: list[str] = []
    read_private_keys([str(made.private)], {}, passphrase=nobody, warn=warnings.append)
    assert warnings == [
        f"Other users can read the private key {made.private}\n\n"
        "Close it, and if they may have read it, make a new one:\n\n"
        f"    chmod 600 {made.private}"
    ]


def test_a_private_key_shows_in_no_text(key: PrivateKey) -> None:
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in f"{key} {key!r}"
