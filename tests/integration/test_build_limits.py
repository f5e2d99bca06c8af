"""What build code reaches and how much it gets, probed from inside, as root and as a user."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from buildpack.support.addresses import read_host_addresses
from buildpack.support.hierarchies import find_hierarchies
from tests.integration.build_support import Builder, make_app, make_buildpack
from tests.integration.embedded_support import (
    CHECKOUT,
    STARTERS,
    SYSTEM_PYTHON,
    open_checkout,
    ordinary_user,
)

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

NEEDS_GROUPS = pytest.mark.skipif(
    find_hierarchies() is None,
    reason="no cgroups may be made here",
)

# Each word is HOST:PORT; bash opens it or says why not.
CONNECT = """\
for place; do
  if timeout 3 bash -c "exec 3<>/dev/tcp/${place%:*}/${place##*:}" 2>/dev/null
  then echo "$place open"; else echo "$place closed"; fi
done
"""
LOOK = """\
ls -A /home /root /run /var/run /tmp/.X11-unix 2>/dev/null
for name in "$@"; do [ -e "$name" ] && echo "sees $name"; done
env | grep -E 'SSH_|DBUS|XDG_' ; tr '\\0' '\\n' </proc/1/environ | grep -E 'SSH_|CANARY'
find / -xdev -type s 2>/dev/null; echo looked
"""


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slugkit-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def probe(root: Path, starter: str, script: str, *words: str, **plan: object) -> dict[str, object]:
    """Run ``script`` in a build's sandbox that ``starter`` puts up."""
    told = json.dumps({"script": script, "words": words, **plan})
    argv: tuple[str, ...] = (sys.executable,)
    env = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": "/tmp/agent", "CANARY": "leaked"}
    with ExitStack() as stack:
        checkout = CHECKOUT
        if starter == "user" and os.getuid() == 0:
            user = ordinary_user()
            os.chown(root, user.pw_uid, user.pw_gid)
            ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}")
            argv = ("setpriv", *ids, "--clear-groups", "--", SYSTEM_PYTHON)
            checkout = stack.enter_context(open_checkout())
        done = subprocess.run(
            (*argv, "-B", "-m", "tests.integration.build_probe", os.fspath(root), told),
            cwd=checkout,
            env={**env, "PYTHONPATH": os.fspath(checkout), "HOME": os.fspath(root)},
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@contextmanager
def service(host: str = "127.0.0.1") -> Iterator[int]:
    """Something that listens on this machine and greets."""
    server = socket.create_server((host, 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("starter", STARTERS)
def test_this_machine_is_out_of_reach_but_for_what_a_setting_names(
    root: Path, starter: str
) -> None:
    own = next(each for each in read_host_addresses() if "/" not in each)
    with service("0.0.0.0") as secret, service("0.0.0.0") as index:
        places = [f"{host}:{port}" for port in (secret, index) for host in ("127.0.0.1", own)]
        metadata = "169.254.169.254:80"
        settings = {
            "PIP_INDEX_URL": f"http://127.0.0.1:{index}/simple",
            "PIP_EXTRA_INDEX_URL": f"http://{own}:{index}/simple",
        }
        script = f"{CONNECT}\nexec 3<>/dev/tcp/127.0.0.1/{index}; tail -1 <&3"
        found = probe(root, starter, script, *places, metadata, settings=settings)
        bare = probe(root, starter, CONNECT, *places, network="host")
    closed = [f"{place} closed" for place in places[:2]]
    opened = [f"{place} open" for place in places[2:]]
    assert found["lines"] == [*closed, *opened, f"{metadata} closed", "hello"]
    assert found["network"] == ""
    assert bare["lines"] == [f"{place} open" for place in places]  # the probe bites


# The addresses slirp4netns itself answers for, and a socket that has no path; ARGV is a port.
SIDE_DOORS = """\
import socket, sys
port = int(sys.argv[1])
server = next(x.split()[1] for x in open("/etc/resolv.conf") if x.startswith("nameserver"))
network = server.rpartition(".")[0]
places = [(socket.AF_INET, (f"{network}.{last}", port)) for last in (1, 2, 3, 255)]
for family, place in [*places, (socket.AF_UNIX, f"\\0slugkit-{port}")]:
    door = socket.socket(family)
    door.settimeout(1)
    try:
        door.connect(place)
        print(place, "open")
    except OSError:
        pass
print("tried")
"""


@pytest.mark.parametrize("starter", STARTERS)
def test_no_side_door_of_the_network_leads_to_this_machine(root: Path, starter: str) -> None:
    script = f"python3 - $1 <<'END'\n{SIDE_DOORS}END"
    with service("0.0.0.0") as port, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0slugkit-{port}")
        abstract.listen()
        found = probe(root, starter, script, str(port))
        bare = probe(root, starter, script, str(port), network="host")
    assert found["lines"] == ["tried"]
    assert "slugkit-" in str(bare["lines"])  # the probe bites


@pytest.mark.parametrize("starter", STARTERS)
def test_off_leaves_nothing_but_the_builds_own_loopback(root: Path, starter: str) -> None:
    script = "cat /proc/net/route | wc -l; ip -brief link | grep -c ."
    found = probe(root, starter, script, network="off")

    assert (found["lines"], found["network"]) == (["1", "1"], "off")


@pytest.mark.parametrize("starter", STARTERS)
def test_who_builds_is_out_of_sight(root: Path, starter: str) -> None:
    """Home, agent, sockets, other builds: nothing of them has a name inside."""
    other = root.parent / f"{root.name}-other"
    other.mkdir()
    names = (os.fspath(root), os.fspath(other), "/var/lib/slugkit", "/home", "/root", "/run/dbus")
    try:
        found = probe(root, starter, LOOK, *names, os.fspath(CHECKOUT))
    finally:
        other.rmdir()

    assert found["lines"] == ["looked"]


BOMB = """\
exec python3 -c 'import os, time
while True:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)'
"""
HOG = "exec python3 -c 'x = [bytearray(1 << 20) for _ in range(4096)]'"
FILL = "exec dd if=/dev/zero of=/tmp/big bs=1M count=4000 status=none"
CROWD = "cd $HOME; mkdir $(seq 2900); seq -f f%.0f 9000 | xargs touch; exec sleep 20"
# Over before anybody has looked.
QUICK = "head -c 80000000 /dev/zero >/tmp/big"
# A file without a name, held open by a process that has lost its parent.
HIDE = """
(setsid bash -c 'exec 9>/tmp/big; rm /tmp/big; head -c 80000000 /dev/zero >&9; sleep 20' &)
sleep 20
"""
STAYS = "setsid nohup sleep 4242 >/dev/null 2>&1 & disown; echo done"


@NEEDS_GROUPS
@pytest.mark.parametrize(
    ("script", "limits", "error"),
    [
        (HOG, {"memory": 64 << 20}, "The build was stopped at its memory limit of 64M (--memory)"),
        (
            BOMB,
            {"processes": 40},
            "The build was stopped at its limit of 40 processes (--processes)",
        ),
        (FILL, {"disk": 40 << 20}, "The build was stopped at its disk limit of 40M (--disk)"),
        (CROWD, {"files": 3000}, "The build was stopped at its limit of 3,000 files (--files)"),
        (QUICK, {"disk": 40 << 20}, "The build was stopped at its disk limit of 40M (--disk)"),
        (HIDE, {"disk": 40 << 20}, "The build was stopped at its disk limit of 40M (--disk)"),
    ],
)
def test_a_build_that_takes_too_much_is_stopped_and_told_by_what(
    root: Path, script: str, limits: Mapping[str, int], error: str
) -> None:
    found = probe(root, "root", script, limits=limits)

    assert found["error"] == error


def test_nothing_outlives_a_phase(root: Path) -> None:
    assert probe(root, STARTERS[0], STAYS)["lines"] == ["done"]

    left = subprocess.run(("pgrep", "-f", "^sleep 4242$"), capture_output=True, check=False)
    assert left.returncode == 1


@pytest.mark.skipif("user" not in STARTERS or os.getuid() != 0, reason="needs root to be a user")
def test_a_user_without_groups_is_told_that_limits_are_soft_and_has_them(root: Path) -> None:
    script = "ulimit -d; ulimit -u"
    limits = {"memory": 256 << 20, "processes": 77}

    found = probe(root, "user", script, limits=limits)

    if found["notices"]:
        assert found["lines"] == [str(256 << 10), "77"]
        assert "Limits are soft here" in str(found["notices"])


def test_what_is_fetched_comes_before_the_network_is_off(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app", Procfile="web: serve\n")
    subprocess.run(("tar", "-czf", tmp_path / "app.tgz", "-C", app, "."), check=True)
    pack = make_buildpack(tmp_path / "pack", compile="wc -l </proc/net/route >$1/routes")
    serve = partial(http.server.SimpleHTTPRequestHandler, directory=os.fspath(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_address[1]}/app.tgz"
        outcome = Builder(home=tmp_path / "data").build(url, "-b", pack, "--network", "off")
        web.shutdown()

    assert outcome.code == 0, outcome.stderr
    assert outcome.read("routes") == "1\n"  # the heading alone


def test_a_build_that_needs_the_network_is_told_that_it_is_off(tmp_path: Path) -> None:
    builder = Builder(home=tmp_path / "data")
    pack = make_buildpack(tmp_path / "pack", compile="curl -sS https://index.example/ || exit 6")

    outcome = builder.build(make_app(tmp_path / "app"), "-b", pack, "--network", "off")

    assert outcome.code == 65
    assert "network: off" in outcome.stderr.splitlines()[0]
    assert (
        "The network is off (--network off): nothing could be fetched while the build ran."
        in outcome.stderr
    )


@NEEDS_GROUPS
def test_a_build_gets_as_much_of_the_processors_as_it_may(root: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.4: pass\nprint(time.monotonic() - begun)"
    script = f"python3 -c 'import time; begun = time.monotonic()\n{spin}'"
    held = probe(root, "root", script, limits={"cpus": 0.2})
    assert float(str(held["lines"])[2:-2]) > 1.0  # 0.4 s of work at a fifth, less a first period


def test_home_counts_among_what_a_build_may_write(root: Path) -> None:
    script = "head -c 80000000 /dev/zero >/app/big; sleep 25"
    found = probe(root, "root", script, limits={"disk": 20 << 20})
    assert found["error"] == "The build was stopped at its disk limit of 20M (--disk)"


SPY = """\
cat "$3/TOKEN" >/dev/null
for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do
  ! tr "\\0" "\\n" <"$file" | grep -q "s3cret-$(echo value)" || echo "seen in $file"
done
echo spied
"""


def test_no_config_var_is_in_any_file_or_process_that_outlives_or_surrounds_a_build(
    tmp_path: Path,
) -> None:
    builder = Builder(home=tmp_path / "data")
    file = tmp_path / "vars.env"
    file.write_text("TOKEN=s3cret-value\n")
    pack = make_buildpack(tmp_path / "pack", compile=SPY)

    outcome = builder.build(make_app(tmp_path / "app"), "-b", pack, "--env-file", file)

    assert outcome.code == 0, outcome.stderr
    assert "seen in" not in outcome.stderr
    assert "spied" in outcome.stderr
    argv = ("grep", "-rlF", "s3cret-value", builder.home, outcome.slug)
    assert subprocess.run(argv, capture_output=True, check=False).stdout == b""
