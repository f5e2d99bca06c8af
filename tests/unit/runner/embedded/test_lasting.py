"""lasting: what is written down of a container is enough to find it again, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engines.base import Address
from runner.engines.embedded.identity import (
    LOST,
    LastingChain,
    ProcessId,
    has_ended,
    open_process,
    process_id,
    read_exit_code,
)
from runner.engines.embedded.lasting.files import write_now
from runner.engines.embedded.lasting.network import LastingNetwork
from runner.engines.embedded.lasting.token import Token, parse_token


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]) as found:
        yield found
        found.kill()


def test_a_process_is_found_again_by_number_and_start(process: subprocess.Popen[bytes]) -> None:
    identity = process_id(process.pid)
    descriptor = open_process(identity)
    assert descriptor is not None
    assert not has_ended(descriptor)
    process.kill()
    assert has_ended(descriptor, 5.0)
    os.close(descriptor)


def test_another_process_of_the_same_number_is_not_taken_for_it(
    process: subprocess.Popen[bytes],
) -> None:
    earlier = ProcessId(pid=process.pid, started=process_id(process.pid).started - 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert open_process(earlier) is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_process_that_is_gone_is_not_found() -> None:
    with subprocess.Popen(["true"]) as gone:
        identity = process_id(gone.pid)
    assert open_process(identity) is None
    with pytest.raises(ProcessLookupError):
        process_id(gone.pid)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{ "child-pid": 7 }\n{ "exit-code": 3 }\n', 3),
        ('{ "child-pid": 7 }\n{ "exit-code": 137 }\n', 137),
        ('{ "child-pid": 7 }\n', LOST),
        ('{ "child-pid": 7 }\n{ "exit-co', LOST),
        ("", LOST),
        (None, LOST),
    ],
)
def test_how_a_container_ended_is_read_from_what_bubblewrap_wrote(
    tmp_path: Path, content: str | None, code: int
) -> None:
    file = tmp_path / "status"
    if content is not None:
        file.write_text(content)
    assert read_exit_code(file) == code


def test_a_chain_of_somebody_else_ends_with_the_code_that_was_written(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    status = tmp_path / "status"
    descriptor = os.pidfd_open(process.pid)
    chain = LastingChain(process.pid, descriptor, status)
    assert (chain.pid, chain.poll()) == (process.pid, None)
    status.write_text('{ "exit-code": 5 }\n')
    chain.kill()
    assert chain.wait() == 5
    os.close(descriptor)


def test_a_chain_of_ours_is_cleared_away_and_tells_its_own_code(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    descriptor = os.pidfd_open(process.pid)
    chain = LastingChain(process.pid, descriptor, tmp_path / "none", process=process)
    process.send_signal(signal.SIGTERM)
    assert chain.wait() == 128 + signal.SIGTERM
    assert process.returncode == -signal.SIGTERM
    os.close(descriptor)


def test_a_chain_that_was_gone_before_we_came_has_ended(tmp_path: Path) -> None:
    chain = LastingChain(1, None, tmp_path / "none")
    chain.kill()
    assert chain.poll() == LOST


@pytest.mark.parametrize("port", [None, 5000])
def test_a_token_is_the_same_after_a_file(port: int | None) -> None:
    token = Token(
        key="web.1-3",
        chain=ProcessId(pid=10, started=20),
        init=None if port is None else ProcessId(pid=11, started=21),
        inside="10.0.2.4",
        forward=None if port is None else 2,
        address=None if port is None else Address(host="127.0.0.1", port=port),
        groups={"memory": "/sys/fs/cgroup/memory/x"},
    )
    assert parse_token(json.loads(json.dumps(token.as_json()))) == token


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_now(file, "long content")
    write_now(file, "new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_program_beside_the_containers_has_no_right_and_an_address_of_its_own(
    tmp_path: Path,
) -> None:
    from buildpack.support.addresses import Subnet

    network = LastingNetwork(
        Subnet(cidr="10.0.2.0/24"),
        reader=-1,
        lifeline=-1,
        holder=(4711, -1),
        slirp=(4712, -1),
        socket=tmp_path / "slirp.sock",
    )
    at = network.entry.index("nsenter")
    script = (
        'ip -batch - <<END && shift 3 && exec "$@"\n'
        "link set br0 address $3\n"
        "address replace $1/24 dev br0 noprefixroute\n"
        "route replace $2 dev br0 src $1 quickack 1\n"
        "END\n"
    )
    assert network.entry[:at][-3:] == ("--pdeathsig", "KILL", "--")
    assert network.entry[at:] == (
        *("nsenter", "--target", "4711", "--user", "--net", "--preserve-credentials", "--"),
        *("sh", "-c", script, "slugkit-join"),
        *("10.0.2.1", "10.0.2.0/24", "02:53:0a:00:02:01"),
        *("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"),
    )


def test_an_address_that_is_in_use_is_given_to_nobody_else(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    from buildpack.support.addresses import Subnet

    holder, slirp = os.pidfd_open(process.pid), os.pidfd_open(os.getpid())
    network = LastingNetwork(
        Subnet(cidr="10.0.2.0/24"),
        reader=-1,
        lifeline=-1,
        holder=(process.pid, holder),
        slirp=(os.getpid(), slirp),
        socket=tmp_path / "slirp.sock",
    )
    network.take("10.0.2.4")
    assert network.take_address() == "10.0.2.5"
    network.give_back("10.0.2.4")
    assert network.is_alive()
    process.kill()
    assert has_ended(holder, 5.0)
    assert not network.is_alive()
    os.close(holder)
    os.close(slirp)
