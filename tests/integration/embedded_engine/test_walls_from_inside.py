"""The embedded engine's walls, tried from inside, for containers of root and of a user."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpack.support.addresses import host_addresses
from runner.engines.base import Limits
from slugc.privileges import RUN_UID
from tests.integration import embedded_support as support
from tests.integration.embedded_support import GREETER, STARTERS, Happened, Wanted, carry_out_as
from tests.integration.probes import PROBES, answers
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

MARKER = "slugkit-probe-marker"
ABSTRACT = "slugkit-probe-abstract"
SECRET_HALVES = "neighbour- s-secret-4711"
LINK_LOCAL = "169.254.77.77"
MEMORY = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def host_process() -> Iterator[int]:
    """A process of the host that no container may see."""
    argv, env = [MARKER, "600"], {"SECRET": MARKER}
    with subprocess.Popen(argv, executable="/bin/sleep", env=env) as process:
        yield process.pid
        process.kill()


@pytest.fixture(scope="module")
def host_server() -> Iterator[int]:
    """A server on every address of the host, its loopback included; gives the port."""
    with socket.create_server(("0.0.0.0", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{ABSTRACT}")
        abstract.listen(1)
        thread = threading.Thread(target=greet, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def greet(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return  # the fixture has closed it
        with client:
            client.sendall(b"hello")


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """A server that is not this machine: in a network namespace of its own, behind a link."""
    if os.getuid() != 0:
        yield ""
        return
    name = f"slugkit-{os.getpid()}"
    ip("netns", "add", name)
    try:
        link = f"sk{os.getpid()}"
        ip("link", "add", link, "type", "veth", "peer", "name", "inner", "netns", name)
        ip("addr", "add", "198.51.100.1/30", "dev", link)
        ip("link", "set", link, "up")
        for words in ("link set lo up", "link set inner up", "addr add 198.51.100.2/30 dev inner"):
            ip("-n", name, *words.split())
        # A stand-in for the cloud's metadata service; the host itself does reach it.
        ip("-n", name, "addr", "add", f"{LINK_LOCAL}/32", "dev", "inner")
        ip("route", "add", f"{LINK_LOCAL}/32", "dev", link)
        argv = ["ip", "netns", "exec", name, support.SYSTEM_PYTHON, "-c", GREETER, "7007"]
        with subprocess.Popen(argv) as server:
            await_greeting(LINK_LOCAL, 7007)
            yield "198.51.100.2:7007"
            server.kill()
    finally:
        ip("netns", "del", name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)


@pytest.fixture(scope="module")
def other_app() -> Iterator[int]:
    """A container of another app; gives the port at which the host itself reaches it."""
    wanted = Wanted(command=f"exec python3 -c '{GREETER}' 5000", port=5000)
    with (
        support.home_for(RUN_UID) as home,
        support.make_engine(home) as engine,
        Path(os.devnull).open("wb") as output,
    ):
        address = support.start(engine, wanted, output.fileno()).address
        assert address is not None
        await_greeting(address.host, address.port)
        yield address.port


def await_greeting(host: str, port: int) -> None:
    """The target is real: from here, where nothing is in the way, it answers."""
    until(lambda: answers(host, port))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is around the containers."""

    process: int
    forbidden: tuple[str, ...]
    outside: str


@pytest.fixture(scope="module")
def world(host_process: int, host_server: int, other_app: int, outside: str) -> World:
    own = host_addresses(Path("/proc/net/fib_trie").read_text())
    assert own, "this machine has no address besides its loopback: nothing would be proven"
    hosts = ("127.0.0.1", "10.0.2.2", "10.0.2.3", *own)
    return World(
        process=host_process,
        forbidden=tuple(f"{host}:{port}" for host in hosts for port in (host_server, other_app)),
        outside=outside,
    )


@pytest.fixture(scope="module")
def probed(world: World) -> dict[str, list[Happened]]:
    """What the probes found, by who started the container."""
    return {starter: probe(starter, world) for starter in STARTERS}


def probe(starter: str, world: World) -> list[Happened]:
    source = (support.CHECKOUT / "tests/integration/probes.py").read_text()
    env = {
        "PROBE_HOST_PID": str(world.process),
        "PROBE_MARKER": MARKER,
        "PROBE_ABSTRACT": ABSTRACT,
        "PROBE_NEIGHBOUR_SECRET_HALVES": SECRET_HALVES,
        "PROBE_FORBIDDEN": " ".join([*world.forbidden, f"{LINK_LOCAL}:7007"]),
        "PROBE_ALLOWED": f"web.1:5000 web-1:5000 {world.outside}".strip(),
        **({"PROBE_MEMORY": str(MEMORY)} if starter == "root" else {}),
    }
    neighbour = Wanted(
        command=f"exec python3 -c '{GREETER}' 5000",
        env={"SECRET": SECRET_HALVES.replace(" ", "")},
        stay=True,
    )
    prober = Wanted(command="exec python3 -", ordinal=2, env=env, stdin=source)
    entered = Wanted(command="sleep 600", ordinal=3, env=env, stay=True)
    intruder = Wanted(command="exec python3 -", ordinal=3, env=env, stdin=source, enter=True)
    happened, _ = carry_out_as(
        starter, Limits(memory=MEMORY), [neighbour, prober, entered, intruder]
    )
    return happened


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("starter", STARTERS)
def test_wall_holds(starter: str, name: str, probed: dict[str, list[Happened]]) -> None:
    assert json.loads(probed[starter][1].output)[name] == "held"


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("starter", STARTERS)
def test_wall_holds_for_a_process_that_entered(
    starter: str, name: str, probed: dict[str, list[Happened]]
) -> None:
    assert json.loads(probed[starter][3].output)[name] == "held"


@pytest.mark.parametrize("starter", STARTERS)
def test_kernel_knows_the_container_as_an_ordinary_user(
    starter: str, probed: dict[str, list[Happened]]
) -> None:
    expected = {"root": RUN_UID, "user": support.ordinary_user().pw_uid}[starter]
    if os.getuid() != 0:
        expected = os.getuid()
    for container in probed[starter][:3]:
        assert container.host_uids == [expected] * 4


def test_the_probes_bite_where_there_are_no_walls(
    world: World,
) -> None:
    """The same probes on the bare host find what they look for."""
    env = {
        "PATH": support.BASE_ENV["PATH"],
        "HOME": "/",
        "PROBE_HOST_PID": str(world.process),
        "PROBE_MARKER": MARKER,
        "PROBE_ABSTRACT": ABSTRACT,
        "PROBE_NEIGHBOUR_SECRET_HALVES": MARKER,
        "PROBE_FORBIDDEN": world.forbidden[0],
        "PROBE_ALLOWED": "",
    }
    quiet = {
        "sees_no_host_process", "cannot_signal_a_host_process", "reads_no_foreign_environment",
        "reaches_nothing_forbidden", "reaches_no_abstract_socket", "is_under_seccomp",
        "sees_no_host_file", "sees_only_its_own_interfaces", "has_no_new_privileges",
    }  # fmt: skip
    script = "tests/integration/probes.py"
    code = (
        f"import runpy; module = runpy.run_path({script!r}); probes = module['PROBES'];"
        f"[probes.pop(name) for name in list(probes) if name not in {sorted(quiet)!r}];"
        "module['main']()"
    )
    done = subprocess.run(
        [support.SYSTEM_PYTHON, "-c", code],
        env=env,
        cwd=support.CHECKOUT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    held = {name for name, result in json.loads(done.stdout).items() if result == "held"}
    assert held <= {"cannot_signal_a_host_process"}
