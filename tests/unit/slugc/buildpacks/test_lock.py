"""A lock says what a source is built with; anything else is refused, with both sides named."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.values import changed
from slugc.buildpacks.choice import Choice
from slugc.buildpacks.fetch import Buildpack
from slugc.buildpacks.lock import (
    BuildpackLockedError,
    BuildpackLockInvalidError,
    Pin,
    lock_text,
    pin_of,
    read_lock,
    require_locked,
    restricted,
)
from slugc.buildpacks.places import LOCK_FILE
from slugc.buildpacks.spec import OWN, BuildpackKind, BuildpackSpec

ONE = Pin(source="https://host/one#v1", version="a" * 40, digest="sha256:" + "1" * 64)
TWO = Pin(source='odd "name" \\x80', version="", digest="sha256:" + "2" * 64)
GIT = BuildpackSpec(kind=BuildpackKind.GIT, location="https://host/one#v1")


def buildpack(pin: Pin) -> Buildpack:
    return Buildpack(root=Path("/kept"), source=pin.source, version=pin.version, digest=pin.digest)


def test_a_lock_reads_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text(lock_text((ONE, TWO)))

    assert read_lock(tmp_path) == (ONE, TWO)


def test_a_source_without_a_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    assert restricted(Choice(origin="", specs=(OWN,)), None).specs == (OWN,)
    require_locked((buildpack(ONE),), None)


def test_the_same_buildpacks_give_the_same_file_and_no_time_is_in_it() -> None:
    assert lock_text((ONE,)) == (
        "# The buildpacks this app is built with; a build uses these or none.\n"
        "# Written by: slugc buildpacks lock --update\n"
        "version = 1\n\n"
        "[[buildpack]]\n"
        'source = "https://host/one#v1"\n'
        f'version = "{"a" * 40}"\n'
        f'digest = "sha256:{"1" * 64}"\n'
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("version = ", "Invalid value"),
        ("version = 2\nbuildpack = []", "'version' is not 1, the only one this slugc knows"),
        ("version = 1", "'buildpack' is not a list"),
        ("version = 1\n[[buildpack]]\nsource = 3", "'buildpack[0].source' is not a text"),
        (
            'version = 1\n[[buildpack]]\nsource = "x"\nversion = ""\ndigest = "1"',
            "'buildpack[0].digest' is not a sha256 digest",
        ),
    ],
)
def test_a_lock_that_is_none(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)

    with pytest.raises(BuildpackLockInvalidError) as caught:
        read_lock(tmp_path)

    assert what in caught.value.details
    assert caught.value.exit_code == 65


def test_another_list_is_refused_before_anything_is_fetched() -> None:
    choice = Choice(origin=".buildpacks", specs=(GIT, OWN))

    with pytest.raises(BuildpackLockedError) as caught:
        restricted(choice, (ONE,))

    assert caught.value.text() == (
        "The buildpacks are not those of buildpacks.lock\n\n"
        f"Expected: https://host/one#v1 at {'a' * 40} (sha256:{'1' * 64})\n"
        "Found:    https://host/one#v1\n"
        "          slugkit/python\n\n"
        "If that is as it should be, lock what is there now:\n\n"
        "    slugc buildpacks lock --update\n\n"
        "If not, name those that were locked, in that order: -b SPEC"
    )


def test_another_order_is_another_list() -> None:
    own = Pin(source="slugkit/python", digest="sha256:" + "3" * 64)

    with pytest.raises(BuildpackLockedError):
        restricted(Choice(origin="-b", specs=(GIT, OWN)), (own, ONE))


def test_of_the_installed_only_the_locked_one_is_asked() -> None:
    installed = BuildpackSpec(
        kind=BuildpackKind.INSTALLED, location="1" * 64, name="one", origin=ONE.source
    )
    other = BuildpackSpec(
        kind=BuildpackKind.INSTALLED, location="4" * 64, name="other", origin="elsewhere"
    )
    choice = Choice(origin="", specs=(other, installed, OWN), is_loop=True)

    found = restricted(choice, (ONE,))

    assert (found.specs, found.is_loop) == ((installed,), False)
    with pytest.raises(BuildpackLockedError):
        restricted(Choice(origin="", specs=(other, OWN), is_loop=True), (ONE,))


def test_a_locked_list_of_several_is_not_a_choice_of_one_of_them() -> None:
    installed = changed(GIT, kind=BuildpackKind.INSTALLED, location="1" * 64, origin=ONE.source)
    own = Pin(source="slugkit/python", digest="sha256:" + "3" * 64)

    with pytest.raises(BuildpackLockedError):
        restricted(Choice(origin="", specs=(installed, OWN), is_loop=True), (ONE, own))


@pytest.mark.parametrize(
    "found",
    [
        Pin(source=ONE.source, version="b" * 40, digest=ONE.digest),
        Pin(source=ONE.source, version=ONE.version, digest=TWO.digest),
    ],
    ids=["a moved tag", "changed content"],
)
def test_a_moved_tag_and_changed_content_are_refused(found: Pin) -> None:
    with pytest.raises(BuildpackLockedError) as caught:
        require_locked((buildpack(found),), (ONE,))

    assert caught.value.details == f"Expected: {ONE.shown}\nFound:    {found.shown}"
    assert caught.value.resolution.endswith("name the commit that was locked: -b URL#COMMIT")
    assert caught.value.exit_code == 65


def test_what_is_locked_may_be_used() -> None:
    require_locked((buildpack(ONE),), (pin_of(buildpack(ONE)),))
