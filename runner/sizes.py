"""The sizes of containers: Heroku's names, and what each may use on one machine of yours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import value
from runner.engines.base import Limits

DEFAULT_SIZE = "standard-1x"
_MIB = 1024 * 1024
_LARGE = 30 << 30  # from performance-l-ram on, https://devcenter.heroku.com/articles/error-codes


@value
class Size:
    """What one container of a size may use."""

    name: str
    memory: int
    """bytes: its quota, and what programs inside are told; more of it is error R14"""
    cpu_weight: int
    """its share of the processors while others want them too; 100 is one share"""
    pids: int
    """processes and threads"""

    @property
    def most_memory(self) -> int:
        """bytes: where it is killed, with error R15; twice the quota, or 1.2 times a large one."""
        return self.memory * (10 if self.memory < _LARGE else 6) // 5

    @property
    def limits(self) -> Limits:
        return Limits(memory=self.most_memory, quota=self.memory, pids=self.pids)


def _size(name: str, mebibytes: int, cpu_weight: int, pids: int) -> Size:
    return Size(name=name, memory=mebibytes * _MIB, cpu_weight=cpu_weight, pids=pids)


# Memory and process limits as https://devcenter.heroku.com/articles/dyno-types has them. Weights
# keep the proportions of its shares; "dedicated" has no meaning on a machine that apps share.
SIZES: Mapping[str, Size] = MappingProxyType(
    {
        size.name: size
        for size in (
            _size("eco", 512, 100, 256),
            _size("basic", 512, 100, 256),
            _size(DEFAULT_SIZE, 512, 100, 256),
            _size("standard-2x", 1024, 200, 512),
            _size("performance-m", 2560, 800, 16384),
            _size("performance-l", 14 * 1024, 1600, 32768),
            _size("performance-l-ram", 30 * 1024, 1600, 32768),
            _size("performance-xl", 62 * 1024, 3200, 32768),
            _size("performance-2xl", 126 * 1024, 6400, 32768),
        )
    }
)


class UnknownSizeError(UsageError):
    """There is no such size."""

    id = "unknown-size"

    def __init__(self, name: str) -> None:
        import difflib

        self.name = name
        nearest = difflib.get_close_matches(name.lower(), SIZES, n=1)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        super().__init__(
            f"There is no size called '{printable(name)}'",
            resolution=f"{hint}Sizes: {', '.join(SIZES)}",
        )


def find_size(name: str) -> Size:
    """The size of that name, in any case; the default for an empty one."""
    found = SIZES.get(name.lower() or DEFAULT_SIZE)
    if found is None:
        raise UnknownSizeError(name)
    return found
