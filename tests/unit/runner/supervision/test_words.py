"""What is said when an app that is left running cannot do what was asked."""

from __future__ import annotations

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from runner.requests import DEFAULTS
from runner.state.values import WantedCount
from runner.supervision.asking import describe
from runner.supervision.client import NoAnswerYetError, SupervisorSilentError
from runner.supervision.detached import AttachedOnlyError, EngineNotYetError, start_detached
from runner.supervision.errors import (
    NoSuchContainerError,
    NotRunningError,
    NotUpError,
    NotUpNowError,
)
from runner.supervision.telling import tell_event, telling_of_going_on
from slugc.procfile import ProcessType

ATTACHED_ONLY = """\
--slug, --env cannot be used with --detach

What is left running is the app's current release with its config vars.

Instead:

    slug-run deploy FILE
    slug-run config set NAME=VALUE"""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            NotUpError("polls", ["web.1", "web.2"]),
            ExitCode.FAILED,
            "polls is not as wanted: web.1, web.2 did not come up\n\n"
            "They are tried again, with pauses that grow to a minute. See why:\n\n"
            "    slug-run logs --app polls",
        ),
        (
            NotUpError("polls", ["web.1"], last=["a\x1b[2J", "no module named settings"]),
            ExitCode.FAILED,
            "polls is not as wanted: web.1 did not come up\n\n"
            "The last web.1 said:\n    a\\x1b[2J\n    no module named settings\n\n"
            "They are tried again, with pauses that grow to a minute. See why:\n\n"
            "    slug-run logs --app polls",
        ),
        (
            NotUpError("polls", []),
            ExitCode.FAILED,
            "polls is not as wanted: a successor did not come up\n\n"
            "They are tried again, with pauses that grow to a minute. See why:\n\n"
            "    slug-run logs --app polls",
        ),
        (
            NotRunningError("polls"),
            ExitCode.FAILED,
            "polls is not running\n\nStart it:\n\n    slug-run start -d --app polls",
        ),
        (
            NoSuchContainerError("polls", "wrk\x1b[31m", ["web.1"]),
            ExitCode.USAGE,
            "polls has no container called 'wrk\\x1b[31m'\n\nIt has: web.1.",
        ),
        (
            NotUpNowError("polls", "web.1", "crashed"),
            ExitCode.FAILED,
            "web.1 of polls does not run at the moment\n\nIt is crashed.\n\n"
            "See why, or look around in a container of its own:\n\n"
            "    slug-run logs --app polls -d web.1\n    slug-run shell --app polls",
        ),
        (
            SupervisorSilentError("polls", 30.0, ""),
            ExitCode.TRY_AGAIN,
            "The supervisor of polls does not answer\n\n"
            "Nothing was heard from it for 30 seconds.\n\n"
            "What you asked for is remembered, and done as soon as it can be.\n"
            "slug-run logs --app polls -s slug-run shows what it last said.",
        ),
        (
            NoAnswerYetError("polls", 5.0),
            ExitCode.TIME_LIMIT,
            "polls is not as wanted after 5 seconds\n\n"
            "It goes on by itself: slug-run ps --app polls",
        ),
        (
            EngineNotYetError("docker"),
            ExitCode.UNAVAILABLE,
            "The docker engine cannot leave an app running yet\n\n"
            "Use the embedded engine with --detach:\n\n    slug-run start -d --engine embedded",
        ),
    ],
)
def test_what_is_said(error: SlugkitError, code: ExitCode, words: str) -> None:
    assert (error.exit_code, error.text()) == (code, words)


def test_options_of_attached_starts_are_refused_before_anything_is_done() -> None:
    options = {**DEFAULTS, "detach": True, "slug_file": "a.slug", "assignments": ("A=1",)}
    with pytest.raises(AttachedOnlyError) as caught:
        start_detached(options, {})
    assert caught.value.text() == ATTACHED_ONLY
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("engine", ["docker", "host"])
def test_other_engines_are_refused_before_anything_is_done(engine: str) -> None:
    with pytest.raises(EngineNotYetError):
        start_detached({**DEFAULTS, "detach": True, "engine": engine}, {})


def test_what_happens_to_containers_is_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    for event in (
        {"event": "up", "name": "web.1", "seconds": 1.44},
        {"event": "stopping", "name": "web.1"},
        {"event": "stopped", "name": "worker.12", "code": 143},
        {"event": "crashed", "name": "web.2", "code": 3},
        {"event": "failed", "name": "web.2", "text": "Error \x1b[2J R10"},
    ):
        tell_event(event)
    assert capsys.readouterr().err.splitlines() == [
        "  web.1     up       1.4s",
        "  worker.12 stopped  status 143",
        "  web.2     crashed  status 3",
        "  web.2     failed   Error  R10",
    ]


def test_a_formation_in_words() -> None:
    counts = [
        WantedCount(process_type=ProcessType("worker"), quantity=1),
        WantedCount(process_type=ProcessType("web"), quantity=3, size="standard-2x"),
    ]
    formation = {each.process_type: each for each in counts}
    types = dict.fromkeys(formation, "run it")
    assert describe(formation, types) == "web at 3:standard-2x, worker at 1:standard-1x"
    assert describe(formation, {ProcessType("web"): "run it"}) == "web at 3:standard-2x"
    assert describe({}, types) == "nothing"


def test_who_presses_ctrl_c_while_waiting_is_told_that_it_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyboardInterrupt), telling_of_going_on("polls"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "It goes on by itself: slug-run ps --app polls\n"
