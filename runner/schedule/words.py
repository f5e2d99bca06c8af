"""How runs are named and told."""

from __future__ import annotations

from runner.state.schedule_values import Run

SCHEDULER = "scheduler"


def run_name(run: Run) -> str:
    """``scheduler.1234``, as Heroku's: the name of its container, and in the log."""
    return f"{SCHEDULER}.{1000 + run.number % 9000}"


def shown_length(seconds: float) -> str:
    """``0.3s``, ``12s``, ``3m20s``, ``2h05m``."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
