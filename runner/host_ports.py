"""Which ports of this machine containers may reach, as a config var says it.

A config var, because what needs a service is told of it by another one (DATABASE_URL): both are
set together, remembered together, and are there for every container of the app.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from buildpack.support.errors import UsageError, printable
from runner.launch import CONTAINER_PORT
from runner.release import HOST_PORTS

_MOST = 64  # each is a socket for each container
_SEPARATORS = re.compile(r"[\s,]+")

# Where services listen whose URL names no port.
_USUAL_PORTS = {
    "amqp": 5672,
    "http": 80,
    "https": 443,
    "mongodb": 27017,
    "mysql": 3306,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
}
_ON_LOOPBACK = re.compile(
    r"(?P<scheme>[a-z][a-z0-9.-]*)(?:\+[a-z0-9.-]+)?://(?:[^/@]*@)?"
    r"(?:localhost|127\.[0-9.]+|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?![^:/?#])",
    re.IGNORECASE,
)


class HostPortsValueError(UsageError):
    """The config var that names ports of this machine does not."""

    id = "host-ports-value"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"{HOST_PORTS} names no ports that containers could reach",
            details=problem,
            resolution=f"Write ports of this machine, with commas:\n\n    {HOST_PORTS}=5432,6379",
        )


def read_host_ports(text: str) -> tuple[int, ...]:
    """The ports that the config var's value names. Raises HostPortsValueError."""
    if problem := host_ports_problem(text):
        raise HostPortsValueError(problem)
    return tuple(dict.fromkeys(int(word) for word in _words(text)))


def host_ports_problem(text: str) -> str | None:
    """What is wrong with a value; None if nothing is."""
    words = _words(text)
    for word in words:
        if not re.fullmatch(r"[0-9]{1,5}", word) or not 0 < int(word) < 65536:
            return f"'{printable(word)}' is no port; they are 1 to 65535."
        if int(word) == CONTAINER_PORT:
            return f"{CONTAINER_PORT} is the PORT that web containers listen on themselves."
    if len(words) > _MOST:
        return f"{len(words)} are named; at most {_MOST} can be."
    return None


def loopback_notices(config_vars: Mapping[str, str], opened: Sequence[int]) -> Iterator[str]:
    """What to say of each that names a service of localhost which containers do not reach.

    There localhost is the container itself, and its own PORT is the one that it does have.
    """
    for name, value in sorted(config_vars.items()):
        if (found := _ON_LOOPBACK.match(value)) is None:
            continue
        port = int(found["port"] or _USUAL_PORTS.get(found["scheme"].lower(), 0))
        if port in (CONTAINER_PORT, *opened):
            continue
        said = (
            f"{printable(name)} names localhost. In a container that is the container itself,"
            " not this machine."
        )
        if port:
            ports = ",".join(str(each) for each in (*opened, port))
            said += f"\nTo reach this machine's port {port} there: {HOST_PORTS}={ports}"
        yield said


def _words(text: str) -> list[str]:
    return list(filter(None, _SEPARATORS.split(text)))
