"""What could not be kept because a disk was full: counted, and said once there is room."""

from __future__ import annotations

from buildpack.support.values import value


@value
class Loss:
    """Output that is gone."""

    since: int
    """microseconds since 1970"""
    lines: int = 0
    size: int = 0

    def and_also(self, chunk: bytes) -> Loss:
        """With ``chunk`` gone as well."""
        lines = self.lines + chunk.count(b"\n")
        return Loss(since=self.since, lines=lines, size=self.size + len(chunk))

    def text(self, name: str) -> str:
        """In the words of Heroku's L10."""
        # A line of which only a part is gone counts too.
        lines = max(self.lines, 1)
        count = f"{lines:,} line{'s' if lines > 1 else ''} ({self.size:,} bytes)"
        return (
            f"Error L10 (output buffer overflow): {count} of {name} dropped since"
            f" {shown_time(self.since)}: no room on the disk"
        )


def shown_time(microseconds: int) -> str:
    """``2026-11-22T10:00:01.123456+00:00``, for any number: clocks may say anything."""
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    return moment.isoformat(timespec="microseconds")
