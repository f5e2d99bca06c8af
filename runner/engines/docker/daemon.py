"""The door to the Docker Engine: the only file of the runner that imports the Docker SDK.

The calls this engine relies on, one method each, every one with a deadline; what the SDK and the
HTTP client beneath it raise leaves here as an error of ours.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from buildpack.support.errors import ExitCode, SlugkitError
from runner.errors import EngineUnavailableError

API_TIMEOUT = 120
"""Seconds for one call. Committing a layer of a few hundred megabytes is the longest."""

DEFAULT_HOST = "unix:///var/run/docker.sock"
INSTALL = "Install and start one:   apt-get install docker.io"
ALLOW = "Let this user use it:    usermod -aG docker $USER   (then log in again)"
POINT = "Or name another engine:  DOCKER_HOST=tcp://HOST:2376"


class DockerCallError(SlugkitError):
    """The Docker Engine refused a call, or went away during it."""

    exit_code = ExitCode.UNAVAILABLE
    id = "docker-call-failed"

    def __init__(self, action: str, reason: str, *, status: int | None = None) -> None:
        self.action, self.reason, self.status = action, reason, status
        super().__init__(
            f"The Docker Engine did not {action}",
            details=reason,
            resolution="See the engine's own log: journalctl -u docker",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What this engine asks about an image."""

    id: str
    architecture: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """What this engine asks about a container."""

    is_running: bool
    pid: int
    exit_code: int
    oom_killed: bool
    address: str
    """its address on the first of its networks; empty when it has none"""
    ports: Mapping[str, int]
    """published ports: "5000/tcp" -> the port on the engine's machine"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A container or network of ours, as a listing shows it."""

    id: str
    labels: Mapping[str, str]


