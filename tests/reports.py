"""What is printed of a failed test: enough to see why, never a whole log."""

from __future__ import annotations

import pytest

LONGEST = 20_000  # characters of one part of a report


def shortened(text: str, most: int = 4000) -> str:
    """Its beginning and its end, which say what was done and how it ended."""
    if len(text) <= most:
        return text
    left_out = len(text) - most
    return f"{text[: most // 4]}\n[{left_out} characters left out]\n{text[most // 4 - most :]}"


def shorten_report(report: pytest.TestReport) -> None:
    """A report that is too long becomes plain text, its captured output is cut."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = shortened(crash.message, 1000)  # in CI the summary repeats all of it
    if len(report.longreprtext) > LONGEST:
        report.longrepr = shortened(report.longreprtext, LONGEST)
    report.sections = [(title, shortened(text, LONGEST)) for title, text in report.sections]
