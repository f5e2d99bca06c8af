"""What an imported slug says about itself: process types, defaults, the stack it needs."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.values import changed, value
from slugc.buildpacks.release import MAX_PRINTED, BuildpackRelease, parse_release
from slugc.json_fields import Fields
from slugc.procfile import ProcessType, is_process_type, merge_process_types, read_procfile
from slugc.slug import SlugFacts
from slugc.stack import Stack, read_host_stack

if TYPE_CHECKING:
    from slugc.transfer.import_sources import ImportSource
    from slugc.transfer.slug_import import ImportRequest

PROCESSES = "processes.json"
RELEASE = ".release"
UNKNOWN = "unknown"
_LARGEST = 1024 * 1024


class ProcessesFileError(SlugkitError):
    """A processes.json that is none."""

    exit_code = ExitCode.DATA
    id = "processes-json"

    def __init__(self, where: str, found: str) -> None:
        self.where, self.found = where, found
        super().__init__(
            f"The {PROCESSES} {where} cannot be used",
            details=found,
            resolution='It holds process types and their commands: {"web": "bin/serve"}',
        )


@value
class Found:
    """The unpacked tree: its top, and the app in it. ``told`` says what it was taken for."""

    top: Path
    app: Path
    told: str


def settle_facts(
    source: ImportSource, found: Found, request: ImportRequest, notify: Callable[[str], None]
) -> SlugFacts:
    """What the image's label says, or what the files of another slug do."""
    facts = source.facts or _facts_of_files(source, found, request, notify)
    if request.name:
        facts = changed(facts, name=request.name)
    if request.stack:
        facts = changed(facts, stack=_named_stack(request.stack))
    if facts.stack.id == UNKNOWN:
        notify("Nothing in it says what stack it was built for, so the slug says 'unknown', and")
        notify("slug-run will not run it. Import it with --stack NAME if you know.")
    if not facts.process_types:
        notify("It names no process types: the slug runs one-off commands only.")
    return facts


def _facts_of_files(
    source: ImportSource, found: Found, request: ImportRequest, notify: Callable[[str], None]
) -> SlugFacts:
    release = _read_release(found.app)
    declared = _processes(source, found, notify)
    if declared is None:
        declared = read_procfile(found.app, warn=notify)
    return SlugFacts(
        name="",
        stack=Stack(id=UNKNOWN, distribution=UNKNOWN, glibc="", arch=read_host_stack().arch),
        buildpacks=(),
        process_types=merge_process_types(declared, release.default_process_types),
        config_vars=release.config_vars,
    )


def _named_stack(name: str) -> Stack:
    """The stack somebody names. Its C library is known where it is this machine's own."""
    host = read_host_stack()
    if name == host.id:
        return host
    distribution = "ubuntu" if name.startswith("heroku-") else name.partition("-")[0]
    return Stack(id=name, distribution=distribution, glibc="", arch=host.arch)


def _processes(
    source: ImportSource, found: Found, notify: Callable[[str], None]
) -> Mapping[ProcessType, str] | None:
    """The process types that Heroku's slug compiler wrote beside its slug, or in it."""
    if found.top != found.app and (content := _read(found.top / PROCESSES)) is not None:
        return parse_processes(content, "in the archive")
    if source.beside is not None and (content := _read(source.beside / PROCESSES)) is not None:
        notify(f"Process types from {printable_path(source.beside / PROCESSES)}")
        return parse_processes(content, "beside it")
    return None


def parse_processes(content: bytes, where: str) -> Mapping[ProcessType, str]:
    """``processes.json``: an object of commands."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise ProcessesFileError(where, "It is not JSON.") from err
    texts = Fields(document, error=lambda what: ProcessesFileError(where, f"{what}.")).texts()
    if wrong := [name for name in texts if not is_process_type(name)]:
        raise ProcessesFileError(where, f"'{printable_path(wrong[0])}' is no process type.")
    return MappingProxyType({ProcessType(name): line for name, line in texts.items()})


def _read_release(app: Path) -> BuildpackRelease:
    """What the last buildpack's bin/release said, which herokuish leaves in the app."""
    content = _read(app / RELEASE)
    if content is None:
        return BuildpackRelease()
    return parse_release(content[: MAX_PRINTED + 1].decode("utf-8", "replace"), RELEASE)


def _read(path: Path) -> bytes | None:
    """A small regular file; None where there is none. Its directory may be anybody's."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        return os.read(descriptor, _LARGEST) if _is_regular(descriptor) else None
    finally:
        os.close(descriptor)


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
