"""What a registry, or the way to it, refuses: in words, never with a name or a password."""

from __future__ import annotations

import json

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable, printable_path

_NAME_RULE = "Names are lower-case letters and digits, parted by '.', '_', '-' and '/'."


class ImageReferenceError(UsageError):
    """Something that is no name of an image in a registry."""

    id = "registry-reference"

    def __init__(self, text: str, found: str) -> None:
        self.text_given, self.found = text, found
        super().__init__(
            f"'{printable_path(text)}' is no image in a registry",
            details=found,
            resolution=f"Write it like registry.example.com/team/app:v1. {_NAME_RULE}",
        )


class RegistryError(SlugkitError):
    """A registry did not do what it was asked."""

    exit_code = ExitCode.FAILED
    id = "registry"


class RegistryUnreachableError(RegistryError):
    """Nobody answers, or not in time."""

    exit_code = ExitCode.TRY_AGAIN
    id = "registry-unreachable"

    def __init__(self, host: str, found: str) -> None:
        self.host, self.found = host, found
        super().__init__(
            f"The registry {host} cannot be reached",
            details=found,
            resolution="Check its name, the network and a proxy (https_proxy); then try again.",
        )


class RegistryTlsError(RegistryError):
    """Its certificate is not one we trust, or it speaks no TLS."""

    exit_code = ExitCode.UNAVAILABLE
    id = "registry-tls"

    def __init__(self, host: str, found: str) -> None:
        self.host, self.found = host, found
        super().__init__(
            f"The registry {host} offers no connection that can be trusted",
            details=found,
            resolution="Put its certificate authority into a file and name that in SSL_CERT_FILE.\n"
            "A registry without TLS needs --plain-http.",
        )


class RegistryDeniedError(RegistryError):
    """It wants to know who asks, or says that they may not."""

    exit_code = ExitCode.PERMISSION
    id = "registry-denied"

    def __init__(self, host: str, what: str, *, status: int, has_login: bool, found: str) -> None:
        self.host, self.what, self.status, self.found = host, what, status, found
        asked = "with the login of your docker config" if has_login else "without a login"
        super().__init__(
            f"The registry {host} does not allow this",
            details=f"{what}, {asked}: status {status}. {found}".rstrip(),
            resolution=f"Log in with an account that may:\n\n    docker login {host}",
        )


class RegistryNotFoundError(RegistryError):
    """There is no such repository or image."""

    exit_code = ExitCode.NO_INPUT
    id = "registry-not-found"

    def __init__(self, host: str, what: str, found: str) -> None:
        self.host, self.what, self.found = host, what, found
        super().__init__(
            f"The registry {host} does not have what was asked for",
            details=f"{what}: status 404. {found}".rstrip(),
            resolution="Check the name and the tag. Some registries want a repository to be made\n"
            "before anything is pushed to it.",
        )


class RegistryRefusedError(RegistryError):
    """It objects to what it was given: a name, a size, a kind of manifest."""

    exit_code = ExitCode.DATA
    id = "registry-refused"

    def __init__(self, host: str, what: str, *, status: int, found: str) -> None:
        self.host, self.what, self.status, self.found = host, what, status, found
        other = "An older registry may take the same slug with --compression gzip."
        advice = _NAME_RULE if "NAME" in found else other
        super().__init__(
            f"The registry {host} refuses this",
            details=f"{what}: status {status}. {found}".rstrip(),
            resolution=advice,
        )


class RegistryFailedError(RegistryError):
    """Something is wrong on its side."""

    exit_code = ExitCode.TRY_AGAIN
    id = "registry-failed"

    def __init__(self, host: str, what: str, *, status: int, found: str) -> None:
        self.host, self.what, self.status, self.found = host, what, status, found
        super().__init__(
            f"The registry {host} failed",
            details=f"{what}: status {status}. {found}".rstrip(),
            resolution="What was uploaded is not sent again. Try again later; if it goes on, look\n"
            "at the registry's own log and at the room on its disk.",
        )


def error_for(host: str, what: str, status: int, body: bytes, *, has_login: bool) -> RegistryError:
    """The error for an answer that is none of those hoped for."""
    found = spoken(body)
    if status in {401, 403}:
        return RegistryDeniedError(host, what, status=status, has_login=has_login, found=found)
    if status == 404:
        return RegistryNotFoundError(host, what, found)
    if status >= 500 or status == 429:
        return RegistryFailedError(host, what, status=status, found=found)
    return RegistryRefusedError(host, what, status=status, found=found)


def spoken(body: bytes) -> str:
    """The registry's own words: its error codes and messages, or the beginning of its answer."""
    try:
        document = json.loads(body)
        errors = document["errors"]
        parts = [f"{each.get('code', '')}: {each.get('message', '')}" for each in errors]
        return printable("; ".join(parts).strip(": "), limit=400)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return printable(body[:200].strip(), limit=200)
