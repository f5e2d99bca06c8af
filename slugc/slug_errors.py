"""What can be wrong with a slug file, and what to do about it."""

from __future__ import annotations

from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path

_REBUILD = "Build it again with `slugc build`, or copy it again from where it came."


class SlugMissingError(SlugkitError):
    """There is no slug file of that name."""

    exit_code = ExitCode.NO_INPUT
    id = "slug-missing"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The slug {printable_path(path)} cannot be opened",
            details=found,
            resolution="Build one:\n\n    slugc build APP_DIR -o app.slug",
        )


class NotASlugError(SlugkitError):
    """A file that never was a slug."""

    exit_code = ExitCode.DATA
    id = "not-a-slug"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"{printable_path(path)} is not a slug",
            details=found,
            resolution="A slug is the file that slugc build writes:\n\n"
            "    slugc build APP_DIR -o app.slug",
        )


class SlugTruncatedError(SlugkitError):
    """A slug that ends too soon."""

    exit_code = ExitCode.DATA
    id = "slug-truncated"

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        super().__init__(
            f"The slug {printable_path(path)} is cut short",
            details=f"It ends after {size:,} bytes, before its index is complete.",
            resolution=_REBUILD,
        )


class SlugIndexError(SlugkitError):
    """A slug whose index contradicts itself or the file."""

    exit_code = ExitCode.DATA
    id = "slug-index"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The slug {printable_path(path)} is damaged",
            details=f"Its index is not usable: {found}.",
            resolution=_REBUILD,
        )


class SlugSchemaError(SlugkitError):
    """A slug written by a newer Slugkit."""

    exit_code = ExitCode.DATA
    id = "slug-schema"

    def __init__(self, path: Path, schema: object, known: int) -> None:
        self.path, self.schema = path, schema
        super().__init__(
            f"The slug {printable_path(path)} needs a newer Slugkit",
            details=f"Its format is version {printable(str(schema))}; this one reads {known}.",
            resolution="Install a newer Slugkit, or build the slug again with this one.",
        )


class SlugDamagedError(SlugkitError):
    """Bytes of a slug are not what its index says; nothing of it was unpacked."""

    exit_code = ExitCode.DATA
    id = "slug-damaged"

    def __init__(self, path: Path, found: tuple[str, ...]) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The slug {printable_path(path)} is damaged",
            details="\n".join(found),
            resolution=_REBUILD,
        )


UNUSABLE = (
    NotASlugError,
    SlugDamagedError,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
)
"""Every way in which a file is no slug that can be used."""
