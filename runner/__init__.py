"""The slug runner: release -> formation -> containers.

For other programs: ``start``, ``run_one_off`` and ``start_one_off`` (docs/api.md). They are
imported when they are asked for, so that ``slug-run --help`` imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing takes milliseconds
if TYPE_CHECKING:
    from runner.api import (
        Address,
        Crashed,
        Down,
        Event,
        FormationEndedError,
        Line,
        Missed,
        NotUpError,
        NoUrlError,
        OneOffResult,
        Outcome,
        RunningFormation,
        RunningOneOff,
        SlugkitError,
        Starting,
        Up,
        run_one_off,
        start,
        start_one_off,
    )

__all__ = (
    "Address",
    "Crashed",
    "Down",
    "Event",
    "FormationEndedError",
    "Line",
    "Missed",
    "NoUrlError",
    "NotUpError",
    "OneOffResult",
    "Outcome",
    "RunningFormation",
    "RunningOneOff",
    "SlugkitError",
    "Starting",
    "Up",
    "run_one_off",
    "start",
    "start_one_off",
)

if not TYPE_CHECKING:

    def __getattr__(name):  # PEP 562; a type checker would believe in any name
        if name in __all__:
            from runner import api

            return getattr(api, name)
        raise AttributeError(f"module 'runner' has no attribute '{name}'")

    def __dir__():  # as above
        return [*globals(), *__all__]
