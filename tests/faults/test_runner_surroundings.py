"""slug-run where its surroundings are odd: closed streams, no readers, limits, locales, umasks."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.environment import given
from tests.faults.limited import Allowed, inside
from tests.integration.supervision_support import Site, deployed
from tests.integration.support import free_port

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0
EMOJI = "🎉 é\n\t'\"$\\"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory with an app."""
    assert slug_run(tmp_path / "home", "apps", "create", "polls").returncode == 0
    return tmp_path / "home"


def slug_run(
    home: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    before: str = "",
    shell: str = "",
    prepare: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """What a shell does before it becomes slug-run, and to its streams (``shell``)."""
    kept = given()
    argv: Sequence[str] = (sys.executable, "-m", "runner.main", *words)
    if before or shell:
        argv = ("sh", "-c", f'{before} exec "$@" {shell}', "sh", *argv)
    return subprocess.run(
        argv,
        env={**kept, "SLUGKIT_HOME": str(home), "PYTHONPATH": str(ROOT), **(env or {})},
        cwd="/",
        capture_output=True,
        timeout=LIMIT,
        check=False,
        preexec_fn=prepare,
    )


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(closed: str, home: Path) -> None:
    for words in (["config", "set", "A=1"], ["config"], ["ps"], ["logs"]):
        done = slug_run(home, *words, shell=closed)
        assert done.returncode == 0, (words, done.stderr)
    assert slug_run(home, "config", "get", "A").stdout == b"1\n"


@pytest.mark.parametrize("words", [["config"], ["releases"]])
def test_who_does_not_read_our_output_is_no_error_of_ours(words: list[str], home: Path) -> None:
    slug_run(home, "config", "set", "A=1")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = slug_run(home, *words, prepare=lambda: (os.dup2(writer, 1), None)[1])
    finally:
        os.close(writer)
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_output_that_nothing_has_room_for_is_told(home: Path) -> None:
    slug_run(home, "config", "set", "A=1")
    done = slug_run(home, "config", shell=">/dev/full")
    assert done.returncode == 73
    assert b"Standard output could not be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_too_few_descriptors_are_told_as_such(home: Path) -> None:
    done = slug_run(
        home,
        "config",
        "set",
        "A=1",
        prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (7, 7)),
    )
    assert done.returncode in {73, 75}, done.stderr
    assert b"Traceback" not in done.stderr
    assert slug_run(home, "releases", "--json").stdout.strip() == b"[]"


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "de_DE.ISO-8859-1", "TERM": "", "COLUMNS": "0", "LINES": "x"},
        {"PATH": "", "HOME": "/nonexistent"},
    ],
    ids=str,
)
def test_values_survive_every_locale(env: dict[str, str], home: Path) -> None:
    assert slug_run(home, "config", "set", f"E={EMOJI}", env=env).returncode == 0
    assert slug_run(home, "config", "get", "E", env=env).stdout == f"{EMOJI}\n".encode()
    refused = slug_run(home, "config", "set", "É🎉=1", env=env)
    assert refused.returncode == 64
    assert b"Traceback" not in refused.stderr


def test_names_of_every_length_are_answered_in_our_words(home: Path) -> None:
    for words in (
        ["apps", "create", "x" * 5000],
        ["apps", "create", "🎉"],
        ["config", "set", f"{'N' * 300}=1"],
        ["config", "set", "N" * 100_000],
        ["config", "set", "x\x1b[2Jy=1"],
        ["ps", "-a", "y" * 100_000],
        ["rollback", "v" + "9" * 5000],
        ["run", "-a", "../../etc", "--", "true"],
        ["logs", "-n", "9" * 400],
    ):
        done = slug_run(home, *words)
        assert done.returncode in {0, 1, 64, 65, 66}, (words[:3], done.stderr[-500:])
        assert b"Traceback" not in done.stderr
        assert len(done.stderr) < 2000, done.stderr[:3000]
        assert b"\x1b[2J" not in done.stderr


