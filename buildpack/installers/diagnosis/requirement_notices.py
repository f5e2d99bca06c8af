"""What is worth saying about requirements that are not wrong: before anything is installed."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from buildpack.app import App
from buildpack.installers.diagnosis.compiled_notices import name_of
from buildpack.installers.pip_syntax import ignored_options, own_options
from buildpack.requirement_lines import RequirementFiles, RequirementLine
from buildpack.requirement_paths import is_of_app, is_path, is_url
from buildpack.support.errors import SlugkitError, printable
from buildpack.support.urls import without_password

SWITCH = "SLUGKIT_REQUIRE_PINNED"
SHOWN = 10


class UnpinnedRequirementsError(SlugkitError):
    """The app wants every requirement pinned, and some are not."""

    id = "requirements::unpinned"

    def __init__(self, app: App, lines: Sequence[RequirementLine]) -> None:
        self.lines = tuple(lines)
        listing = "\n".join(f"  {x.place}: {printable(x.requirement)}" for x in lines)
        super().__init__(
            "Some of your requirements are not pinned to one version",
            details=f"{SWITCH} is set, so every line needs '==' and a version. These have none:"
            f"\n\n{listing}",
            resolution="Write all versions down, those of indirect dependencies too:\n\n"
            + how_to_pin(app, lines),
        )


def how_to_pin(app: App, loose: Sequence[RequirementLine]) -> str:
    """pip-tools' own way: what is asked for in one file, what it led to in another."""
    source = f"{posixpath.splitext(loose[0].file)[0]}.in"
    name, shown = printable(loose[0].file), printable(source)
    steps = f"    pip-compile --generate-hashes {shown} -o {name}\n    git add {name}"
    if is_of_app(app, source):
        return f"{steps}\n\n{name} then holds what {shown} asks for, and nothing else."
    return f"    git mv {name} {shown}\n{steps}"


def requirement_notices(
    app: App, found: RequirementFiles, env: Mapping[str, str]
) -> tuple[str, ...]:
    """Every notice, in the order of what they cost when missed."""
    loose = unpinned(found)
    if loose and env.get(SWITCH, "") not in {"", "0"}:
        raise UnpinnedRequirementsError(app, loose)
    notices = (index_notice(found), unpinned_notice(app, loose, found), ignored_notice(found))
    return tuple(notice for notice in notices if notice)


def unpinned(found: RequirementFiles) -> tuple[RequirementLine, ...]:
    """Requirements whose version another build may choose differently."""
    pinned_elsewhere = {
        name_of(line)
        for line in found.lines
        if line.file in found.constraint_files and _is_pinned(line)
    }
    return tuple(
        line
        for line in found.wanted()
        if not line.is_option and not _is_pinned(line) and name_of(line) not in pinned_elsewhere
    )


def unpinned_notice(app: App, loose: Sequence[RequirementLine], found: RequirementFiles) -> str:
    """How many requirements are free, and which; '' when none is."""
    if not loose:
        return ""
    total = len(found.wanted())
    names = ", ".join(printable(line.requirement) for line in loose[:SHOWN])
    more = f" and {len(loose) - SHOWN} more" if len(loose) > SHOWN else ""
    are = "is" if len(loose) == 1 else "are"
    some = f"{len(loose)} of your {total} requirements {are} not"
    some = some if len(loose) < total else "None of your requirements is"
    return (
        f"{some} pinned to one version\n\n"
        f"  {names}{more}\n\n"
        "The next build without a cache may install other versions than this one. To keep them:\n\n"
        f"{how_to_pin(app, loose)}\n\n"
        f"To make this an error, set {SWITCH}=1."
    )


def index_notice(found: RequirementFiles) -> str:
    """Indexes that the files themselves add: honoured as pip does, and named."""
    extra = [
        (line, value)
        for line, name, value in own_options(found.lines)
        if name == "--extra-index-url"
    ]
    if not extra:
        return ""
    listing = "\n".join(
        f"  {line.place}: {printable(without_password(value))}" for line, value in extra
    )
    return (
        f"Your requirements add a package index\n\n{listing}\n\n"
        "The best version of a package is taken from any of the indexes, as pip does. Who can\n"
        "publish your private package's name on another of them, with a higher version, has\n"
        "their code in your app ('dependency confusion'). Hashes rule that out; so does one\n"
        "--index-url that holds everything."
    )


def ignored_notice(found: RequirementFiles) -> str:
    """Options of pip that change nothing here."""
    ignored = tuple(ignored_options(found.lines))
    if not ignored:
        return ""
    listing = "\n".join(f"  {line.place}: {printable(name)}" for line, name in ignored)
    return (
        f"Some options in your requirements have no effect here\n\n{listing}\n\n"
        "Packages are installed by uv, which has no such options."
    )


def _is_pinned(line: RequirementLine) -> bool:
    text = line.requirement
    if is_url(text) or is_path(text) or " @ " in text:
        return True
    specifier = text.partition(";")[0]
    return "===" in specifier or ("==" in specifier and "*" not in specifier)
