"""Where containers and bin/release find an app in a subdirectory, whatever it is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildpack.app_dir import NOTE, PROFILE, read_app_dir, run_in, write_app_dir
from buildpack.release import release_yaml
from buildpack.settings import AppDirError, parse_app_dir

STRANGE = (
    "a b",
    "a'b",
    'a"b',
    "a}b",
    "$(id)",
    "`id`",
    "a\\b",
    "a;id",
    "-rf",
    "~",
    "é",
    "\U0001f40d",
)


def bash(script: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("name", STRANGE)
def test_a_container_imports_from_the_apps_directory(name: str, tmp_path: Path) -> None:
    write_app_dir(tmp_path, parse_app_dir(name))
    script = f'. {PROFILE}; bash -c \'printf "%s" "$PYTHONPATH"\''
    assert bash(script, tmp_path, HOME="/app") == f"/app/{name}"
    assert bash(script, tmp_path, HOME="/app", PYTHONPATH="/mine") == "/mine"
    assert read_app_dir(tmp_path) == name


@pytest.mark.parametrize("name", STRANGE)
def test_a_process_type_is_run_in_the_apps_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert bash(run_in(name, "pwd"), tmp_path) == f"{tmp_path / name}\n"


@pytest.mark.parametrize("name", ["a\nb", "a:b", "a\x1b[0m", "a\u202eb"])
def test_a_name_that_no_pythonpath_holds_is_refused(name: str) -> None:
    with pytest.raises(AppDirError):
        parse_app_dir(name)


def test_a_note_that_the_app_brought_along_does_not_count(tmp_path: Path) -> None:
    (tmp_path / NOTE).parent.mkdir()
    (tmp_path / NOTE).write_text("../../etc\n")
    write_app_dir(tmp_path, "")
    assert read_app_dir(tmp_path) == ""


def test_a_character_of_two_code_units_is_one_in_yaml() -> None:
    assert release_yaml({"web": 'cd "\U0001f40d\x85\\"'}) == (
        '---\ndefault_process_types:\n  web: "cd \\"\U0001f40d\\u0085\\\\\\""\n'
    )
