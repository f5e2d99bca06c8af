"""What slug-run itself says on the person's terminal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner import session
from runner.engine_choice import determine_engine
from tests.unit.runner.samples import a_slug


def test_a_slugs_words_do_not_reach_into_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    session._say("Booting \x1b]0;owned\x07\x1b[2Jpolls\x9b31m")
    assert capsys.readouterr().err == "Booting polls\\x9b31m\n"


@pytest.mark.parametrize(
    ("engine", "given", "ports", "is_told"),
    [
        ("embedded", (), (), True),
        ("embedded", ("SLUG_RUN_HOST_PORTS=5432",), (5432,), False),
        ("docker", (), (), False),
        ("host", (), (), False),
    ],
)
def test_who_starts_containers_is_told_of_services_that_they_do_not_reach(
    engine: str,
    given: tuple[str, ...],
    ports: tuple[int, ...],
    is_told: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "find_slug", lambda named, directory: directory)
    monkeypatch.setattr(session, "read_slug", lambda path: a_slug())
    request: Any = SimpleNamespace(
        app=None,
        slug_file=None,
        cwd=Path(),
        env_files=(),
        assignments=("DB=postgres://localhost/polls", *given),
        engine=determine_engine(engine, {}),
    )
    told: list[str] = []
    assert session.prepare_release(request, told.append).host_ports == ports
    assert [line.partition(".")[0] for line in told] == ["DB names localhost"] * is_told