class Attachment:
    """A container's standard streams: one socket, both ways."""

    def __init__(self, holder: Any) -> None:
        # The SDK gives a file object around the socket for some transports; closing that object,
        # or letting go of it, closes the socket, so it is kept.
        self._holder = holder
        self.socket: socket.socket = getattr(holder, "_sock", holder)

    def close_input(self) -> None:
        """Tell the container that its standard input has ended; output goes on."""
        with contextlib.suppress(OSError):  # the container has gone, and its socket with it
            self.socket.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        """End both directions: a thread that is reading sees that, a close() it would not."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut()
        # A file object refers to the socket, and the answer to the file object: while one of them
        # is open, the socket's own close() only marks it.
        getattr(self._holder, "_response", self._holder).close()
        self.socket.close()


class Daemon:
    """One Docker Engine. Thread-safe: each thread's calls take their own connection."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @property
    def is_socket(self) -> bool:
        """Whether it is reached through a socket file of this machine."""
        return str(self._api.base_url).startswith("http+")

    @property
    def host(self) -> str:
        """Where ports it publishes are reached from here."""
        return "127.0.0.1" if self.is_socket else urlsplit(str(self._api.base_url)).hostname or ""

    def close(self) -> None:
        self._api.close()

    def find_image(self, name: str) -> Image | None:
        """The image called ``name``, or None."""
        from docker.errors import ImageNotFound

        with _calling("look up an image"):
            try:
                facts = self._api.inspect_image(name)
            except ImageNotFound:
                return None
        labels = (facts.get("Config") or {}).get("Labels") or {}
        return Image(id=facts["Id"], architecture=facts["Architecture"], labels=labels)

    def tag_image(self, image: str, repository: str, tag: str) -> None:
        with _calling("name an image"):
            self._api.tag(image, repository, tag)

    def commit(self, container: str, *, repository: str, tag: str, config: object) -> str:
        """Make what the container's file system holds into an image."""
        with _calling("make an image"):
            answer = self._api.commit(container, repository=repository, tag=tag, conf=config)
            return str(answer["Id"])

    def upload(self, container: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar stream at the root of a container that has not started."""
        with _calling("take the slug"):
            self._api.put_archive(container, "/", tar)

    def create(self, config: Mapping[str, object], name: str | None = None) -> str:
        with _calling("create a container"):
            return str(self._api.create_container_from_config(dict(config), name)["Id"])

    def start(self, container: str) -> None:
        with _calling("start a container"):
            self._api.start(container)

    def attach(self, container: str, *, stdin: bool) -> Attachment:
        wanted = {"stdin": int(stdin), "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
        with _calling("attach to a container"):
            return Attachment(self._api.attach_socket(container, params=wanted))

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        with _calling("wait for a container"):
            return int(self._api.wait(container, timeout=timeout)["StatusCode"])

    def inspect(self, container: str) -> ContainerState:
        with _calling("inspect a container"):
            facts = self._api.inspect_container(container)
        state, network = facts["State"], facts["NetworkSettings"]
        addresses = [each["IPAddress"] for each in (network.get("Networks") or {}).values()]
        ports = {
            name: int(bindings[0]["HostPort"])
            for name, bindings in (network.get("Ports") or {}).items()
            if bindings
        }
        return ContainerState(
            is_running=bool(state["Running"]),
            pid=int(state["Pid"]),
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            address=next((address for address in addresses if address), ""),
            ports=ports,
        )

    def run_inside(self, container: str, argv: tuple[str, ...], *, user: str) -> int:
        """Run a program in a running container and return its exit code."""
        with _calling("run a program in a container"):
            started = self._api.exec_create(container, list(argv), user=user)["Id"]
            self._api.exec_start(started)
            return int(self._api.exec_inspect(started)["ExitCode"])

    def signal(self, container: str, name: str) -> None:
        """Send a signal to the container's first process. One that has ended is fine."""
        with _gone_is_fine(), _calling("signal a container"):
            self._api.kill(container, name)

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        with _gone_is_fine(), _calling("resize a terminal"):
            self._api.resize(container, height=rows, width=columns)

    def remove(self, container: str) -> None:
        """Kill and delete the container, its file system and its anonymous volumes."""
        with _gone_is_fine(), _calling("remove a container"):
            self._api.remove_container(container, v=True, force=True)

    def create_network(self, name: str, labels: Mapping[str, str]) -> tuple[str, str]:
        """A bridge network; its id and the address of its gateway."""
        with _calling("make a network"):
            made = self._api.create_network(name, driver="bridge", labels=dict(labels))["Id"]
            facts = self._api.inspect_network(made)
        ranges = (facts.get("IPAM") or {}).get("Config") or [{}]
        return str(made), str(ranges[0].get("Gateway", ""))

    def remove_network(self, network: str) -> None:
        with _gone_is_fine(), _calling("remove a network"):
            self._api.remove_network(network)

    def find_containers(self, label: str) -> tuple[Found, ...]:
        with _calling("list containers"):
            found = self._api.containers(all=True, filters={"label": label})
        return tuple(Found(id=each["Id"], labels=each["Labels"] or {}) for each in found)

    def find_networks(self, label: str) -> tuple[Found, ...]:
        with _calling("list networks"):
            found = self._api.networks(filters={"label": label})
        return tuple(Found(id=each["Id"], labels=each["Labels"] or {}) for each in found)


def connect(env: Mapping[str, str]) -> Daemon:
    """The engine that ``env`` names (DOCKER_HOST and friends). Raises EngineUnavailableError."""
    from docker import from_env
    from docker.errors import DockerException

    host = env.get("DOCKER_HOST") or DEFAULT_HOST
    if host.startswith("unix://"):
        _knock(host)
    try:
        # The SDK asks the engine for its version here, and then speaks that version.
        client = from_env(environment=dict(env), timeout=API_TIMEOUT)
    except DockerException as err:
        raise unavailable(str(err), host) from err
    return Daemon(client.api)


def unavailable(reason: str, host: str) -> EngineUnavailableError:
    """What to tell a person whose engine does not answer, as far as ``reason`` shows why."""
    if "Permission denied" in reason:
        return _unavailable(f"this user may not use the engine at {host}", ALLOW, POINT)
    if "No such file" in reason or "Connection refused" in reason:
        return _unavailable(f"no engine answers at {host}", INSTALL, POINT)
    return _unavailable(f"the engine at {host}: {reason}", INSTALL, ALLOW, POINT)


def _knock(host: str) -> None:
    """See whether anybody listens. The SDK would not say why not, and leave its socket open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(API_TIMEOUT)
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError as err:
            raise unavailable(str(err), host) from err


def _unavailable(problem: str, *remedies: str) -> EngineUnavailableError:
    return EngineUnavailableError("docker", problems=(problem,), remedies=remedies)


@contextlib.contextmanager
def _calling(action: str) -> Iterator[None]:
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as err:
        reason = str(err.explanation or err)
        raise DockerCallError(action, reason, status=err.status_code) from err
    except (DockerException, RequestException) as err:
        raise DockerCallError(action, str(err)) from err


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """404: there is no such thing any more; 409: it is not running, or is being removed."""
    try:
        yield
    except DockerCallError as err:
        if err.status not in {404, 409}:
            raise
