"""The program an image starts: process types, defaults and words reach the app as in slug-run."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from runner.launch import LAUNCH_SCRIPT
from slugc.procfile import ProcessType
from slugc.transfer.start_layer import TEMPLATE, app_directories, start_script, start_tar
from tests.unit.slugc.transfer.made import make_slug
from tests.unit.slugc.trees import FACTS


def run(
    directory: Path,
    *words: str,
    types: Mapping[str, str] | None = None,
    config_vars: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the script as it is, but for where the app lies."""
    app = directory / "app"
    (app / ".profile.d").mkdir(parents=True, exist_ok=True)
    (app / ".profile.d/a.sh").write_text("export FROM_PROFILE=yes\n")
    commands = types if types is not None else {"web": 'echo "web on $PORT"', "worker": "echo w"}
    facts = replace(
        FACTS,
        process_types={ProcessType(name): line for name, line in commands.items()},
        config_vars=config_vars or {},
    )
    script = start_script(facts).replace("=/app\n", f"={app}\n").replace("cd /app ", f"cd {app} ")
    return subprocess.run(
        ("sh", "-c", script, "slug-start", *words),
        env={"PATH": "/usr/bin:/bin", **(env or {})},
        capture_output=True,
        check=False,
        text=True,
        timeout=10,
    )


def test_the_start_is_slug_runs_own() -> None:
    """The same script, quoted for sh, but for its name and words that follow the command."""
    quoted = LAUNCH_SCRIPT.replace("'", "'\\''").replace("slug-run:", "slug-start:")
    expected = quoted.replace(
        'exec bash -c "$__slugkit_command"\n', 'exec bash -c "$__slugkit_command" bash "$@"\n'
    )
    assert expected != quoted
    assert expected in TEMPLATE.read_text()


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("web",), "web on 5000"),
        (("worker",), "w"),
        (("worker", "a  b", "$HOME"), "w a  b $HOME"),
        (("echo $FROM_PROFILE $DYNO",), "yes run.1"),
        (("echo", "it's", "a  b", "*"), "it's a  b *"),
        (("echo ${PORT-none}",), "none"),
    ],
)
def test_words_mean_what_they_mean_to_slug_run(
    tmp_path: Path, words: tuple[str, ...], output: str
) -> None:
    assert run(tmp_path, *words).stdout == f"{output}\n"


def test_a_port_that_is_given_counts(tmp_path: Path) -> None:
    assert run(tmp_path, "web", env={"PORT": "8123"}).stdout == "web on 8123\n"


def test_nothing_to_run_is_told(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (
        64,
        "slug-start: say what to run: a process type (web, worker) or a command\n",
    )
    assert "(it has none)" in run(tmp_path, types={}).stderr


def test_defaults_count_where_nothing_is_given(tmp_path: Path) -> None:
    config = {"A": "it's $HOME", "B": "two\nlines", "NO-NAME; exit 3": "x"}
    done = run(tmp_path, 'echo "$A|$B|$C"', config_vars=config, env={"C": "given"})
    assert done.stdout == "it's $HOME|two\nlines|given\n"
    assert run(tmp_path, "echo $A", config_vars=config, env={"A": ""}).stdout == "\n"


def test_commands_are_kept_to_the_letter(tmp_path: Path) -> None:
    hostile = "echo '#CASES#' \"$(echo $((1+1)))\" `echo b` # it's ;;"
    assert run(tmp_path, "web", types={"web": hostile}).stdout == "#CASES# 2 b\n"


def test_a_profile_script_that_ends_the_start_is_named(tmp_path: Path) -> None:
    (tmp_path / "app/.profile.d").mkdir(parents=True)
    (tmp_path / "app/.profile.d/b.sh").write_text("exit 7\n")
    done = run(tmp_path, "web")
    assert done.returncode == 7
    assert done.stderr == (
        f"slug-start: {tmp_path}/app/.profile.d/b.sh ended the start with status 7\n"
    )


def test_the_app_owns_its_directories_and_root_what_starts_it(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, files={"app.py": "x", "a/b/" + "long" * 30 + "/c.txt": "y"})
    content = start_tar("#!/bin/sh\n", app_directories(slug))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {member.name: member for member in tar}
    deep = "./app/a/b/" + "long" * 30
    assert set(members) == {"./app", "./app/a", "./app/a/b", deep, "./usr/local/bin/slug-start"}
    start = members.pop("./usr/local/bin/slug-start")
    assert (start.uid, start.gid, start.mode) == (0, 0, 0o755)
    assert {(each.uid, each.gid, each.mode) for each in members.values()} == {(1000, 1000, 0o755)}
    assert all(each.isdir() for each in members.values())
