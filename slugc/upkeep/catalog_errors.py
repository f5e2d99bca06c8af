"""What can be wrong with the slugs that `slugc rm` is told to remove."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path


class NoSuchSlugError(SlugkitError):
    """Nothing is called so."""

    exit_code = ExitCode.NO_INPUT
    id = "no-such-slug"

    def __init__(self, word: str, names: Sequence[str]) -> None:
        import difflib  # a mistake is rare, and may take a while

        self.word = word
        self.near = tuple(difflib.get_close_matches(word, names, n=3))
        near = " or ".join(f"'{printable_path(name)}'" for name in self.near)
        super().__init__(
            f"There is no slug '{printable(word)}'",
            details="It is neither the name of a slug that was built here, nor a file, nor the\n"
            "beginning of a checksum (6 digits or more).",
            resolution=f"Did you mean {near}?" if near else "See which there are: slugc list",
        )


class AmbiguousSlugError(SlugkitError):
    """A name, or the beginning of a checksum, that several slugs have."""

    exit_code = ExitCode.USAGE
    id = "ambiguous-slug"

    def __init__(self, word: str, archives: Sequence[str]) -> None:
        self.word, self.archives = word, tuple(archives)
        super().__init__(
            f"'{printable(word)}' could be any of {len(archives)} slugs",
            details="\n".join(printable_path(path) for path in archives),
            resolution="Nothing was removed. Give the path of the one that is meant.",
        )


class NotASlugFileError(SlugkitError):
    """A file that is no slug: who names it has mistyped, or means `rm`."""

    exit_code = ExitCode.DATA
    id = "not-a-slug-file"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{printable_path(path)} is not a slug",
            resolution="Nothing was removed. Slugkit removes slugs only.",
        )


class SlugNotRemovedError(SlugkitError):
    """The file system refuses."""

    exit_code = ExitCode.PERMISSION
    id = "slug-not-removed"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The slug {printable_path(path)} cannot be removed",
            details=found,
            resolution="Its record is kept. Remove it as the user who may.",
        )
