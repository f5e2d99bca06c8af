"""A build cache is handed on to the buildpacks that left it, whole, and to no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.errors import SlugkitError
from buildpack.support.values import changed
from slugc.build_space import BuildSpace
from slugc.buildpacks.errors import (
    NotDetectedError,
    PhaseFailedError,
    PhaseTimeoutError,
    ReleaseOutputError,
)
from slugc.buildpacks.spec import OWN, BuildpackKind, BuildpackSpec
from slugc.cache_claim import claimed_cache
from slugc.stack import Stack

STACK = Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64")
ONE = BuildpackSpec(kind=BuildpackKind.GIT, location="https://host/one#v1")
NEXT = BuildpackSpec(kind=BuildpackKind.GIT, location="https://host/one#v2")


@pytest.fixture
def space(tmp_path: Path) -> BuildSpace:
    made = BuildSpace(root=tmp_path)
    made.cache_dir.mkdir(parents=True)
    return made


def build(
    space: BuildSpace,
    *specs: BuildpackSpec,
    stack: Stack = STACK,
    ends: BaseException | None = None,
) -> str:
    """What was said about the cache; the build leaves a file in it."""
    said: list[str] = []
    with claimed_cache(space, stack, specs, tell=said.append):
        (space.cache_dir / "kept").touch()
        if ends is not None:
            raise ends
    return "".join(said)


def holds_what_was_left(space: BuildSpace) -> bool:
    return (space.cache_dir / "kept").exists()


def peek(space: BuildSpace, *specs: BuildpackSpec, stack: Stack = STACK) -> tuple[str, bool]:
    said: list[str] = []
    with claimed_cache(space, stack, specs, tell=said.append):
        return "".join(said), holds_what_was_left(space)


def test_the_same_buildpacks_find_their_cache(space: BuildSpace) -> None:
    assert build(space, ONE, OWN) == ""
    assert peek(space, ONE, OWN) == ("", True)


@pytest.mark.parametrize("specs", [(NEXT,), (OWN,), (OWN, ONE), (ONE, OWN)])
def test_other_buildpacks_do_not(space: BuildSpace, specs: tuple[BuildpackSpec, ...]) -> None:
    build(space, ONE)
    space.previous_dir.mkdir()

    assert peek(space, *specs) == ("The build cache is of other buildpacks: it is not used.", False)
    assert not space.previous_dir.exists()


@pytest.mark.parametrize("stack", [changed(STACK, id="heroku-24"), changed(STACK, arch="aarch64")])
def test_another_stack_does_not(space: BuildSpace, stack: Stack) -> None:
    build(space, ONE)

    assert peek(space, ONE, stack=stack) == (
        "The build cache is of another stack: it is not used.",
        False,
    )


def test_what_a_killed_build_left_is_not_used(space: BuildSpace) -> None:
    with pytest.raises(PhaseTimeoutError):
        build(space, ONE, ends=PhaseTimeoutError("compile", "one", 1))

    assert peek(space, ONE) == (
        "The last build was stopped midway: its build cache is not used.",
        False,
    )


@pytest.mark.parametrize(
    "ends",
    [
        PhaseFailedError("compile", "one", 3, ()),
        PhaseFailedError("release", "one", 137, ()),
        PhaseTimeoutError("detect", "one", 1),
        NotDetectedError("one", ()),
        ReleaseOutputError("one", ("it is not a mapping",)),
    ],
)
def test_what_a_failed_build_left_is_used(space: BuildSpace, ends: SlugkitError) -> None:
    """No program that may write to the cache was stopped midway."""
    with pytest.raises(type(ends)):
        build(space, ONE, ends=ends)

    assert peek(space, ONE) == ("", True)


def test_our_own_buildpack_survives_being_killed(space: BuildSpace) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(space, OWN, ends=KeyboardInterrupt())

    assert peek(space, OWN) == ("", True)


def test_a_cache_of_an_older_slugc_is_taken_over(space: BuildSpace) -> None:
    (space.cache_dir / "kept").touch()

    assert peek(space, ONE) == ("", True)
