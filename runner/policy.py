"""What the supervisor decides by: how patient it is, what stands in front, how a run ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from buildpack.support.values import value
from runner.engines.base import Address

BACK_OFF_LIMIT = 60.0
STEADY = 300.0  # seconds up after which earlier crashes are forgotten
LOOK_INTERVAL = 0.02
PATIENT_AFTER = 5.0  # seconds of booting after which looking every 20 ms is too often
PATIENT_INTERVAL = 0.25


class Front(Protocol):
    """What stands before the web containers."""

    def serve(self, addresses: Sequence[Address]) -> None:
        """Send requests to these, and to no others."""

    def stop(self) -> None:
        """Take no new requests; those under way are finished."""

    def streams(self) -> tuple[int, ...]:
        """Descriptors to watch; ``attend`` is called when one is readable."""

    def attend(self) -> Sequence[str]:
        """Look after itself; what came of it, as log lines."""


@value
class Policy:
    """How patient the supervisor is."""

    boot_timeout: float = 60.0
    stop_timeout: float = 30.0
    exit_on_crash: bool = False
    publish: int | None = None
    """The port of this machine that a lone web container gets without a router."""


@value
class Outcome:
    """How a run ended. ``reason`` is empty when the person watching asked for it."""

    exit_code: int
    reason: str = ""


def back_off(crashes: int) -> float:
    """Seconds to wait before the next start: 0, 1, 2, 4 ... 60."""
    return 0.0 if crashes == 0 else min(BACK_OFF_LIMIT, 2.0 ** (crashes - 1))


def pause_between_looks(waited: float, *, cost: float, booting: int) -> float:
    """Seconds until a container that has booted for ``waited`` is looked at again.

    A look takes the kernel ``cost``, up to milliseconds, which the ``booting`` containers need more
    than we do: looking at all of them is to take a tenth of a processor.
    """
    if waited >= PATIENT_AFTER:
        return PATIENT_INTERVAL
    return min(PATIENT_INTERVAL, max(LOOK_INTERVAL, 10 * cost * booting))
