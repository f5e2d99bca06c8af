"""What can be wrong with keys and signatures, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path

_DO_NOT_RUN = (
    "Do not run it. Get the slug and its .intoto.jsonl file once more from where they were\n"
    "built, and the public key from somebody you trust."
)


class KeyMissingError(SlugkitError):
    """A key that cannot be read."""

    exit_code = ExitCode.NO_INPUT
    id = "key-missing"

    def __init__(self, key: str, found: str) -> None:
        self.key, self.found = key, found
        super().__init__(
            f"The key {printable_path(key)} cannot be read",
            details=found,
            resolution="Give a file, env:NAME for an environment variable, or - for standard\n"
            "input. Make a pair of keys with:\n\n    slugc sign --new-key NAME",
        )


class KeyUnusableError(SlugkitError):
    """Something that is no key, or another kind of key than is needed."""

    exit_code = ExitCode.DATA
    id = "key-unusable"

    def __init__(self, key: str, wanted: str, found: str) -> None:
        self.key, self.wanted, self.found = key, wanted, found
        super().__init__(
            f"{printable_path(key)} is not {wanted}",
            details=found,
            resolution="Keys are Ed25519, in PEM files (PKCS #8), as these commands make them:\n\n"
            "    slugc sign --new-key NAME\n"
            "    openssl genpkey -algorithm ed25519 -out NAME.key\n"
            "    openssl pkey -in NAME.key -pubout -out NAME.pub",
        )


class KeyOnCommandLineError(SlugkitError):
    """Key material among the arguments, which every user of the machine can read."""

    exit_code = ExitCode.USAGE
    id = "key-on-command-line"

    def __init__(self) -> None:
        super().__init__(
            "A key must not stand on the command line",
            details="Other users of this machine can see it there, and the shell's history keeps "
            "it.",
            resolution="Give a file, env:NAME for an environment variable, or - for standard\n"
            "input. If it was a private key, make a new one.",
        )


class PassphraseError(SlugkitError):
    """A key that is encrypted, and no passphrase that opens it."""

    exit_code = ExitCode.PERMISSION
    id = "key-passphrase"

    def __init__(self, key: str, found: str) -> None:
        self.key, self.found = key, found
        super().__init__(
            f"The private key {printable_path(key)} cannot be opened",
            details=found,
            resolution="Set SLUGC_KEY_PASSPHRASE, or sign on a terminal, where it is asked for.",
        )


class KeyExistsError(SlugkitError):
    """A new key would replace another one."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "key-exists"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{printable_path(path)} exists already",
            details="A key that was overwritten cannot be brought back. Nothing was written.",
            resolution="Choose another name.",
        )


class AttestationsUnusableError(SlugkitError):
    """The file of signatures beside a slug is not one."""

    exit_code = ExitCode.DATA
    id = "signatures-unusable"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The signatures in {printable_path(path)} cannot be used",
            details=found,
            resolution="Copy the file again from where it came; or remove it, and sign again with\n"
            "`slugc sign`.",
        )


class SignatureMissingError(SlugkitError):
    """A slug without signatures where one is required."""

    exit_code = ExitCode.DATA
    id = "signature-missing"

    def __init__(self, slug: Path, attestations: Path) -> None:
        self.slug, self.attestations = slug, attestations
        super().__init__(
            f"The slug {printable_path(slug)} is not signed",
            details=f"There is no file {printable_path(attestations)}.",
            resolution="Copy it together with the slug, or sign the slug with `slugc sign`.",
        )


class SignatureWrongError(SlugkitError):
    """A signature that its key did not make over what it stands under."""

    exit_code = ExitCode.DATA
    id = "signature-wrong"

    def __init__(self, slug: Path, keyid: str, found: str) -> None:
        self.slug, self.keyid, self.found = slug, keyid, found
        super().__init__(
            f"A signature of the slug {printable_path(slug)} is wrong",
            details=f"Key {keyid}: {found}",
            resolution=_DO_NOT_RUN,
        )


class SignatureOfAnotherSlugError(SlugkitError):
    """Signatures that are about another file."""

    exit_code = ExitCode.DATA
    id = "signature-of-another-slug"

    def __init__(self, slug: Path, sha256: str, signed: Iterable[str]) -> None:
        self.slug, self.sha256, self.signed = slug, sha256, tuple(sorted(signed))
        named = [f"signed was sha256:{printable(each)}" for each in self.signed]
        super().__init__(
            f"The signatures beside the slug {printable_path(slug)} are of another one",
            details="\n".join([*named[:10], f"the slug is  sha256:{sha256}"]),
            resolution="It was changed, or built again, after it was signed.\n" + _DO_NOT_RUN,
        )


class SignatureUntrustedError(SlugkitError):
    """A slug that is signed, by none of the keys that are trusted."""

    exit_code = ExitCode.DATA
    id = "signature-untrusted"

    def __init__(self, slug: Path, signers: Iterable[str], trusted: Iterable[str]) -> None:
        self.slug, self.signers, self.trusted = slug, tuple(signers), tuple(trusted)
        by = [f"signed with key {printable(each) or 'without a name'}" for each in self.signers]
        super().__init__(
            f"The slug {printable_path(slug)} is signed by nobody who is trusted",
            details="\n".join([*by[:10], *(f"trusted is key  {each}" for each in self.trusted)]),
            resolution="Check which public key was given with --key.\n" + _DO_NOT_RUN,
        )


class SignatureIncompleteError(SlugkitError):
    """Some of what a signed slug has beside it is gone."""

    exit_code = ExitCode.DATA
    id = "signature-incomplete"

    def __init__(self, slug: Path, missing: str) -> None:
        self.slug, self.missing = slug, missing
        super().__init__(
            f"The signatures of the slug {printable_path(slug)} are incomplete",
            details=f"No trusted key has signed its {missing}.",
            resolution=_DO_NOT_RUN,
        )


class SlugChangedError(SlugkitError):
    """A slug that was written to while it was being signed or checked."""

    exit_code = ExitCode.TRY_AGAIN
    id = "slug-changed"

    def __init__(self, slug: Path) -> None:
        self.slug = slug
        super().__init__(
            f"The slug {printable_path(slug)} changed while it was read",
            resolution="Try again when nobody writes to it.",
        )


class AttestationsNotWrittenError(SlugkitError):
    """The signatures, or a new key, cannot be written."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "signatures-not-written"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"{printable_path(path)} cannot be written",
            details=found,
            resolution="Give another place, or make room there.",
        )
