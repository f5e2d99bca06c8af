"""What is said of usage in an app's log, in Heroku's words. Values in, text out."""

from __future__ import annotations

from runner.metrics.load import MINUTES, Load
from runner.metrics.usage import Usage

_MIB = 1 << 20


def load_line(name: str, dyno: str, load: Load) -> str:
    samples = zip(MINUTES, load.averages, strict=True)
    shown = " ".join(f"sample#load_avg_{minutes}m={average:.2f}" for minutes, average in samples)
    return f"source={name} dyno={dyno} {shown}"


def memory_line(name: str, dyno: str, usage: Usage, quota: int) -> str:
    fields = [
        ("memory_total", _megabytes(usage.total)),
        ("memory_rss", _megabytes(usage.rss)),
        ("memory_cache", _megabytes(usage.cache)),
        ("memory_swap", _megabytes(usage.swap)),
        ("memory_pgpgin", _pages(usage.pages_in)),
        ("memory_pgpgout", _pages(usage.pages_out)),
        ("memory_quota", _megabytes(quota)),
    ]
    shown = " ".join(f"sample#{field}={text}" for field, text in fields if text)
    return f"source={name} dyno={dyno} {shown}"


def running_line(memory: int, quota: int) -> str:
    return f"Process running mem={memory / _MIB:.0f}M({memory / quota:.1%})"


def exceeded_line() -> str:
    return "Error R14 (Memory quota exceeded)"


def vastly_exceeded_line(process_type: str, most: int) -> str:
    return (
        f"Error R15 (Memory quota vastly exceeded) -> stopped at {most / _MIB:.0f}M; a larger size"
        f" raises it: slug-run scale {process_type}=N:SIZE"
    )


def killed_line(process_type: str, killed: int, most: int) -> str:
    """The container goes on without them."""
    what = "one of its processes was" if killed == 1 else f"{killed} of its processes were"
    return (
        f"Error R15 (Memory quota vastly exceeded) -> {what} killed at {most / _MIB:.0f}M; a larger"
        f" size raises it: slug-run scale {process_type}=N:SIZE"
    )


def processes_line(process_type: str, limit: int, refused: int | None) -> str:
    """``refused`` is None where nobody counts them."""
    more = "further ones are" if refused is None else f"{refused} more were"
    return (
        f"Process limit reached ({limit} processes and threads) -> {more} refused; a larger size"
        f" raises it: slug-run scale {process_type}=N:SIZE"
    )


def _megabytes(count: int) -> str:
    return f"{count / _MIB:.2f}MB"


def _pages(count: int | None) -> str:
    return "" if count is None else f"{count}pages"
