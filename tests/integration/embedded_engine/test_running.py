"""The command, its file system and its network, as the embedded engine promises them."""

from __future__ import annotations

import os
import pty
import socket
import time
from pathlib import Path

import pytest

from runner.engines.base import Limits, ShowsListeners, Streams
from runner.engines.embedded import checks
from runner.engines.embedded.container import EmbeddedContainer
from runner.engines.embedded.engine import EmbeddedEngine
from runner.errors import PortInUseError
from runner.readiness import ReadinessProbe
from tests.integration import embedded_support as support
from tests.integration.embedded_support import (
    GREETER,
    STARTERS,
    Wanted,
    carry_out_as,
    read_until,
    started,
)
from tests.integration.probes import answers
from tests.integration.support import free_port
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

MIB = 1024 * 1024
SERVE = f"exec python3 -c '{GREETER}' 5000"
SERVE_IPV6 = """exec python3 -c '
import socket, time
s = socket.create_server(("::", 5000), family=socket.AF_INET6, dualstack_ipv6=not {})
time.sleep(99)'
"""


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("no-such-program", 127)],
)
def test_exit_code_is_the_commands(engine: EmbeddedEngine, command: str, code: int) -> None:
    assert support.run(engine, Wanted(command=command)).code == code


def test_environment_is_the_specs_and_nothing_else(engine: EmbeddedEngine) -> None:
    env = {"EMPTY": "", "TEXT": "two\nlines 'and' $quotes \u00e9", "BASH_ENV": "/app/none"}
    happened = support.run(engine, Wanted(command="env -0", env=env))
    found = dict(entry.split("=", 1) for entry in happened.output.split("\0") if entry)
    found.pop("DYNO_RAM", None)  # the engine's own word, where limits are soft
    added = {"PWD": "/app", "SHLVL": found["SHLVL"], "_": "/usr/bin/env"}  # by bash itself
    assert found == {**support.BASE_ENV, **env, **added}


def test_standard_input_is_passed_on(engine: EmbeddedEngine) -> None:
    assert support.run(engine, Wanted(command="cat", stdin="a\nb")).output == "a\nb"


def test_standard_error_is_its_own_stream(engine: EmbeddedEngine) -> None:
    spec = support.spec(Wanted(command="echo out; echo err >&2"))
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    container = engine.start(spec, streams=Streams(stdin=None, stdout=to_out, stderr=to_err))
    os.close(to_out)
    os.close(to_err)
    with os.fdopen(out) as stdout, os.fdopen(err) as stderr:
        assert (stdout.read(), stderr.read()) == ("out\n", "err\n")
    assert support.wait(container) == 0


def test_terminal_is_the_commands_own(engine: EmbeddedEngine) -> None:
    """Ctrl-C typed at the other end interrupts what runs in the foreground."""
    master, slave = pty.openpty()
    spec = support.spec(Wanted(command="tty; echo ready; sleep 60"))
    streams = Streams(stdin=slave, stdout=slave, stderr=slave, terminal=True)
    container = engine.start(spec, streams=streams)
    os.close(slave)
    said = read_until(master, b"ready")
    assert said.splitlines()[0] == b"/dev/console"  # the only name it has in there
    os.write(master, b"\x03")
    assert support.wait(container, 5) == 130
    os.close(master)


# The file system


@pytest.mark.parametrize("starter", STARTERS)
def test_layers_are_one_tree_of_which_each_container_writes_its_own_copy(starter: str) -> None:
    first = Wanted(command="cat a both; echo new >both; echo more >c; rm a; ls; cat both")
    second = Wanted(command="ls; cat a both", ordinal=2)
    happened, _ = carry_out_as(starter, Limits(), [first, second])
    assert happened[0].output == "1highboth\nc\nnew\n"
    assert happened[1].output == "a\nboth\n1high"


def test_store_is_never_changed(engine: EmbeddedEngine, home: Path) -> None:
    support.run(engine, Wanted(command="rm -rf /app/* ; echo x >/app/both"))
    assert (home / "store/layers/upper/both").read_text() == "high"
    assert (home / "store/layers/lower/a").read_text() == "1"


