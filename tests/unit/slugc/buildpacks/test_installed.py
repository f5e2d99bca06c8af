"""The list of installed buildpacks: its order, its names, and a list that is broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from slugc.buildpacks.command import add, listing, remove, trial
from slugc.buildpacks.errors import BuildpackGoneError
from slugc.buildpacks.fetch import fetch_buildpack
from slugc.buildpacks.installed import (
    BuildpackNameError,
    InstalledFileError,
    default_name,
    read_installed,
)
from slugc.buildpacks.places import installed_specs
from slugc.buildpacks.spec import BuildpackKind, BuildpackSpec, own_root
from slugc.privileges import data_dir
from tests.unit.slugc.buildpacks.test_fetch import make


def names(home: Path) -> list[str]:
    return [one.name for one in read_installed(home)]


@pytest.fixture
def env(open_dir: Path) -> dict[str, str]:
    return {"SLUGKIT_HOME": os.fspath(open_dir / "data"), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def home(env: dict[str, str]) -> Path:
    return data_dir(env)


def test_nothing_is_installed_at_first(env: dict[str, str], home: Path) -> None:
    assert read_installed(home) == ()
    assert [one["name"] for one in json.loads(listing(env, as_json=True))] == ["slugkit/python"]
    assert "slugkit/python" in listing(env, as_json=False)


def test_our_own_is_not_installed_as_a_copy(env: dict[str, str], tmp_path: Path) -> None:
    for words in ("slugkit/python", str(own_root())):
        with pytest.raises(BuildpackNameError) as caught:
            add(words, name="mine", position=1, env=env, cwd=tmp_path)
        assert caught.value.text() == (
            "'slugkit/python' is our own, and always there\n\n"
            "It is asked last. To have it alone: -b slugkit/python"
        )


def test_they_are_asked_in_the_order_of_the_list(
    env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        make(tmp_path / name, f"#!/bin/sh\n# {name}\n")
        add(name, name=None, position=1 if name == "three" else None, env=env, cwd=tmp_path)

    assert names(home) == ["three", "one", "two"]
    assert [line.split()[:2] for line in listing(env, as_json=False).splitlines()] == [
        ["1", "three"],
        ["2", "one"],
        ["3", "two"],
        ["4", "slugkit/python"],
    ]


def test_adding_one_again_brings_it_up_to_date_where_it_stands(
    env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        add(str(make(tmp_path / name)), name=f"me/{name}", position=None, env=env, cwd=tmp_path)
    before = read_installed(home)
    (tmp_path / "one/bin/compile").write_text("#!/bin/sh\nexit 0\n")

    add("one", name="me/one", position=None, env=env, cwd=tmp_path)

    assert names(home) == ["me/one", "me/two"]
    assert read_installed(home)[0].digest != before[0].digest


def test_one_that_is_removed_leaves_no_copy_unless_another_name_has_it(
    env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    make(tmp_path / "one")
    for name in ("a", "b"):
        add("one", name=name, position=None, env=env, cwd=tmp_path)
    kept = home / "installed-buildpacks" / installed_specs(home)[0].location

    remove("a", env=env)
    assert kept.is_dir()
    remove("b", env=env)
    assert not kept.exists()


def test_one_whose_copy_is_gone(env: dict[str, str], home: Path, tmp_path: Path) -> None:
    make(tmp_path / "one")
    add("one", name=None, position=None, env=env, cwd=tmp_path)
    (spec,) = installed_specs(home)
    os.rename(home / "installed-buildpacks" / spec.location, tmp_path / "gone")  # noqa: PTH104

    with pytest.raises(BuildpackGoneError) as caught:
        fetch_buildpack(
            spec, store=home / "buildpacks", scratch=tmp_path / "scratch", env={}, path="/usr/bin"
        )

    assert caught.value.exit_code == 66
    assert caught.value.text() == (
        "The installed buildpack one is no longer there\n\n"
        "Its copy in the data directory was deleted.\n\n"
        "Install it again: slugc buildpacks add one --name one"
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("slugkit/python", "is our own buildpack's name"),
        ("../x", "is no name for a buildpack"),
        ("a/b/c", "is no name for a buildpack"),
        ("-x", "is no name for a buildpack"),
        ("x" * 64, "is no name for a buildpack"),
    ],
)
def test_names_nobody_can_have(
    env: dict[str, str], home: Path, tmp_path: Path, name: str, found: str
) -> None:
    make(tmp_path / "one")

    with pytest.raises(BuildpackNameError, match=found) as caught:
        add("one", name=name, position=None, env=env, cwd=tmp_path)

    assert caught.value.exit_code == 64
    assert names(home) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nobody", "'nobody' is not installed\n\nInstalled are: none"),
        ("slugkit/python", "'slugkit/python' is our own, and always there\n\nInstalled are: none"),
    ],
)
def test_what_cannot_be_removed(env: dict[str, str], name: str, text: str) -> None:
    with pytest.raises(BuildpackNameError) as caught:
        remove(name, env=env)

    assert caught.value.text() == text


@pytest.mark.parametrize("content", ["{", "[]", '{"buildpacks": [{"name": "x"}]}', "[" * 90_000])
def test_a_broken_list_is_named(env: dict[str, str], home: Path, content: str) -> None:
    (home / "installed-buildpacks").mkdir(parents=True)
    (home / "installed-buildpacks" / "list.json").write_text(content)

    with pytest.raises(InstalledFileError, match="cannot be read") as caught:
        listing(env, as_json=False)

    assert str(caught.value.path) in caught.value.text()


@pytest.mark.parametrize(
    ("kind", "location", "name"),
    [
        (BuildpackKind.GIT, "https://host/owner/heroku-buildpack-go.git#v1", "owner/go"),
        (BuildpackKind.GIT, "git@host:owner/pack.git", "owner/pack"),
        (BuildpackKind.GIT, "file:///srv/packs/tiny#v2", "tiny"),
        (BuildpackKind.TARBALL, "https://host/pack-1.0.tar.gz?token=x", "pack-1.0"),
        (BuildpackKind.DIRECTORY, "/home/me/buildpack-mine", "mine"),
    ],
)
def test_a_name_from_where_it_is(kind: BuildpackKind, location: str, name: str) -> None:
    assert default_name(BuildpackSpec(kind=kind, location=location)) == name


def test_a_trial_without_an_app_tells_what_is_there(env: dict[str, str], tmp_path: Path) -> None:
    make(tmp_path / "one")

    lines = trial("one", None, {"quiet": True}, env=env, cwd=tmp_path).splitlines()

    assert lines[:4] == [
        "bin/detect        /bin/sh",
        "bin/compile       /bin/sh",
        "bin/release       not there (it need not be)",
        "bin/report        not there (it need not be)",
    ]
    assert lines[4].startswith("digest            sha256:")
