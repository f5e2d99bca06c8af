"""``slugc build`` driving small buildpacks for real, in the sandbox this machine has."""

from __future__ import annotations

import filecmp
import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.integration.build_support import Builder, make_app, make_buildpack, result
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

PROBE = r"""
{
  echo "args=$*"; echo "cwd=$PWD"; env | sort | sed 's/^/env:/'
  echo "config=$(cat "$3/TOKEN")"; stat -c 'mode=%a' "$3/TOKEN"
  echo "id=$(id)"; echo "users=$(wc -l </etc/passwd)"
  grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
  echo "processes=$(ls -d /proc/[0-9]* | wc -l)"
  echo "root=$(ls / | tr '\n' ' ')"; echo "tmp=$(ls /tmp | tr '\n' ' ')"
  for place in / /usr /etc /usr/bin; do
    if touch "$place/canary" 2>/dev/null; then echo "wrote $place"; fi
  done
  cat /etc/shadow 2>/dev/null && echo "read shadow"
  unshare -U true 2>/dev/null && echo "made a namespace"
  mount -t tmpfs none /mnt 2>/dev/null && echo "mounted"
  touch "$HOME/ours" && echo "home is writable"
} > probe.txt || true
"""


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """Its data directory lies where, started by root, only root may go; builds do all the same."""
    return Builder(home=tmp_path / "data")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_app(tmp_path / "app", Procfile="web: serve --now\n")


def test_what_a_phase_sees_and_what_it_cannot_do(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=PROBE)
    env = {
        "CANARY": "leaked",
        "HTTPS_PROXY": "http://proxy:3128",
        "PIP_INDEX_URL": "https://index/simple",
        "PIP_TARGET": "/elsewhere",
        "SLUGKIT_FLAG": "1",
        # What is shown where it lies on this machine, for our own buildpack: nothing, this time.
        "SLUGKIT_TOOLS": "",
        "PYENV_ROOT": "/nonexistent",
    }

    outcome = builder.build(app, "-b", pack, "--env", "TOKEN=s3cret value", env=env)

    seen = outcome.read("probe.txt").splitlines()
    assert "args=/tmp/build_5106c0de /tmp/cache /tmp/env" in seen
    assert "cwd=/tmp/build_5106c0de" in seen
    of_bash = ("env:_=", "env:PWD=", "env:SHLVL=")
    assert {line for line in seen if line.startswith("env:") and not line.startswith(of_bash)} == {
        "env:PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "env:HOME=/app",
        "env:LANG=C.UTF-8",
        f"env:STACK={outcome.metadata.stack.id}",
        "env:TMPDIR=/tmp",
        "env:REQUEST_ID=build-local",
        "env:HTTPS_PROXY=http://proxy:3128",
        "env:PIP_INDEX_URL=https://index/simple",
        "env:SLUGKIT_FLAG=1",
        "env:SLUGKIT_TOOLS=",
        "env:FINISHED_LAYERS_DIR=/tmp/finished",
        "env:PREVIOUS_BUILD_DIR=/tmp/previous",
    }
    assert {"config=s3cret value", "mode=600", "users=2"} <= set(seen)
    assert {"CapEff:\t0000000000000000", "NoNewPrivs:\t1"} <= set(seen)
    assert "id=uid=1000(app) gid=1000(app) groups=1000(app)" in seen
    assert "tmp=build_5106c0de buildpacks cache env finished " in seen
    assert "home is writable" in seen
    (root,) = [line.removeprefix("root=").split() for line in seen if line.startswith("root=")]
    # Of /var there is what dpkg knows, for apt-get (slugc/sandbox/apt.py).
    assert not {"home", "root", "run", "srv", "mnt", "opt"} & set(root)
    (count,) = [int(line.partition("=")[2]) for line in seen if line.startswith("processes=")]
    assert count < 8  # bubblewrap, bash and what the probe itself starts
    assert not [line for line in seen if line.startswith(("wrote", "read", "made", "mounted"))]


