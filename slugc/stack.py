"""The stack: what a slug expects underneath it, and whether this machine offers that."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value

OS_RELEASE_FILES = (Path("/etc/os-release"), Path("/usr/lib/os-release"))  # os-release(5)


@value
class Stack:
    """A distribution release on an architecture: ``debian-12``, glibc 2.36, x86_64."""

    id: str
    distribution: str
    glibc: str
    """Empty where the C library is another one."""
    arch: str

    def mismatches(self, host: Stack) -> tuple[str, ...]:
        """Why a slug made for this stack does not run on ``host``; empty when it does."""
        reasons = []
        if self.arch != host.arch:
            reasons.append(f"architecture: the slug needs {self.arch}, this is {host.arch}")
        if self.id != host.id:
            reasons.append(f"stack: the slug needs {self.id}, this is {host.id}")
        if _numbers(self.glibc) > _numbers(host.glibc):
            here = host.glibc or "none"
            reasons.append(f"glibc: the slug needs {self.glibc} or newer, this has {here}")
        return tuple(reasons)

    def runs_on(self, host: Stack) -> bool:
        """Whether a slug made for this stack runs on ``host``."""
        return not self.mismatches(host)


class StackMismatchError(SlugkitError):
    """A slug made for another stack or architecture."""

    exit_code = ExitCode.DATA
    id = "stack-mismatch"

    def __init__(self, slug: str, wanted: Stack, host: Stack) -> None:
        self.slug, self.wanted, self.host = slug, wanted, host
        machine = f"on a {wanted.id} {wanted.arch} machine"
        if wanted.arch == host.arch:
            # A stack image has another distribution for a container, never another processor.
            machine += f", or with --engine docker and the\nstack image of {wanted.id}"
        super().__init__(
            f"The slug {slug} was built for another stack",
            details="\n".join(wanted.mismatches(host)),
            resolution=(
                "Build the app again on this machine, or run the slug where its stack is:\n"
                f"{machine}."
            ),
        )


def require_stack(wanted: Stack, *, host: Stack, slug: str) -> None:
    """Raise StackMismatchError unless ``slug``, made for ``wanted``, runs on ``host``."""
    if not wanted.runs_on(host):
        raise StackMismatchError(slug, wanted, host)


def read_host_stack(files: tuple[Path, ...] = OS_RELEASE_FILES) -> Stack:
    """The stack of this machine."""
    facts = parse_os_release(_first_text(files))
    distribution = facts.get("ID") or "linux"
    # Rolling distributions have no VERSION_ID; Debian testing has a code name.
    release = facts.get("VERSION_ID") or facts.get("VERSION_CODENAME") or "rolling"
    return Stack(
        id=f"{distribution}-{release}",
        distribution=distribution,
        glibc=_glibc(),
        arch=os.uname().machine,
    )


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file; lines that are none are passed over, as it asks."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            facts[name] = "".join(shlex.split(value))
        except ValueError:  # an unclosed quote: the value as it stands tells more than nothing
            facts[name] = value
    return facts


def _first_text(files: tuple[Path, ...]) -> str:
    for file in files:
        if file.is_file():
            return file.read_text(encoding="utf-8", errors="replace")
    return ""


def _glibc() -> str:
    name, _, number = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    return number if name == "glibc" else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
