"""The Docker engine's walls, tried from inside a real app's container."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.base import Limits
from runner.engines.docker import DockerEngine
from tests.integration import docker_support as support
from tests.integration.docker_support import Finished, Wanted
from tests.integration.probes import PROBES
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.docker]

MARKER = "slugkit-docker-probe-marker"
ABSTRACT = "slugkit-docker-probe-abstract"
SECRET_HALVES = "neighbour- d-secret-4711"
MEMORY = 256 * 1024 * 1024
PROBE_FILE = Path(__file__).parent.parent / "probes.py"

# The root file system is the stack image's, not the host's: it has these directories, empty of
# anything of the host (tested below), and setuid programs neither exist nor would take effect.
OTHERWISE_HERE = {"sees_no_host_file", "finds_no_way_up_by_setuid"}


@pytest.fixture(scope="module")
def host_process() -> Iterator[int]:
    with subprocess.Popen(
        [MARKER, "600"], executable="/bin/sleep", env={"SECRET": MARKER}
    ) as process:
        yield process.pid
        process.kill()


@pytest.fixture(scope="module")
def loopback_server() -> Iterator[int]:
    """A server on the host's loopback, and one on an abstract socket; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0{ABSTRACT}")
        other.listen(1)
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def greet(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return  # the fixture has closed it
        with client:
            client.sendall(b"hello")


@pytest.fixture(scope="module")
def other_app(slug: Path) -> Iterator[str]:
    """A container of another run, on a network of its own; its address there."""
    with (
        support.make_engine(slug) as engine,
        support.running(engine, Wanted(command=support.GREETER, port=5000)) as container,
    ):
        assert container.address is not None
        address = container.address
        until(lambda: answers(address.host, 5000))
        yield str(address)


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1) as client:
            return client.recv(5) == b"hello"
    except OSError:
        return False


@pytest.fixture(scope="module")
def probed(
    slug: Path, host_process: int, loopback_server: int, other_app: str
) -> Iterator[Finished]:
    """What the probes found, in a container with a sibling."""
    with support.make_engine(slug, limits=Limits(memory=MEMORY)) as engine:
        sibling = Wanted(
            command=support.GREETER,
            name="web.2",
            port=5000,
            env={"SECRET": SECRET_HALVES.replace(" ", "")},
        )
        environment = {
            "PROBE_MARKER": MARKER,
            "PROBE_HOST_PID": str(host_process),
            "PROBE_NEIGHBOUR_SECRET_HALVES": SECRET_HALVES,
            "PROBE_FORBIDDEN": f"127.0.0.1:{loopback_server} {other_app} 169.254.169.254:80",
            "PROBE_ALLOWED": "web.2:5000 web-2:5000",
            "PROBE_ABSTRACT": ABSTRACT,
            "PROBE_MEMORY": str(MEMORY),
        }
        with support.running(engine, sibling):
            yield support.run(
                engine,
                Wanted(command="exec python -", env=environment),
                stdin=PROBE_FILE.read_bytes(),
            )


@pytest.mark.parametrize("name", sorted(PROBES.keys() - OTHERWISE_HERE))
def test_wall_holds(probed: Finished, name: str) -> None:
    assert probed.code == 0, probed.errors
    assert json.loads(probed.output)[name] == "held"


def test_no_file_of_the_host_is_in_sight(engine: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    look = f"ls -A /root /home /boot /mnt /media /srv; cat {tmp_path}/secret"
    found = support.run(engine, Wanted(command=look))
    names = [line for line in found.output.splitlines() if line and not line.endswith(":")]
    assert names == []
    assert "No such file" in found.errors


def test_there_is_no_setuid_program(engine: DockerEngine) -> None:
    find = "find / -xdev -type f -perm /6000 2>/dev/null; true"
    assert support.run(engine, Wanted(command=find)).output == ""


def test_metadata_address_is_refused_before_the_app_runs(engine: DockerEngine) -> None:
    # The very first thing the app does is to read the routing table.
    shown = support.run(engine, Wanted(command="cat /proc/net/route"))
    assert "0000FEA9" in shown.output


def test_the_wall_leaves_no_helper_behind(engine: DockerEngine) -> None:
    with support.running(engine, Wanted(command="exec sleep 60")) as container:
        until(lambda: len(containers_of(engine)) == 1)
        assert containers_of(engine) == [container.id]


def containers_of(engine: DockerEngine) -> list[str]:
    label = f"label=io.slugkit.run={engine.run}"
    return support.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()


def test_the_container_is_not_root_to_the_kernel(engine: DockerEngine) -> None:
    with support.running(engine, Wanted(command="exec sleep 60")) as container:
        state = support.inspect(container.id)["State"]
        assert isinstance(state, dict)
        status = Path(f"/proc/{state['Pid']}/status").read_text().splitlines()
        uids = next(line.split()[1:] for line in status if line.startswith("Uid:"))
    assert uids == ["1000"] * 4


def test_secrets_are_on_no_command_line(engine: DockerEngine) -> None:
    canary = "docker-canary-9042"
    with support.running(engine, Wanted(command="exec sleep 60", env={"SECRET": canary})):
        lines = [
            file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)
        ]
    assert not [line for line in lines if canary.encode() in line]


def readable(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:  # ended meanwhile
        return False
    return os.access(file, os.R_OK)


def test_memory_limit_ends_a_hog_and_is_reported(slug: Path) -> None:
    with support.make_engine(slug, limits=Limits(memory=64 << 20)) as engine:
        hog = support.run(engine, Wanted(command="exec python -c 'x = bytearray(512 << 20)'"))
    assert (hog.code, hog.oom_killed) == (137, True)


def test_fork_bomb_stops_at_the_limit(slug: Path) -> None:
    bomb = "exec python -c 'import os\nwhile os.fork(): print(1, flush=True)'"
    with support.make_engine(slug, limits=Limits(pids=20)) as engine:
        result = support.run(engine, Wanted(command=bomb))
    assert 10 < result.output.count("1") < 20
    assert "BlockingIOError" in result.errors


def test_app_is_private_writable_and_gone_with_its_container(engine: DockerEngine) -> None:
    write = Wanted(command="echo mine > /app/note; cat /app/note")
    assert support.run(engine, write).output == "mine\n"
    assert support.run(engine, Wanted(command="cat /app/note")).code == 1