def test_no_config_var_outlives_the_build(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack")

    outcome = builder.build(app, "-b", pack, "--env", "TOKEN=s3cret-value")

    assert outcome.code == 0, outcome.stderr
    found = subprocess.run(
        ["grep", "-rl", "s3cret-value", builder.home, outcome.slug],
        capture_output=True,
        check=False,
    )
    assert found.stdout == b""
    assert "s3cret-value" not in outcome.stderr


def test_an_env_file_reaches_the_build_and_env_wins_over_it(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    (tmp_path / "vars").write_text("A=file\nB='from file'\n")
    pack = make_buildpack(tmp_path / "pack", compile='cat "$3/A" "$3/B" > "$1/seen"')

    outcome = builder.build(app, "-b", pack, "--env-file", "vars", "--env", "A=line ")

    assert outcome.read("seen") == "line from file"


def test_the_log_and_the_result(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(
        tmp_path / "pack",
        compile="echo '-----> Working'; echo '       on stderr' >&2",
        release="echo 'default_process_types: {web: other, clock: tick}'",
    )

    outcome = builder.build(app, "-b", pack)

    stack = outcome.metadata.stack.id
    lines = outcome.stderr.splitlines()
    assert lines[:9] == [
        f"-----> Building app (sandbox: embedded, stack: {stack})",
        "-----> Fetching buildpack pack (from -b)",
        "-----> Tiny app detected",
        "-----> Working",
        "       on stderr",
        "-----> Discovering process types",
        "       Procfile declares types -> web",
        "       Default types of Tiny -> clock",
        "-----> Packing the slug",
    ]
    assert lines[-1].startswith(f"-----> Slug {outcome.metadata.checksum[:19]} written to ")
    assert outcome.stdout == f"{outcome.slug}\n"
    assert outcome.metadata.process_types == {"web": "serve --now", "clock": "tick"}
    assert outcome.metadata.buildpacks[0].name == "Tiny"
    assert outcome.metadata.buildpacks[0].source == "pack"


def test_the_result_as_json_and_nothing_else(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", report='echo \'{"python_version": "3.13.0"}\'')

    outcome = builder.build(app, "-b", pack, "--json", "-q", "-n", "polls")

    found = result(outcome)
    assert outcome.stderr == ""
    assert (found["ok"], found["slug"], found["sandbox"]) == (True, str(outcome.slug), "embedded")
    assert found["python_version"] == "3.13.0"
    assert outcome.metadata.name == "polls"


def test_several_buildpacks_run_in_order_with_what_they_export(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    first = make_buildpack(
        tmp_path / "first",
        detect="echo First",
        compile="""echo 'export TOOL="of the first"' > "$(dirname "$0")/../export"; echo 1 > one""",
        release="echo 'default_process_types: {clock: tick}'",
    )
    second = make_buildpack(
        tmp_path / "second", detect="echo Second", compile='cat one; echo "$TOOL" > two'
    )

    outcome = builder.build(app, "-b", first, "-b", second)

    assert outcome.read("two") == "of the first\n"
    assert [record.name for record in outcome.metadata.buildpacks] == ["First", "Second"]
    assert dict(outcome.metadata.process_types) == {"web": "serve --now"}  # the last one's counts
    assert not (first / "export").exists()


def test_the_cache_lasts_and_links_into_the_build_dir(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(
        tmp_path / "pack",
        compile='if [ -f "$2/kept" ]; then ln "$2/kept" "$1/kept"; else echo old > "$2/kept"; fi',
    )

    builder.build(app, "-b", pack)
    assert builder.build(app, "-b", pack).read("kept") == "old\n"
    assert "kept" not in builder.build(app, "-b", pack, "--no-cache").names()


def test_the_same_source_gives_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile='pwd > "$1/where"')
    slugs = []
    for place in ("one", "two/deeper"):
        app = make_app(tmp_path / place / f"app-{place[:3]}", Procfile="web: serve\n")
        outcome = Builder(home=tmp_path / place / "data").build(app, "-b", pack)
        assert outcome.code == 0, outcome.stderr
        slugs.append(outcome.slug)

    assert filecmp.cmp(slugs[0], slugs[1], shallow=False)


def test_slugignore_before_and_after(builder: Builder, tmp_path: Path) -> None:
    app = make_app(
        tmp_path / "app",
        Procfile="web: serve\n",
        docs__a="x",
        requirements_txt="",
        **{".slugignore": "docs/\nrequirements_txt\n", ".slugignore.after": "*.o\n/tmp/\n"},
    )
    pack = make_buildpack(
        tmp_path / "pack", compile='[ ! -e "$1/docs" ]; mkdir "$1/tmp"; touch "$1/tmp/x" "$1/a.o"'
    )

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 0, outcome.stderr
    assert "       Left out by .slugignore: docs, requirements_txt" in outcome.stderr
    assert "       Left out by .slugignore.after: a.o, tmp" in outcome.stderr
    assert outcome.names() == {
        "", ".", "app_txt", "Procfile", ".slugignore", ".slugignore.after"
    } - {"."}  # fmt: skip


def test_a_source_that_only_root_may_read_is_built_and_not_touched(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    app.chmod(0o700)
    before = {path: path.stat().st_mtime_ns for path in (app, *app.iterdir())}

    outcome = builder.build(app, "-b", make_buildpack(tmp_path / "pack", compile="rm -f app_txt"))

    assert outcome.code == 0, outcome.stderr
    assert {path: path.stat().st_mtime_ns for path in (app, *app.iterdir())} == before


def test_a_tarball_and_a_stream_build_as_the_directory_does(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack")
    with tarfile.open(tmp_path / "app.tar.gz", "w:gz") as archive:
        archive.add(app, "app")

    checksums = {
        builder.build(app, "-b", pack).metadata.checksum,
        builder.build(tmp_path / "app.tar.gz", "-b", pack).metadata.checksum,
        builder.build(
            "-", "-b", pack, stdin=(tmp_path / "app.tar.gz").read_bytes()
        ).metadata.checksum,
    }

    assert len(checksums) == 1


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=directory, capture_output=True, check=True, text=True
    ).stdout.strip()


def test_git_sources_and_buildpacks_are_pinned(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile='echo "$SOURCE_VERSION" > version')
    for repository in (app, pack):
        git(repository, "init", "-q", "-b", "main")
        git(repository, "add", ".")
        git(repository, "commit", "-q", "-m", "one")
        git(repository, "tag", "v1")
    commit = git(app, "rev-parse", "HEAD")
    (app / "later").touch()
    git(app, "add", ".")
    git(app, "commit", "-q", "-m", "two")

    outcome = builder.build(f"file://{app}#v1", "-b", f"file://{pack}#main")

    assert outcome.metadata.commit == commit
    assert outcome.read("version") == f"{commit}\n"
    assert not {"later", ".git"} & outcome.names()
    assert outcome.metadata.buildpacks[0].version == git(pack, "rev-parse", "HEAD")


def test_a_ref_that_does_not_exist_is_named(builder: Builder, app: Path) -> None:
    git(app, "init", "-q")

    outcome = builder.build(f"file://{app}#v9")

    assert outcome.code == 66
    assert f"Error: There is no 'v9' in file://{app}" in outcome.stderr


def test_two_builds_of_one_app_wait_for_each_other(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile='mkdir "$2/alone"; sleep 1; rmdir "$2/alone"')
    builder.build(app, "-b", make_buildpack(tmp_path / "quick"))
    argv = builder.argv(app, "-b", pack, slug=tmp_path / "first.slug")
    first = subprocess.Popen(argv, env=builder.env, stderr=subprocess.PIPE, text=True)
    time.sleep(0.6)

    second = builder.build(app, "-b", pack)
    _, log = first.communicate(timeout=60)

    assert (first.returncode, second.code) == (0, 0), log + second.stderr
    assert f"Another build of this app is running (process {first.pid})" in second.stderr


def test_ctrl_c_stops_everything_and_leaves_nothing(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    marker = f"4242.{os.getpid()}"
    pack = make_buildpack(tmp_path / "pack", compile=f"echo started; setsid sleep {marker}")
    slug = tmp_path / "never.slug"
    process = subprocess.Popen(
        builder.argv(app, "-b", pack, slug=slug), env=builder.env, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "started" not in (line := process.stderr.readline()):
        assert line

    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()

    assert process.wait(timeout=PATIENCE) == 130
    assert rest.endswith("\nStopped. Nothing was written.\n")
    assert not slug.exists()
    assert not (builder.spaces()[0] / "work" / "env").exists()
    until(lambda: subprocess.run(["pgrep", "-f", marker], check=False).returncode == 1)
    process.stderr.close()


def test_the_none_sandbox_says_so_and_still_drops_roots_rights(
    open_dir: Path, app: Path, tmp_path: Path
) -> None:
    builder = Builder(home=open_dir / "data")
    pack = make_buildpack(tmp_path / "pack", compile='id -u > "$1/uid"')

    outcome = builder.build(app, "-b", pack, "--sandbox", "none")

    assert outcome.stderr.startswith(
        "-----> Building app (sandbox: none, network: the host's, stack: "
    )
    assert outcome.read("uid").strip() != "0"
