"""Paired runs: ours and the peer's in turn, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """``ours`` takes at most ``limit`` times as long as ``peer``; without one it only informs."""

    name: str
    peer: str
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What was measured for one claim: seconds of ours and of the peer, run by run."""

    claim: Claim
    ours: Sequence[float]
    peer: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median of the ratios of the pairs."""
        return median(ours / peer for ours, peer in zip(self.ours, self.peer, strict=True))

    @property
    def holds(self) -> bool:
        return self.claim.limit is None or self.ratio <= self.claim.limit

    @property
    def verdict(self) -> str:
        if self.claim.limit is None:
            return "for information"
        return f"at most {self.claim.limit:g}: {'holds' if self.holds else 'DOES NOT HOLD'}"


def measure(
    claim: Claim, ours: Callable[[], float], peer: Callable[[], float], *, runs: int
) -> Pairs:
    """Run both in turn ``runs`` times; each call returns its own seconds."""
    pairs = [(ours(), peer()) for _ in range(runs)]
    return Pairs(claim=claim, ours=[pair[0] for pair in pairs], peer=[pair[1] for pair in pairs])


def report(results: Sequence[Pairs]) -> int:
    """Print one line for each claim; the exit code says whether all hold."""
    for result in results:
        print(
            f"{result.claim.name}: {milliseconds(result.ours)}, {result.claim.peer}: "
            f"{milliseconds(result.peer)}; ratio {result.ratio:.3f}, {result.verdict} "
            f"({len(result.ours)} pairs)",
            flush=True,
        )
    return 0 if all(result.holds for result in results) else 1


def milliseconds(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1000:,.0f} ms"


def timed(argv: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> float:
    """Seconds until the program has ended; what it printed is shown if it failed."""
    started = time.perf_counter()
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=dict(env) if env is not None else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    elapsed = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout.decode()[-4000:]}")
    return elapsed


def program(name: str) -> str:
    """One of our two commands, from the environment this benchmark runs in."""
    return str(Path(sys.executable).with_name(name))


def ask_for_peers_python(app: Path) -> None:
    """Have ``app`` name the Python that ``python3`` is, which the peer's virtualenv is made of:
    one that compiles half as fast would be measured instead."""
    asked = ("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    series = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    (app / ".python-version").write_text(series)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}
