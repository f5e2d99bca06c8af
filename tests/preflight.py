"""Whether what whole kinds of tests need works here at all: asked once, before the first of them.

Else one broken thing of the machine is a thousand tests that fail in a thousand ways, most of them
by waiting. It is asked again after a test has failed, which may have broken it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import pytest

from buildpack.support.errors import SlugkitError
from runner.engines.base import Address
from slugc.privileges import run_identity
from tests.integration.embedded_support import GREETER, home_for, make_engine, started
from tests.reports import shortened
from tests.waiting import until

IMAGE = "slugkit-stack:debian-12"
LIMIT = 60  # seconds


def container_problem() -> str:
    """Why no container comes up and answers; empty when one does."""
    command = f"exec /usr/bin/python3 -c '{GREETER}' 5000"
    try:
        with home_for(run_identity().uid) as home, make_engine(home) as engine:
            container = started(engine, command, port=5000)
            until(lambda: _greets(container.address), lambda: "It does not answer on its port.")
    except SlugkitError as error:
        return error.text()
    except Exception as error:  # whatever it is, it is the reason
        return f"{type(error).__name__}: {error}"
    return ""


def _greets(address: Address | None) -> bool:
    assert address is not None
    with socket.create_connection((address.host, address.port), timeout=10) as client:
        try:
            return client.recv(5) == b"hello"
        except ConnectionResetError:
            return False


@cache
def no_docker() -> str:
    """Why Docker tests cannot run for this user; empty when they can."""
    try:
        subprocess.run(["docker", "version"], capture_output=True, check=True, timeout=20)
    except FileNotFoundError:
        return "no Docker: install docker.io (bin/run-tests does, as root)"
    except subprocess.TimeoutExpired:
        return "the Docker Engine does not answer within 20 s"
    except subprocess.CalledProcessError as error:
        return f"no Docker Engine for this user: {error.stderr.decode().strip().splitlines()[-1]}"
    return ""


def docker_problem() -> str:
    """Why Docker starts no container; empty when it does, or has no image to do it with."""
    if _problem("docker", "image", "inspect", IMAGE):
        return ""
    return _problem("docker", "run", "--rm", IMAGE, "true")


def index_problem() -> str:
    """Why the package index does not answer; empty when it does."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    return _problem(*pip, "index", "versions", "--retries", "2", "--timeout", "10", "packaging")


def _problem(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            text=True, timeout=LIMIT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return shortened(done.stderr) or f"exit code {done.returncode}" if done.returncode else ""


_CHECKS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "embedded": ("No container comes up on this machine", container_problem),
    "docker": ("Docker starts no container on this machine", docker_problem),
    "network": ("The package index does not answer on this machine", index_problem),
}
_found: dict[str, str] = {}  # by marker


def machine_problem(markers: Sequence[str]) -> str:
    """What these markers stand for and does not work here, in the words of what was tried."""
    if "docker" in markers and (reason := no_docker()):
        pytest.skip(reason)
    for marker in markers:
        headline, problem = _CHECKS[marker]
        if marker not in _found:
            _found[marker] = problem() and problem()  # a busy machine may miss the first time
        if _found[marker]:
            return f"{headline}:\n{_found[marker]}"
    return ""


def doubt(markers: Sequence[str]) -> None:
    """A test has failed, and may have broken what worked: ask again before the next one."""
    for marker in markers:
        if not _found.get(marker):
            _found.pop(marker, None)
