"""What can be wrong with a deploy, a rollback, a promotion or a release phase."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildpack.support.errors import (
    ExitCode,
    SlugkitError,
    UsageError,
    printable,
    printable_path,
)


def short(checksum: str) -> str:
    """``77ab01cd``: enough of a slug's checksum for people."""
    return checksum.removeprefix("sha256:")[:8]


class NotDeployedError(UsageError):
    """The app has no slug yet."""

    id = "not-deployed"

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"Nothing was deployed to {app} yet",
            resolution=f"Deploy a slug:\n\n    slug-run deploy app.slug --app {app}",
        )


class SlugGoneError(SlugkitError):
    """A release's slug is not where it was kept."""

    exit_code = ExitCode.NO_INPUT
    id = "slug-gone"

    def __init__(self, release: str, checksum: str, path: Path) -> None:
        self.release, self.checksum, self.path = release, checksum, path
        super().__init__(
            f"The slug of {release} is gone",
            details=f"{printable_path(path)} is not there.",
            resolution=f"Deploy the slug {short(checksum)} once more from wherever you have it:\n"
            "that brings it back for every release that is made of it.",
        )


class SlugReplacedError(SlugkitError):
    """The file is another slug than it was a moment ago."""

    exit_code = ExitCode.TRY_AGAIN
    id = "slug-replaced"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"The slug {printable_path(path)} was replaced while it was being deployed",
            resolution="Nothing was changed. Deploy it again when whoever writes it has ended.",
        )


class SlugNotKeptError(SlugkitError):
    """There is no room for a copy of the slug, or no right to make one."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "slug-not-kept"

    def __init__(self, directory: Path, found: str) -> None:
        self.directory, self.found = directory, found
        super().__init__(
            f"slug-run cannot keep slugs in {printable_path(directory)}",
            details=found,
            resolution="Nothing was changed. Make room: slug-run releases prune frees slugs that\n"
            "no release needs, slugc prune what can be made again.",
        )


class ReleaseNameError(UsageError):
    """A word that names no release."""

    id = "release-name"

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(
            f"'{printable(word)}' does not name a release",
            resolution="Give its version, as slug-run releases shows it:\n\n"
            "    slug-run rollback v7",
        )


class RollbackError(UsageError):
    """A release nobody can go back to."""

    id = "rollback"

    def __init__(self, app: str, found: str) -> None:
        self.app, self.found = app, found
        super().__init__(
            f"{app} cannot be rolled back to that",
            details=found,
            resolution=f"slug-run releases --app {app} lists the others.",
        )


class NothingToRollBackToError(UsageError):
    """There is no earlier release that ran."""

    id = "nothing-to-roll-back-to"

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"{app} has no earlier release to go back to",
            resolution=f"slug-run releases --app {app} lists those it has.",
        )


class NothingToRetryError(UsageError):
    """The newest release did not fail."""

    id = "nothing-to-retry"

    def __init__(self, app: str, newest: str) -> None:
        self.app, self.newest = app, newest
        super().__init__(
            f"{app} has no failed release to try again",
            details=f"Its newest release, {newest}, did not fail." if newest else "It has none.",
            resolution="To make a release of the slug it has: slug-run deploy SLUG --force",
        )


class PromotedToItselfError(UsageError):
    """Source and target of a promotion are one app."""

    id = "promoted-to-itself"

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"{app} cannot be promoted to itself",
            resolution="Name another app:\n\n"
            f"    slug-run promote --app {app} --to {app}-production",
        )


class NoReleaseOutputError(UsageError):
    """The release had no release phase, or its output is gone."""

    id = "no-release-output"

    def __init__(self, app: str, release: str) -> None:
        self.app, self.release = app, release
        super().__init__(
            f"There is no output of {app} {release}",
            details="Only a release whose slug has a process type 'release' has some.",
        )


class ReleasePhaseError(SlugkitError):
    """The release command failed; the release before it keeps running."""

    id = "release-failed"

    def __init__(
        self, app: str, release: str, *, found: str, kept: str, last: Sequence[str]
    ) -> None:
        self.app, self.release, self.found, self.kept = app, release, found, kept
        self.last = tuple(last)
        lines = "\n".join(("", "The last it said:", *(f"    {line}" for line in last)))
        super().__init__(
            f"{app} {release} was not released: {found}",
            details=f"{kept}{lines if last else ''}",
            resolution="See all it said, mend what is wrong, and try again:\n\n"
            f"    slug-run releases output {release} --app {app}\n"
            f"    slug-run releases retry --app {app}",
        )


class ReleaseTimeoutError(ReleasePhaseError):
    """The release command did not end in time."""

    exit_code = ExitCode.TIME_LIMIT
    id = "release-timeout"
