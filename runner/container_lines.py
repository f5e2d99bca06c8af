"""What an app's log says of a container's life, in Heroku's words. Values in, text out."""

from __future__ import annotations

from buildpack.support.errors import shown_seconds

STOPPING = "Stopping all processes with SIGTERM"
KILLING = "Stopping remaining processes with SIGKILL"
UNKILLABLE = "Process does not end after SIGKILL; it is left to the kernel"


def starting(command: str, *, by: str = "") -> str:
    return f"Starting process with command `{command}`" + (f" by {by}" if by else "")


def state_changed(before: str, after: str) -> str:
    return f"State changed from {before} to {after}"


def exited(code: int) -> str:
    return f"Process exited with status {code}"


def restarting(delay: float) -> str:
    return f"Restarting in {shown_seconds(delay)}"


def boot_timeout(limit: float) -> str:
    return (
        "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within"
        f" {shown_seconds(limit)} of launch"
    )


def listening(port: int | None, found: str) -> str:
    """What it did bind, said after ``boot_timeout``."""
    return f"PORT is {port}; listening here: {found}"


def exit_timeout(limit: float) -> str:
    return (
        "Error R12 (Exit timeout) -> At least one process failed to exit within"
        f" {shown_seconds(limit)} of SIGTERM"
    )


def out_of_memory(hint: str = "") -> str:
    """The kernel ended it for want of memory. ``hint`` is what would give it more."""
    more = f"; {hint}" if hint else ""
    return f"Error R15 (Memory quota vastly exceeded) -> killed at the limit{more}"
