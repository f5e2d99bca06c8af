"""When a container counts as healthy: values, and how they are written on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import NOTHING, value

# Printable ASCII without space: nothing that could end the line of a request.
_HEALTH = re.compile(r"(?://(?P<host>[A-Za-z0-9.:\[\]-]{1,253}))?(?P<path>/[!-~]{0,1023})")


@value
class Check:
    """One question to a container that has bound its port, if it has one; all are asked in turn."""

    name: str = ""
    command: str = ""
    """a shell command line, run inside the container and to end with 0"""
    path: str = ""
    """asked with GET, to be answered with 2xx or 3xx; without both nothing is asked"""
    host: str = "localhost"
    headers: Mapping[str, str] = NOTHING
    content: str = ""
    """to be found in the answer"""
    uptime: float = 0.0
    """seconds that the container has to run"""
    attempts: int | None = None
    """None: until the container's time to boot is over"""
    timeout: float = 5.0
    wait: float = 0.5
    """seconds between attempts"""
    initial_delay: float = 0.0
    is_warning: bool = False
    """to fail it is told, and no more"""


@value
class UpChecks:
    """What a container is asked again and again while it is up."""

    liveness: tuple[Check, ...] = ()
    """one that fails is started again"""
    readiness: tuple[Check, ...] = ()
    """one that fails gets no requests until it passes"""


class HealthPathError(UsageError):
    """Not a path of an app."""

    id = "health-path"

    def __init__(self, text: str) -> None:
        self.text_given = text
        super().__init__(
            f"'{printable(text)}' is no path of an app",
            resolution="Give one that begins with /, with the name that is asked for in front of\n"
            "it where the app wants one; or 'port', which asks for nothing but an open port:\n\n"
            "    --health /healthz\n    --health //www.example.com/healthz\n    --health port",
        )


def parse_health(text: str) -> Check | None:
    """``/healthz`` or ``//www.example.com/healthz``; None for ``port``. Raises HealthPathError."""
    if text == "port":
        return None
    found = None if text.startswith("///") else _HEALTH.fullmatch(text)
    if found is None:
        raise HealthPathError(text)
    return Check(path=found["path"], host=found["host"] or "localhost")
