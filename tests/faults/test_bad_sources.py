"""Sources nobody should have, whole builds of them: links, names, depth, secrets, times."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slugc.privileges import RUN_UID, in_dropped_child, run_identity
from slugc.sources.errors import SourceUnreadableError
from slugc.sources.slugignore import IgnoreRules
from slugc.sources.staging import Stager
from tests.faults.bad_sources import said
from tests.integration.build_support import Builder, Outcome, make_buildpack
from tests.waiting import PATIENCE

# Links


@pytest.mark.parametrize("target", ["itself", ".", "gone", "sub/..", "sub/up/sub"])
def test_links_that_stay_are_kept_as_links(
    build: Callable[..., Outcome], app: Path, target: str
) -> None:
    (app / "sub").mkdir()
    (app / "sub" / "up").symlink_to("..")
    (app / "itself").symlink_to(target)
    assert "itself" in build(app).names()


@pytest.mark.parametrize("target", ["../..", "/etc/passwd", "sub/../../x"])
def test_a_link_that_leaves_is_refused_by_name(
    build: Callable[..., Outcome], app: Path, target: str
) -> None:
    (app / "away").symlink_to(target)
    outcome = build(app)
    assert (outcome.code, outcome.stdout) == (65, "")
    assert f"    away: a link out of the source, to {target}\n" in outcome.stderr
    assert not outcome.slug.exists()


# What is no file


def test_a_fifo_a_socket_and_a_device_are_refused_at_once(
    build: Callable[..., Outcome], app: Path
) -> None:
    os.mkfifo(app / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(app / "sock"))
    wanted = ["pipe: a FIFO", "sock: a socket"]
    if os.getuid() == 0:
        os.mknod(app / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(app / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 99))
        wanted += ["null: a character device", "disk: a block device"]
    started = time.monotonic()
    outcome = build(app)
    assert time.monotonic() - started < PATIENCE
    assert outcome.code == 65
    for line in wanted:
        assert f"    {line}\n" in outcome.stderr


# Names

ODD = (
    b"new\nline",
    b"car\rriage",
    b"\x1b[31mred\x1b[0m",
    b"-rf",
    b"--checkpoint-action=exec=id",
    b" ",
    b" lead and trail ",
    b"\xff\xfe\x80",
    b"x" * 255,
    "e\u0301".encode(),  # the same letter, written in two ways
    "\u00e9".encode(),
    b"README",
    b"readme",
    b"CON",
    b"*",
    b"a\\b",
    b"'\"$(id)`",
)


def test_odd_names_come_out_byte_for_byte(
    build: Callable[..., Outcome], app: Path, open_dir: Path
) -> None:
    for number, name in enumerate(ODD):
        (app / os.fsdecode(name)).write_text(str(number))
    outcome = build(app)
    assert outcome.code == 0, outcome.stderr
    out = open_dir / "out"
    out.mkdir()
    argv = ["tar", "--zstd", "-xf", str(outcome.slug), "-C", str(out)]
    subprocess.run(argv, check=True, timeout=30)
    for number, name in enumerate(ODD):
        assert (out / "app" / os.fsdecode(name)).read_text() == str(number)


def test_odd_names_are_shown_escaped(build: Callable[..., Outcome], app: Path) -> None:
    for name in ODD[:3]:
        (app / os.fsdecode(name)).symlink_to("/etc/passwd")
    outcome = build(app)
    assert outcome.code == 65
    assert "\x1b[31m" not in outcome.stderr
    assert "new\\nline: a link out" in outcome.stderr
    assert "\\x1b[31mred\\x1b[0m: a link out" in outcome.stderr


# Long and deep


@contextlib.contextmanager
def deep_tree(root: Path, name: str, depth: int) -> Iterator[None]:
    """Directories of that name, one in the other: deeper than any path can say."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", root / name], check=True, timeout=30)


@pytest.mark.parametrize(("name", "depth"), [("d", 5000), ("n" * 200, 30)])
def test_a_tree_that_is_too_deep_is_refused_by_name(
    build: Callable[..., Outcome], app: Path, name: str, depth: int
) -> None:
    with deep_tree(app, name, depth):
        started = time.monotonic()
        outcome = build(app)
        assert time.monotonic() - started < PATIENCE
    assert outcome.code == 65
    assert "Traceback" not in outcome.stderr
    words = "deeper than 64 directories" if name == "d" else "bytes; at most 3,840"
    assert words in outcome.stderr


