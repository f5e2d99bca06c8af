"""What can be wrong with a source, in words that name the file and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable, printable_path

if TYPE_CHECKING:
    from slugc.sources.weighing import Weight

SHOWN = 20  # of a long list; the count is told


def listed(names: Sequence[str]) -> str:
    """One indented line a name, escaped; a long list is cut and counted."""
    lines = [f"    {printable(name, limit=200)}" for name in names[:SHOWN]]
    if len(names) > SHOWN:
        lines.append(f"    and {len(names) - SHOWN:,} more")
    return "\n".join(lines)


class SourceMissingError(SlugkitError):
    """There is nothing at the place we were given."""

    exit_code = ExitCode.NO_INPUT
    id = "source-missing"

    def __init__(self, source: str, found: str = "") -> None:
        self.source, self.found = source, found
        super().__init__(
            f"There is no source at {printable_path(source) or repr(source)}",
            details=found,
            resolution="Give a directory, a tarball or a git URL, for example:\n\n"
            "    slugc build path/to/app",
        )


class SourceFromTerminalError(UsageError):
    """Somebody would have to type a tar stream."""

    id = "source-from-terminal"

    def __init__(self, example: str) -> None:
        super().__init__(
            "A tar stream is not read from a terminal",
            resolution=f"Send it from a file or a program:\n\n    {example}",
        )


class SourceKindError(SlugkitError):
    """What we were given is no source."""

    exit_code = ExitCode.DATA
    id = "source-kind"

    def __init__(self, source: str, found: str) -> None:
        self.source, self.found = source, found
        super().__init__(
            f"{printable_path(source)} is not something to build",
            details=f"It is {found}.",
            resolution="Give a directory, a tarball (.tar, .tar.gz, .tgz, .tar.zst), '-' for a\n"
            "tar stream on standard input, or a git URL#ref.",
        )


class SourceTooWideError(SlugkitError):
    """The root directory or a home directory: never an app, always a mistake."""

    exit_code = ExitCode.DATA
    id = "source-too-wide"

    def __init__(self, source: Path, what: str) -> None:
        self.source, self.what = source, what
        super().__init__(
            f"{source} is {what}, not an app",
            resolution="Give the directory the app is in: slugc build path/to/app",
        )


class SourceEmptyError(SlugkitError):
    """No file is left to build from."""

    exit_code = ExitCode.DATA
    id = "source-empty"

    def __init__(self, source: str, *, ignored: int) -> None:
        self.source, self.ignored = source, ignored
        found = f".slugignore leaves out all {ignored:,} entries, so the slug would be empty."
        super().__init__(
            f"The source {printable_path(source)} holds no file to build from",
            details=found if ignored else "",
            resolution="Check .slugignore: '!NAME' brings a file back."
            if ignored
            else "Give the directory that holds the app's files.",
        )


class SourceRefusedError(SlugkitError):
    """Entries that cannot stand in a slug; every one is named."""

    exit_code = ExitCode.DATA
    id = "source-refused"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The source holds what a slug cannot hold",
            details=listed(self.problems),
            resolution="Remove these, or leave them out with a line in .slugignore.",
        )


class SourceUnreadableError(SlugkitError):
    """Files or directories we may not read; every one is named."""

    exit_code = ExitCode.PERMISSION
    id = "source-unreadable"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "Part of the source cannot be read",
            details=listed(self.names),
            resolution="Allow it with chmod, or leave it out with a line in .slugignore.",
        )


class SourceSecretsError(SlugkitError):
    """--strict-secrets, and the source holds files that look like some."""

    exit_code = ExitCode.DATA
    id = "source-secrets"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "The source holds files that may be secret",
            details=listed(self.names),
            resolution="Give secrets as config vars, and leave the files out in .slugignore.\n"
            "Without --strict-secrets they go into the slug, with a warning.",
        )


class SourceTooLargeError(SlugkitError):
    """More than a slug may hold."""

    exit_code = ExitCode.DATA
    id = "source-too-large"

    def __init__(self, what: str, limit: int, weight: Weight) -> None:
        self.what, self.limit, self.weight = what, limit, weight
        found = weight.entries if what == "entries" else weight.size
        more = "" if weight.is_whole else "more than "
        holes = [
            f"{printable(path)} is sparse: {size:,} bytes, of which {room:,} are on the disk."
            for path, size, room in weight.sparse
        ]
        table = [
            f"{size / 1e6:12,.1f} MB {count:10,} entries  {printable(path)}"
            for path, size, count in weight.biggest
        ]
        parts = (*holes, "The biggest directories:", *table)
        super().__init__(
            "The source is larger than a slug may be: "
            f"{more}{found:,} {what}, {limit:,} are allowed",
            details="\n".join(parts),
            resolution="Leave data and media out with lines in .slugignore.",
        )


class SourceTimeoutError(SlugkitError):
    """The source's file system did not answer in time, or is very slow."""

    exit_code = ExitCode.TIME_LIMIT
    id = "source-timeout"

    def __init__(self, path: str, limit: float) -> None:
        self.path, self.limit = path, limit
        super().__init__(
            f"{printable_path(path)} could not be read within {limit:g} second{'s' * (limit != 1)}",
            details="Nothing was built. If it lies on a network mount, the server may be gone.",
            resolution="Give it more time with --timeout SECONDS.",
        )


class SourceChangedError(SlugkitError):
    """Somebody wrote to the source while we read it, twice."""

    exit_code = ExitCode.TRY_AGAIN
    id = "source-changed"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            "The source changed during the build",
            details=listed((name,)),
            resolution="Build again when nothing writes to the source.",
        )