def test_upper_directory_is_in_memory_where_the_disk_cannot_hold_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "overlay_problem", lambda tree, env: "not on this file system")
    monkeypatch.setattr(EmbeddedEngine, "_is_overlay_proven", lambda self: False)
    notices: list[str] = []
    with support.make_engine(home, notices=notices) as engine:
        happened = support.run(engine, Wanted(command="echo x >new; rm a; ls; cat both"))
        assert happened.output == "both\nnew\nhigh"
        assert list((home / "run").glob("*/web.1-1/upper/*")) == []
    # An ordinary user is told of soft limits as well.
    assert (
        "Files written under /app are kept in memory, 256 MiB a container: "
        f"{home} cannot hold an overlay (not on this file system)"
    ) in notices


# The network


def test_port_is_reached_from_the_host(engine: EmbeddedEngine) -> None:
    container = started(engine, SERVE, port=5000)
    assert container.address is not None
    port = container.address.port
    until(lambda: answers("127.0.0.1", port))
    container.remove()
    assert not answers("127.0.0.1", port)


def test_listeners_are_shown_as_soon_as_there_are_any(engine: EmbeddedEngine) -> None:
    container = started(engine, f"sleep 0.2; {SERVE}", port=5000)
    assert isinstance(container, ShowsListeners)
    assert container.listeners() == ()
    until(lambda: [str(found) for found in container.listeners()] == ["0.0.0.0:5000"])


@pytest.mark.parametrize("only", [True, False])
def test_what_listens_on_all_of_ipv6_is_ready_if_it_takes_ipv4(
    engine: EmbeddedEngine, only: bool
) -> None:
    container = started(engine, SERVE_IPV6.format(only), port=5000)
    assert isinstance(container, ShowsListeners)
    until(lambda: [str(found) for found in container.listeners()] == ["[::]:5000"])
    assert ReadinessProbe(container, 5000).is_ready(0.0) is not only


def test_published_port_is_the_one_asked_for_and_taken_only_once(engine: EmbeddedEngine) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(PortInUseError) as caught:
            publish(engine, port)
        assert f"(process {os.getpid()})" in str(caught.value.holder)
    container = publish(engine, port)
    assert str(container.address) == f"127.0.0.1:{port}"
    until(lambda: answers("127.0.0.1", port))
    with pytest.raises(PortInUseError):
        publish(engine, port)


def test_a_connection_to_a_container_that_does_not_listen_yet_ends_at_once(
    engine: EmbeddedEngine,
) -> None:
    container = started(engine, "sleep 60", port=5000)
    assert received_from(container) == b""


def test_a_connection_to_a_container_that_has_ended_ends_at_once(engine: EmbeddedEngine) -> None:
    """In the moment until its end is noticed and its port closed: slirp4netns still takes it."""
    container = started(engine, f"timeout 0.5 {SERVE.removeprefix('exec ')}", port=5000)
    until(lambda: container.poll() is not None)
    time.sleep(0.5)  # the kernel takes away a network that nobody holds, but not at once
    assert received_from(container) == b""
    container.remove()


def received_from(container: EmbeddedContainer) -> bytes:
    assert container.address is not None
    place = (container.address.host, container.address.port)
    with socket.create_connection(place, timeout=20) as client:
        try:
            return client.recv(1)
        except ConnectionResetError:
            return b""


def publish(engine: EmbeddedEngine, port: int) -> EmbeddedContainer:
    spec = support.spec(Wanted(command=SERVE, port=5000))
    with Path(os.devnull).open("wb") as output:
        streams = Streams(stdin=None, stdout=output.fileno(), stderr=output.fileno())
        return engine.start(spec, streams=streams, publish=port)


def test_containers_find_each_other_by_name_while_they_live(engine: EmbeddedEngine) -> None:
    sibling = started(engine, "sleep 60", name="worker", ordinal=3)
    look = Wanted(command="getent hosts worker.3; getent hosts worker-3; getent hosts web-1")
    found = support.run(engine, look).output.split()
    assert found[1:3] == ["worker.3", "worker-3"]
    assert found[-2:] == ["web.1", "web-1"]
    sibling.remove()
    assert "worker" not in support.run(engine, Wanted(command="cat /etc/hosts")).output