@pytest.mark.parametrize("where", ["$1", "$2", "$3"], ids=["build", "cache", "env"])
def test_a_build_that_digs_itself_in_is_told_or_tidied_up(
    app: Path, open_dir: Path, where: str
) -> None:
    """In build dir, cache and ENV_DIR: the next build begins as if nothing had been."""
    down = 'import os; [(os.mkdir("d"), os.chdir("d")) for _ in range(3000)]'
    dig = f"cd {where} && python3 -c '{down}'"
    builder = Builder(home=open_dir / "data")
    try:
        outcome = builder.build(app, "-b", make_buildpack(open_dir / "dig", compile=dig))
        assert outcome.code == (65 if where == "$1" else 0), outcome.stderr
        assert "Traceback" not in outcome.stderr
        again = builder.build(app, "-b", make_buildpack(open_dir / "plain"))
        assert again.code == 0, again.stderr
    finally:
        tries = iter(range(50))  # what builds leave is swept behind our back
        while subprocess.run(["rm", "-rf", builder.home], check=False, timeout=30).returncode:
            assert next(tries, None) is not None
            time.sleep(0.2)


# Not ours to read


@pytest.mark.skipif(os.getuid() != 0, reason="root can be somebody else")
def test_all_that_cannot_be_read_is_listed(open_dir: Path) -> None:
    source, target = open_dir / "app", open_dir / "build"
    for path in (source / "closed", source / "shut", target):
        path.mkdir(parents=True)
    (source / "fine").write_text("x")
    (source / "secret").write_text("x")
    for name in ("closed", "shut", "secret"):
        (source / name).chmod(0)
    os.chown(target, RUN_UID, RUN_UID)
    with pytest.raises(SourceUnreadableError) as caught:
        in_dropped_child(lambda: _copied(source, target))
    assert caught.value.names == ("closed", "secret", "shut")
    assert caught.value.exit_code == 77


def _copied(source: Path, target: Path) -> None:
    Stager(rules=IgnoreRules(), owner=run_identity()).copy(source, target)


# Secrets

SECRETS = (".env", ".env.production", "id_rsa", "server.pem", ".netrc", "pip.conf", ".pypirc")


def test_secrets_are_warned_about_and_strictly_refused(
    build: Callable[..., Outcome], app: Path
) -> None:
    for name in SECRETS:
        (app / name).write_text("x")
    (app / ".aws").mkdir()
    (app / ".aws" / "credentials").write_text("x")
    (app / ".env.example").write_text("x")
    (app / ".git").mkdir()
    (app / ".git" / "config").write_text("url = https://me:canary@host/app\n")

    told = build(app)
    assert told.code == 0
    assert "The slug will hold .aws, .env, .env.production and 5 more, which may be" in told.stderr
    assert not [name for name in told.names() if name.startswith(".git")]

    refused = build(app, "--strict-secrets", "--no-cache")
    assert refused.code == 65
    assert "The source holds files that may be secret\n\n    .aws\n    .env\n" in said(refused)
    for name in (*SECRETS, ".aws"):
        assert f"    {name}\n" in refused.stderr
    assert ".env.example" not in refused.stderr
    (app / ".slugignore").write_text("\n".join((*SECRETS, ".aws")))
    assert build(app, "--strict-secrets").code == 0


# Not an app


def test_what_is_no_source_is_refused(build: Callable[..., Outcome], open_dir: Path) -> None:
    (open_dir / "empty").mkdir()
    (open_dir / "app.py").touch()
    for source, code, words in (
        ("/", 65, "/ is the root directory, not an app"),
        (os.environ["HOME"], 65, "is a home directory, not an app"),
        ("nowhere", 66, "There is no source at nowhere"),
        ("empty", 65, "holds no file to build from"),
        ("app.py", 65, "app.py is not something to build"),
    ):
        outcome = build(source)
        assert outcome.code == code, outcome.stderr
        assert words in outcome.stderr
        assert outcome.stdout == ""


# Clocks


@pytest.mark.parametrize("when", [-(10**9), 0, 2**31 + 5, 4_354_819_200, 2**33])
def test_strange_times_change_nothing(build: Callable[..., Outcome], app: Path, when: int) -> None:
    expected = build(app).metadata.checksum
    os.utime(app / "app_txt", (when, when))
    os.utime(app, (when, when))
    assert build(app, "--no-cache").metadata.checksum == expected


# What a machine left there


def test_virtualenvs_modules_and_caches_stay_behind(
    build: Callable[..., Outcome], app: Path
) -> None:
    for name in ("venv/pyvenv.cfg", "web/package.json", "web/node_modules/a/index.js"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    for name in ("pkg/__pycache__/a.pyc", "vendor/node_modules/kept.js"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")

    outcome = build(app)

    assert outcome.code == 0
    names = outcome.names()
    assert {"web/package.json", "vendor/node_modules/kept.js"} <= names
    assert not {"venv", "web/node_modules", "pkg/__pycache__"} & names
    assert "Left out: venv. A virtualenv names paths" in outcome.stderr
    assert "Left out: web/node_modules. What package.json asks for" in outcome.stderr

    (app / ".slugignore").write_text("!node_modules\n")
    assert "web/node_modules/a/index.js" in build(app).names()
