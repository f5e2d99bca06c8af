"""What an archive is refused for. Every error is tarsafe's too, so code written for it works."""

from __future__ import annotations

from tarsafe import TarSafeException  # type: ignore[import-untyped]  # it ships no types

from buildpack.support.errors import ExitCode, SlugkitError, printable


class ArchiveError(SlugkitError, TarSafeException):  # type: ignore[misc]  # its base is untyped
    """An archive that will not be unpacked."""

    exit_code = ExitCode.DATA
    id = "archive"


class UnsafeMemberError(ArchiveError):
    """A member that would reach outside the tree, or be something an app has no use for."""

    id = "archive-unsafe-member"

    def __init__(self, member: bytes, reason: str) -> None:
        self.member, self.reason = member, reason
        super().__init__(
            "The archive holds something that may not be unpacked",
            details=f"'{printable(member)}': {reason}.",
            resolution="Nothing was unpacked. Leave that member out and pack the archive again.",
        )


class ArchiveDamagedError(ArchiveError):
    """An archive that is cut short, or whose bytes make no sense."""

    id = "archive-damaged"

    def __init__(self, reason: str, position: int) -> None:
        self.reason, self.position = reason, position
        super().__init__(
            "The archive is damaged",
            details=f"At byte {position:,} of the tar stream: {reason}.",
            resolution="Nothing was unpacked. Fetch or pack it again.",
        )


class ArchiveLimitError(ArchiveError):
    """An archive that would unpack to more than is allowed."""

    id = "archive-limit"

    def __init__(self, what: str, limit: int, found: int) -> None:
        self.what, self.limit, self.found = what, limit, found
        super().__init__(
            f"The archive holds too many {what}",
            details=f"{found:,} {what} where {limit:,} are allowed.",
            resolution="Nothing was unpacked. Leave out what the app does not need to run.",
        )
