"""app_choice: the app that is meant, and names no app may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.app_choice import (
    AppNameError,
    NoAppError,
    SeveralAppsError,
    determine_app,
    require_app_name,
)
from runner.state.errors import NoSuchAppError
from runner.state.state import State, opened_state


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with opened_state(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("option", "env", "meant"),
    [
        ("shop", {"SLUG_RUN_APP": "polls"}, "shop"),
        (None, {"SLUG_RUN_APP": "shop", "HEROKU_APP": "polls"}, "shop"),
        (None, {"SLUG_RUN_APP": "", "HEROKU_APP": "shop"}, "shop"),
    ],
)
def test_the_option_beats_the_environment(
    option: str | None, env: dict[str, str], meant: str, state: State
) -> None:
    state.create_app("polls")
    state.create_app("shop")
    assert determine_app(state, option, env).name == meant


def test_the_only_app_need_not_be_named(state: State) -> None:
    polls = state.create_app("polls")
    assert determine_app(state, None, {}) == polls


def test_no_app_at_all(state: State) -> None:
    with pytest.raises(NoAppError) as caught:
        determine_app(state, None, {})
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.text() == (
        "There are no apps here yet\n\nMake one, or have its first deploy make it:\n\n"
        "    slug-run apps create polls\n    slug-run deploy polls.slug --app polls --create"
    )


def test_several_apps_are_named(state: State) -> None:
    state.create_app("shop")
    state.create_app("polls")
    with pytest.raises(SeveralAppsError) as caught:
        determine_app(state, None, {})
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.text() == (
        "There are several apps here\n\nApps here: polls, shop.\n\n"
        "Say which one you mean:\n\n    --app polls\n    export SLUG_RUN_APP=polls"
    )


def test_an_app_that_is_not_there_and_who_named_it(state: State) -> None:
    state.create_app("polls")
    with pytest.raises(NoSuchAppError) as caught:
        determine_app(state, "pols", {})
    assert caught.value.text() == (
        "There is no app called 'pols'\n\nDid you mean polls? Apps here: polls.\n\n"
        "Make it: slug-run apps create pols"
    )
    with pytest.raises(NoSuchAppError) as caught:
        determine_app(state, None, {"HEROKU_APP": "x"})
    assert caught.value.details == "HEROKU_APP names it. Apps here: polls."


def test_an_empty_name_is_not_the_only_app(state: State) -> None:
    state.create_app("polls")
    with pytest.raises(NoSuchAppError):
        determine_app(state, "", {})


@pytest.mark.parametrize("name", ["abc", "polls-staging", "a-1", "a" * 30])
def test_names_an_app_may_have(name: str) -> None:
    assert require_app_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "ab", "a" * 31, "1abc", "Polls", "polls-", "-polls", "a_b", "ab\n", "ü", ".."],
)
def test_names_no_app_may_have(name: str) -> None:
    with pytest.raises(AppNameError):
        require_app_name(name)


def test_a_bad_name_is_shown_escaped_with_what_is_allowed() -> None:
    with pytest.raises(AppNameError) as caught:
        require_app_name("a\x1b[0m")
    assert caught.value.text() == (
        "'a\\x1b[0m' is not a name for an app\n\n"
        "It is 3 to 30 lowercase letters, digits and '-', begins with a letter\n"
        "and does not end with '-'.\n\n"
        "For example:\n\n    slug-run apps create polls-staging"
    )
