"""slugc sign: ordinary Ed25519 over DSSE's encoding, offline, each misuse with its own words."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from buildpack.support.errors import ExitCode, UsageError
from slugc.history import BuildRecord, note_build
from slugc.slug import Slug
from slugc.supply_chain.attestations import attestations_of
from slugc.supply_chain.errors import AttestationsNotWrittenError, AttestationsUnusableError
from slugc.supply_chain.sbom import slug_sbom
from slugc.supply_chain.sign import sign_slug
from slugc.supply_chain.sign_command import BuildNotRememberedError, run_sign
from slugc.supply_chain.signing import PrivateKey, public_pem
from tests.unit.slugc.supply_chain.material import provenance

NONE: dict[str, object] = {
    "keys": (),
    "output": None,
    "builder_id": None,
    "times": False,
    "new_key": None,
    "passphrase": False,
    "as_json": False,
}


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_key_needs_a_name(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_sign(None, NONE | {"new_key": name}, env={})
    assert caught.value.brief == f"'{name}' is no name for a key"


def test_openssl_finds_an_ordinary_signature(tmp_path: Path, signed: Slug, key: PrivateKey) -> None:
    public, message, sig = tmp_path / "k.pub", tmp_path / "pae", tmp_path / "sig"
    public.write_bytes(public_pem(key.public))
    argv = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin")
    for line in attestations_of(signed.archive).read_text().splitlines():
        envelope = json.loads(line)
        payload = base64.b64decode(envelope["payload"])
        kind = envelope["payloadType"]
        assert kind == "application/vnd.in-toto+json"
        # Spelled out as the specification has it, not with our own function.
        message.write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
        sig.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        done = subprocess.run(
            (*argv, "-in", message, "-sigfile", sig), capture_output=True, check=False, timeout=20
        )
        assert done.returncode == 0, done.stderr
        message.write_bytes(message.read_bytes() + b" ")
        done = subprocess.run(
            (*argv, "-in", message, "-sigfile", sig), capture_output=True, check=False, timeout=20
        )
        assert done.returncode != 0


def test_provenance_and_sbom_are_what_is_signed(signed: Slug) -> None:
    lines = attestations_of(signed.archive).read_text().splitlines()
    payloads = [base64.b64decode(json.loads(line)["payload"]) for line in lines]
    assert payloads[0] == provenance(signed)
    sbom = json.loads(payloads[1])
    assert sbom["predicateType"] == "https://cyclonedx.org/bom"
    assert sbom["subject"] == json.loads(payloads[0])["subject"]
    assert sbom["predicate"] == json.loads(slug_sbom(signed))
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(sbom["predicate"])) is None


def test_garbage_beside_a_slug_is_not_overwritten(slug: Slug, key: PrivateKey) -> None:
    path = attestations_of(slug.archive)
    path.write_bytes(b"my notes\n")
    with pytest.raises(AttestationsUnusableError, match="cannot be used"):
        sign_slug(slug, [key])
    assert path.read_bytes() == b"my notes\n"


def test_a_place_that_cannot_be_written_is_told(slug: Slug, key: PrivateKey) -> None:
    with pytest.raises(AttestationsNotWrittenError) as caught:
        sign_slug(slug, [key], output=slug.archive / "x")
    assert caught.value.exit_code is ExitCode.CANNOT_CREATE
    assert "Give another place, or make room there." in caught.value.text()


def test_making_keys_and_signing_print_paths(
    tmp_path: Path, slug: Slug, capsys: pytest.CaptureFixture[str]
) -> None:
    public = run_sign(None, NONE | {"new_key": str(tmp_path / "deploy")}, env={})
    assert public == str(tmp_path / "deploy.pub")
    private = str(tmp_path / "deploy.key")
    printed = run_sign(slug.archive, NONE | {"keys": (private,)}, env={})
    assert printed == f"{slug.archive}.intoto.jsonl"
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(r"Made key [0-9a-f]{64}\n", said.err)
    assert re.search(r"Signed sha256:[0-9a-f]{64}\n +with key [0-9a-f]{64}\n", said.err)


def test_json_has_the_same_facts(tmp_path: Path, slug: Slug) -> None:
    made = json.loads(
        run_sign(None, NONE | {"new_key": str(tmp_path / "deploy"), "as_json": True}, env={})
    )
    output = str(tmp_path / "elsewhere.jsonl")
    options = NONE | {"keys": (made["private"],), "output": output, "as_json": True}
    signed = json.loads(run_sign(slug.archive, options, env={}))
    assert signed["keys"] == [made["keyid"]]
    assert signed["attestations"] == output
    assert Path(output).exists()
    assert not attestations_of(slug.archive).exists()


def test_an_encrypted_key_signs_with_its_passphrase(tmp_path: Path, slug: Slug) -> None:
    env = {"SLUGC_KEY_PASSPHRASE": "open sesame"}
    run_sign(None, NONE | {"new_key": str(tmp_path / "k"), "passphrase": True}, env=env)
    assert b"ENCRYPTED" in (tmp_path / "k.key").read_bytes()
    assert run_sign(slug.archive, NONE | {"keys": (str(tmp_path / "k.key"),)}, env=env)


@pytest.mark.parametrize(
    ("given", "slug_given", "words"),
    [
        ({}, False, "There is no slug to sign"),
        ({}, True, "There is no key to sign with"),
        ({"new_key": "x"}, True, "--new-key signs nothing"),
        ({"new_key": "x", "keys": ("y",)}, False, "--new-key signs nothing"),
        ({"keys": ("y",), "passphrase": True}, True, "--passphrase is for --new-key"),
        ({"keys": ("y",), "builder_id": "me"}, True, "The builder's id is no URI"),
    ],
)
def test_options_that_make_no_sense_are_told(
    slug: Slug, given: dict[str, object], slug_given: bool, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run_sign(slug.archive if slug_given else None, NONE | given, env={})
    assert caught.value.text().startswith(f"{words}\n\n")


def test_times_are_told_only_where_they_are_remembered(
    tmp_path: Path, slug: Slug, key: PrivateKey
) -> None:
    private = tmp_path / "k"
    run_sign(None, NONE | {"new_key": str(private)}, env={})
    env = {"SLUGKIT_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    options = NONE | {"keys": (f"{private}.key",), "times": True}
    with pytest.raises(BuildNotRememberedError) as caught:
        run_sign(slug.archive, options, env=env)
    assert caught.value.text() == (
        f"This machine does not remember building {slug.archive}\n\n"
        "--times needs the record of the build, which is not part of a slug.\n\n"
        "Sign without --times, or where the slug was built."
    )
    note_build(tmp_path / "home", record_of(slug))
    run_sign(slug.archive, options, env=env)
    line = attestations_of(slug.archive).read_text().splitlines()[0]
    predicate = json.loads(base64.b64decode(json.loads(line)["payload"]))["predicate"]
    assert predicate["buildDefinition"]["internalParameters"] == {"sandbox": "embedded"}
    assert predicate["runDetails"]["metadata"] == {
        "startedOn": "2026-11-22T08:00:00Z",
        "finishedOn": "2026-11-22T08:00:02Z",
    }


def record_of(slug: Slug) -> BuildRecord:
    return BuildRecord(
        checksum=slug.metadata.checksum,
        name="hello",
        app="hello",
        archive=str(slug.archive),
        built_at="2026-11-22T08:00:02Z",
        duration=2.0,
        size=1,
        sandbox="embedded",
        stack="debian-12",
        commit=None,
        buildpacks=("python",),
        python_version=None,
        process_types=("web",),
        steps=(),
        reused=(),
    )


def test_only_signing_imports_cryptography() -> None:
    script = (
        "import sys; import slugc.supply_chain.sbom, slugc.supply_chain.provenance\n"
        "import slugc.supply_chain.trust, slugc.supply_chain.sign\n"
        "assert not {name.partition('.')[0] for name in sys.modules} & {'cryptography'}"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
