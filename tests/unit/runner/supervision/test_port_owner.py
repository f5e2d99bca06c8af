"""Who has the port that somebody else wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.errors import UsageError
from runner.errors import PortInUseError
from runner.state.state import opened_state
from runner.supervision.port_owner import with_owner


@pytest.fixture
def env(tmp_path: Path) -> Mapping[str, str]:
    """A machine on which the app polls is left running at port 5000."""
    with opened_state(tmp_path) as state:
        state.create_app("other")
        state.set_supervision(state.create_app("polls"), {"port": 5000})
    return {"SLUGKIT_HOME": str(tmp_path)}


def test_an_app_of_ours_is_named_with_the_way_to_stop_it(env: Mapping[str, str]) -> None:
    for holder in ("caddy (process 4711)", "slirp4netns (process 4711)"):
        found = with_owner(PortInUseError(5000, holder=holder), env)
        assert found.text() == (
            "Port 5000 is already in use\n\n"
            f"127.0.0.1:5000 is held by {holder} for the app polls.\n\n"
            "Stop that app: slug-run stop --app polls\n"
            "Or choose another port: --port 5001"
        )


@pytest.mark.parametrize(
    "error",
    [
        PortInUseError(5000, holder="gunicorn (process 4711)"),
        PortInUseError(5000),
        PortInUseError(5001, holder="caddy (process 4711)"),
        UsageError("Another mistake", resolution="None"),
    ],
)
def test_others_are_not_taken_for_an_app(error: PortInUseError, env: Mapping[str, str]) -> None:
    assert with_owner(error, env) is error


def test_where_no_app_was_ever_made_nothing_is_made(tmp_path: Path) -> None:
    error = PortInUseError(5000, holder="caddy (process 4711)")
    assert with_owner(error, {"SLUGKIT_HOME": str(tmp_path / "none")}) is error
    assert list(tmp_path.iterdir()) == []


def test_a_state_file_that_cannot_be_read_hides_no_error(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all")
    error = PortInUseError(5000, holder="caddy (process 4711)")
    assert with_owner(error, {"SLUGKIT_HOME": str(tmp_path)}) is error
