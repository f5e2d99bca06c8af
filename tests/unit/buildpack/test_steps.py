"""checks, plan, cache and app: the smaller steps of a build."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from buildpack.app import App, UnreadableFileError
from buildpack.app_digest import path_digest
from buildpack.cache import KEPT, discard_if_written, next_tick, reap
from buildpack.checks import (
    DuplicateBuildpackError,
    ReservedDirectoryError,
    VenvInSourceError,
    check_no_venv,
    check_reserved_directories,
)
from buildpack.environment import write_profile_d
from buildpack.plan import plan_build
from buildpack.settings import BuildSettings
from buildpack.support.output import Output
from buildpack.versions.python_version import read_policy

POLICY = read_policy({}, date(2026, 11, 22))


def hook(root: Path, text: str) -> None:
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin" / "pre_compile").write_text(text)


@pytest.mark.parametrize("name", [".heroku/python", ".heroku/venv"])
def test_a_python_in_the_source_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name / "bin").mkdir(parents=True)
    with pytest.raises(ReservedDirectoryError) as caught:
        check_reserved_directories(App(root=tmp_path))
    assert caught.value.listing == (name, f"{name}/bin")
    assert f"git rm -r --cached {name}" in caught.value.resolution


def test_two_runs_of_the_buildpack_are_told_from_a_python_in_the_source(tmp_path: Path) -> None:
    for name in (".heroku/python", ".heroku/venv", ".profile.d"):
        (tmp_path / name).mkdir(parents=True)
    write_profile_d(tmp_path)
    with pytest.raises(DuplicateBuildpackError) as caught:
        check_reserved_directories(App(root=tmp_path))
    assert caught.value.id == "checks::duplicate-python-buildpack"
    assert caught.value.text() == (
        "The Python buildpack has already built this app\n\n"
        "Found the Python it installs (.heroku/python, .heroku/venv)\n"
        "and the .profile.d/python.sh that it writes.\n\n"
        "If your app has a list of buildpacks, keep the Python buildpack in it\n"
        "once. If this directory is what an earlier build left, build from the app's\n"
        "source instead, or first run:\n\n    rm -r .heroku/python .heroku/venv"
    )
    (tmp_path / ".profile.d" / "python.sh").write_text("export PATH=/mine\n")
    with pytest.raises(ReservedDirectoryError):
        check_reserved_directories(App(root=tmp_path))


def test_a_dangling_link_where_python_goes_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / ".heroku").mkdir()
    (tmp_path / ".heroku" / "python").symlink_to("/app/.heroku/python")
    with pytest.raises(ReservedDirectoryError) as caught:
        check_reserved_directories(App(root=tmp_path))
    assert caught.value.listing == (".heroku/python",)


def test_any_virtual_environment_in_the_root_is_refused(tmp_path: Path) -> None:
    for name in (".venv", "my-env"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").touch()
    with pytest.raises(VenvInSourceError) as caught:
        check_no_venv(App(root=tmp_path))
    assert caught.value.names == (".venv", "my-env")
    assert caught.value.text() == (
        "Your app has a virtual environment in it\n\n"
        "Found a pyvenv.cfg in:\n\n  .venv/\n  my-env/\n\n"
        "A virtual environment works only on the computer it was made on.\n\n"
        "Remove it from git, and add it to .gitignore:\n\n"
        "    git rm -r --cached .venv my-env\n    echo '.venv/' >> .gitignore\n"
        "    echo 'my-env/' >> .gitignore"
    )


def test_a_named_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "requirements.txt")
    with pytest.raises(UnreadableFileError) as caught:
        App(root=tmp_path).read_bytes("requirements.txt")
    assert caught.value.text() == (
        "Cannot read 'requirements.txt' in your app\n\n"
        "It is needed for the build, but it is a named pipe.\n\n"
        "Make it a regular file that everyone may read (chmod 644),\nthen build again."
    )


def test_a_link_in_a_circle_and_a_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dir").mkdir()
    for name in ("loop", "dir"):
        with pytest.raises(UnreadableFileError):
            App(root=tmp_path).read_bytes(name)


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"flask\n# caf\xe9\n")
    with pytest.raises(UnreadableFileError) as caught:
        App(root=tmp_path).read_text("requirements.txt")
    assert caught.value.reason == "line 2 is not UTF-8 text"


def test_a_linked_requirements_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("flask\n")
    (tmp_path / "requirements.txt").symlink_to("real.txt")
    assert App(root=tmp_path).read_text("requirements.txt") == "flask\n"


def test_the_plan_is_every_decision_as_data(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask==3.1.3\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("rich\n")
    (tmp_path / ".python-version").write_text("3.12\n")
    hook(tmp_path, "#!/bin/sh\n")
    assert plan_build(App(root=tmp_path), BuildSettings(), {}, POLICY).as_json() == {
        "choices": {"requirements_files": "requirements.txt"},
        "dependencies": ["flask==3.1.3", "rich"],
        "files": ["more.txt", "requirements.txt"],
        "hooks": ["pre_compile"],
        "installed_paths": [],
        "installer_options": [],
        "package_manager": "pip",
        "package_manager_file": "requirements.txt",
        "python_version": "3.12",
        "python_version_allowed": ["3.12"],
        "python_version_origin": ".python-version",
        "python_version_sources": [".python-version:1: 3.12"],
        "requires_python": [],
    }


def test_checks_come_in_the_order_a_person_would_fix_things(tmp_path: Path) -> None:
    (tmp_path / ".heroku" / "python").mkdir(parents=True)
    (tmp_path / ".python-version").write_text("nonsense")
    with pytest.raises(ReservedDirectoryError):
        plan_build(App(root=tmp_path), BuildSettings(), {}, POLICY)


def shared_file(tmp_path: Path) -> tuple[Path, Path]:
    cached = tmp_path / "cache" / "venvs" / "key" / "x.py"
    cached.parent.mkdir(parents=True)
    cached.write_text("x")
    os.utime(cached, (1, 1))
    linked = tmp_path / "x.py"
    linked.hardlink_to(cached)
    return cached, linked


def test_a_cache_that_a_hook_wrote_into_is_thrown_away(tmp_path: Path) -> None:
    cached, linked = shared_file(tmp_path)
    linked.write_text("patched in place")
    discard_if_written(tmp_path / "cache", [cached.parent], 10**9, Output())
    assert not cached.exists()


def test_a_hook_that_replaces_a_file_leaves_the_cache_alone(tmp_path: Path) -> None:
    cached, linked = shared_file(tmp_path)
    linked.unlink()
    linked.write_text("patched properly")
    discard_if_written(tmp_path / "cache", [cached.parent], 10**10, Output())
    assert cached.read_text() == "x"


def test_a_tick_tells_what_was_written_before_it_from_what_comes_after(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"before-{number}").touch()
        tick = next_tick(tmp_path)
        (tmp_path / f"after-{number}").touch()
        assert (tmp_path / f"before-{number}").stat().st_mtime_ns < tick
        assert (tmp_path / f"after-{number}").stat().st_mtime_ns >= tick


def test_reaping_keeps_what_was_used_last(tmp_path: Path) -> None:
    venvs = tmp_path / "venvs"
    names = [f"{number:016x}" for number in range(5)]
    for number, name in enumerate(names):
        (venvs / name).mkdir(parents=True)
        os.utime(venvs / name, (number, number))
    reap(tmp_path)
    assert sorted(p.name for p in venvs.iterdir()) == names[2:]
    assert KEPT["venvs"] == 3


def test_reaping_leaves_what_another_buildpack_keeps_under_the_same_name(tmp_path: Path) -> None:
    static = tmp_path / "static"
    theirs = [f"{name}.css" for name in "abcdefgh"]
    for number, name in enumerate((*theirs, *(f"{number:016x}" for number in range(5)))):
        (static / name).mkdir(parents=True)
        os.utime(static / name, (number, number))
    reap(tmp_path)
    assert sorted(p.name for p in static.iterdir()) == [*(f"{n:016x}" for n in (2, 3, 4)), *theirs]


def test_links_that_lead_nowhere_or_round_in_a_circle_are_reaped(tmp_path: Path) -> None:
    runtimes = tmp_path / "runtimes"
    runtimes.mkdir()
    for number, target in enumerate(("nowhere", f"{1:016x}")):
        (runtimes / f"{number:016x}").symlink_to(target)
        os.utime(runtimes / f"{number:016x}", (number, number), follow_symlinks=False)
    for number in range(2, 5):
        (runtimes / f"{number:016x}").mkdir()
    reap(tmp_path)
    assert [path.name[-1] for path in sorted(runtimes.iterdir())] == ["2", "3", "4"]


def test_path_digest_sees_modes_links_and_names_but_not_where_it_is(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text("1")
    assert path_digest(tmp_path / "a", ".") == path_digest(tmp_path / "b", ".")
    (tmp_path / "b" / "x.py").chmod(0o755)
    assert path_digest(tmp_path / "a", ".") != path_digest(tmp_path / "b", ".")