@pytest.mark.parametrize("umask", ["000", "077", "777"])
def test_files_are_private_whatever_the_umask(umask: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for words in (["apps", "create", "polls"], ["config", "set", "A=1"], ["config"]):
        done = slug_run(home, *words, prepare=lambda: (os.umask(int(umask, 8)), None)[1])
        assert done.returncode == 0, done.stderr
    assert (home / "state.db").stat().st_mode & 0o777 == 0o600
    assert (home / "apps").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def site(open_dir: Path) -> Iterator[Site]:
    found = deployed(open_dir / "site", port=free_port())
    yield found
    found.must("stop")


@pytest.mark.embedded
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-"])
def test_an_app_is_left_running_by_who_has_no_streams(closed: str, site: Site) -> None:
    """As cron and some service managers start programs."""
    words = ("start", "-d", "web=1", "--port", str(site.port))
    assert slug_run(site.home, *words, shell=closed).returncode == 0
    assert site.get() == "web.1 "
    keeper = site.processes()["keeper"]
    lock = str(site.supervisor_dir / "lock")
    held = [str(each.readlink()) for each in Path(f"/proc/{keeper}/fd").iterdir()]
    assert held.count(lock) == 1


@pytest.mark.embedded
@pytest.mark.parametrize("umask", ["077"])
def test_containers_run_whatever_the_umask(umask: str, site: Site) -> None:
    words = ("start", "-d", "web=1", "idle=1", "--port", str(site.port))
    done = slug_run(site.home, *words, prepare=lambda: (os.umask(int(umask, 8)), None)[1])
    assert done.returncode == 0, (done.stderr, site.errors())
    assert site.get() == "web.1 "
    said = site.must("exec", "idle.1", "--", "sh", "-c", "grep -c web.1 /etc/hosts; umask")
    assert said.out.split() == ["1", "0022"]


# The data directory (row 119 of the bad inputs), as slugc has it in test_build_surroundings.py.


def refused(home: Path, *words: str) -> str:
    """What is said, with a code of ours, within seconds."""
    done = slug_run(home, *words)
    assert done.returncode in {73, 74, 77}, (words, done.stderr)
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in refused(tmp_path / "file", "config", "set", "A=1")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_data_directory_that_is_a_link_leads_where_it_leads(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    assert slug_run(tmp_path / "link", "config", "set", "A=1").returncode == 0
    assert slug_run(home, "config", "get", "A").stdout == b"1\n"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.skipif(os.getuid() != 0, reason="gives a directory away")
def test_a_data_directory_of_somebody_else_is_refused_and_stays_theirs(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("x")
    os.chown(theirs, 12345, 12345)
    said = refused(theirs, "apps", "create", "polls")
    assert "It belongs to uid 12345 and is not empty." in said
    assert (theirs.stat().st_uid, [*theirs.iterdir()]) == (12345, [theirs / "file"])


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")
def test_a_data_directory_where_no_program_may_be_started_is_enough(tmp_path: Path) -> None:
    """What is kept there is read and mapped; only containers start programs from it."""
    at = tmp_path / "noexec"
    at.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "noexec,size=4m", "tmpfs", str(at)), check=True)
    try:
        assert slug_run(at, "apps", "create", "polls").returncode == 0
        assert slug_run(at, "config", "set", "A=1").returncode == 0
        assert slug_run(at, "config", "get", "A").stdout == b"1\n"
    finally:
        subprocess.run(("umount", "--lazy", str(at)), check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")
@pytest.mark.parametrize("options", ["size=1m,nr_inodes=2", "size=1m,ro"])
def test_a_data_directory_without_room_for_a_file_is_refused(options: str, tmp_path: Path) -> None:
    at = tmp_path / "small"
    at.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)), check=True)
    try:
        refused(at, "apps", "create", "polls")
        subprocess.run(("mount", "-o", "remount,rw,nr_inodes=100", str(at)), check=True)
        assert slug_run(at, "apps", "create", "polls").returncode == 0
    finally:
        subprocess.run(("umount", "--lazy", str(at)), check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes somebody else")
def test_somebody_elses_apps_are_neither_read_nor_changed(home: Path) -> None:
    slug_run(home, "config", "set", "A=1")

    def become_another() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

    stranger = subprocess.run(
        ("cat", str(home / "state.db")),
        capture_output=True,
        preexec_fn=become_another,
        timeout=LIMIT,
        check=False,
    )
    assert (stranger.returncode, stranger.stdout) == (1, b"")


def test_an_env_file_that_is_a_fifo_is_refused_at_once(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = slug_run(home, "config", "set", "--env-file", str(tmp_path / "fifo"))
    assert done.returncode in {65, 66}
    assert b"Traceback" not in done.stderr
    assert slug_run(home, "releases", "--json").stdout.strip() == b"[]"


def test_little_memory_is_enough_or_told_as_such(home: Path) -> None:
    for megabytes in (256, 32):
        limit = megabytes << 20
        done = slug_run(
            home,
            "config",
            "set",
            f"M={megabytes}",
            prepare=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),  # type: ignore[misc]  # bound now
        )
        assert done.returncode in ({0} if megabytes == 256 else {0, 1, 75, 127}), done.stderr
    assert slug_run(home, "config", "get", "M").stdout.strip() in {b"256", b"32"}


@pytest.mark.embedded
@pytest.mark.skipif(os.getuid() != 0, reason="needs root's rights")
def test_too_few_processes_are_told_as_such(site: Site) -> None:
    """Or they are enough; never a traceback, and nothing is left behind."""
    told = 0
    for count in (1, 2, 3, 5):
        with inside(Allowed(pids=count)) as enter:
            done = slug_run(site.home, "run", "-a", "polls", "--", "true", before=enter)
        assert b"Traceback" not in done.stderr, (count, done)
        if done.returncode == 0:
            continue
        assert done.returncode == 75, (count, done)
        assert b"may have no more processes and threads. Allow more" in done.stderr
        told += 1
    assert told
    assert slug_run(site.home, "run", "-a", "polls", "--", "true").returncode == 0
    assert site.runs() == []


def test_a_directory_that_was_deleted_is_no_reason_to_fail(home: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def lose_the_directory() -> None:
        os.chdir(gone)
        gone.rmdir()

    one_off = ["run", "--slug", "x.slug", "true"]
    missing = (["web"], one_off, ["deploy", "x.slug"], ["plan", "x.slug"])
    for words in (["config", "set", "A=1"], ["config"], ["releases"], ["ps"], [], *missing):
        done = slug_run(home, *words, prepare=lose_the_directory)
        assert done.returncode == (66 if words in missing else 0), (words, done.stderr)
        assert b"Traceback" not in done.stderr
        assert words not in missing or b"gone (deleted)" in done.stderr
        gone.mkdir()


@pytest.mark.embedded
def test_what_was_deployed_runs_from_a_directory_that_was_deleted(
    site: Site, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"

    def lose_the_directory() -> None:
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()

    slug = str(site.home.parent / "app.slug")
    for words in (["run", "-a", "polls", "--", "true"], ["deploy", slug, "-a", "polls", "--force"],
                  ["config", "edit", "-a", "polls"]):  # fmt: skip
        done = slug_run(site.home, *words, env={"EDITOR": "true"}, prepare=lose_the_directory)
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.embedded
def test_a_command_longer_than_the_kernel_takes_is_told_as_such(site: Site) -> None:
    said = slug_run(site.home, "run", "-a", "polls", "--", "echo", "x" * 60_000)
    assert (said.returncode, len(said.stdout)) == (0, 60_001), said.stderr[-500:]
    said = slug_run(site.home, "run", "-a", "polls", "--", "echo", "x" * 100_000)
    assert said.returncode == 64
    assert b"The command is 100005 bytes long; at most 65536 are allowed" in said.stderr
