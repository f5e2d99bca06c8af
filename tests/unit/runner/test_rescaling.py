"""What a program is told that cannot have the formation it asks for."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner import rescaling
from runner.carrying import FormationPlan
from runner.front import LOOPBACK, FrontKind, FrontPlan
from runner.policy import Outcome
from runner.requests import DEFAULTS, start_request
from runner.rescaling import NothingBeforeWebError, Wishes, rescaled
from runner.running import FormationEndedError, NotUpError
from tests.unit.runner.samples import a_release, a_spec


@pytest.mark.parametrize(
    ("has_web", "found"),
    [(True, "with one web container, which has the port itself"), (False, "without web")],
)
def test_web_without_anybody_before_it_words(has_web: bool, found: str) -> None:
    assert NothingBeforeWebError(has_web=has_web).text() == (
        "Nothing stands before the web containers that could share requests out\n\n"
        f"The formation was started {found}.\n\n"
        "With a port, or with two web containers, Caddy stands before them (apt install caddy):"
        "\n\n    runner.start(slug, port=5000)"
    )


def test_what_is_not_up_words() -> None:
    error = NotUpError(["web.2", "web.3"], ["web.2: no such table"])
    assert error.text() == (
        "Not all that was asked for is up: web.2, web.3\n\n"
        "web.2: no such table\n\n"
        "They are tried again all the same. To do without, scale to fewer."
    )


def test_a_formation_that_was_up_is_not_said_to_have_ended_before() -> None:
    assert FormationEndedError(Outcome(exit_code=143), ()).brief.endswith("before it was up")
    ended = FormationEndedError(Outcome(exit_code=143), (), was_up=True)
    assert ended.brief == "The formation was stopped"


def test_of_several_wishes_the_last_is_taken() -> None:
    wishes = Wishes()
    with selectors.DefaultSelector() as selector:
        selector.register(wishes, selectors.EVENT_READ)
        assert not selector.select(0)
        wishes.say([a_spec("web.1")])
        wishes.say([a_spec("web.1"), a_spec("web.2")])
        assert selector.select(0)
        assert [spec.name for spec in wishes.take()] == ["web.1", "web.2"]
        assert not selector.select(0)
    wishes.close()


def test_no_new_container_gets_the_port_of_one_that_listens_again_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On the host all share its ports, and who has crashed has only given its back for a moment."""

    def all_are_free(count: int, *, first: int) -> Sequence[int]:
        return range(first, first + count)

    monkeypatch.setattr(rescaling, "choose_ports", all_are_free)
    request = start_request({**DEFAULTS, "engine": "host", "overcommit": True}, {}, tmp_path)
    now = (a_spec("web.1", port=5001), a_spec("web.2", port=5002))
    front = FrontPlan(kind=FrontKind.ROUTER, bind=LOOPBACK, port=5000)
    plan = FormationPlan(release=a_release(), front=front, specs=now, caddy="/usr/bin/caddy")
    specs = rescaled(request, plan, now, {"web": 4})
    assert [spec.port for spec in specs] == [5001, 5002, 5003, 5004]
