"""What Caddy is told. That it obeys is shown in tests/integration/test_slug_run.py."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runner.caddy_config import caddy_config, caddy_handler
from runner.engines.base import Address
from runner.router import (
    DIR_PREFIX,
    RouterError,
    caddy_argv,
    make_locked_dir,
    sweep_dead,
)
from slugc.privileges import hand_over

LISTEN = Address(host="127.0.0.1", port=5000)
ONE = Address(host="10.0.2.1", port=5000)
SIX = Address(host="2001:db8::1", port=5000)


def test_caddy_config_keeps_nothing_and_opens_nothing_else() -> None:
    config = caddy_config(listen=LISTEN, upstreams=[ONE], admin_socket=Path("/run/x/admin.sock"))
    assert config["admin"] == {"listen": "unix//run/x/admin.sock", "config": {"persist": False}}
    server = json.loads(json.dumps(config))["apps"]["http"]["servers"]["web"]
    assert server["listen"] == ["127.0.0.1:5000"]
    assert server["automatic_https"] == {"disable": True}
    assert server["protocols"] == ["h1"]
    assert server["routes"][0]["handle"][-1] == caddy_handler([ONE])


def test_caddy_handler_names_every_server() -> None:
    handler = caddy_handler([ONE, SIX])
    assert handler["@id"] == "web"
    assert handler["handler"] == "reverse_proxy"
    assert handler["upstreams"] == [{"dial": "10.0.2.1:5000"}, {"dial": "[2001:db8::1]:5000"}]


def test_caddy_handler_refuses_at_once_while_there_is_no_server() -> None:
    handler = caddy_handler([])
    assert handler == {
        "@id": "web",
        "handler": "error",
        "error": "no web container",
        "status_code": 503,
    }


def test_caddy_runs_as_nobody_special_and_dies_with_us() -> None:
    argv = caddy_argv("/usr/bin/caddy", Path("/r/caddy.json"), port=5000, is_root=False)
    assert argv == (
        *("setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--"),
        *("/usr/bin/caddy", "run", "--config", "/r/caddy.json"),
    )


def test_caddy_gets_a_capability_only_for_a_low_port() -> None:
    high = caddy_argv("caddy", Path("c"), port=5000, is_root=True)
    low = caddy_argv("caddy", Path("c"), port=80, is_root=True)
    assert "+net_bind_service" not in high
    assert "+net_bind_service" in low


def test_router_error_words() -> None:
    assert RouterError("exit 1").text() == (
        "The load balancer (Caddy) does not work\n\n"
        "exit 1\n\n"
        "Without one, start a single web container and no --port:\n\n    slug-run web"
    )


def test_what_a_killed_slug_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    alive, lock = make_locked_dir(tmp_path)
    dead, theirs = tmp_path / f"{DIR_PREFIX}dead", tmp_path / f"{DIR_PREFIX}theirs"
    other = tmp_path / "slugkit-of-mine"
    for path in (dead, other, theirs):
        path.mkdir()
    hand_over(theirs)
    link = tmp_path / f"{DIR_PREFIX}link"
    link.symlink_to(other)
    sweep_dead(tmp_path)
    kept = [alive, other, link, *([theirs] if os.getuid() == 0 else [])]
    assert sorted(tmp_path.iterdir()) == sorted(kept)

    os.close(lock)
    sweep_dead(tmp_path)
    assert not alive.exists()


def test_two_sweeps_at_once_do_not_mind_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / f"{DIR_PREFIX}gone"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    sweep_dead(tmp_path)
    assert not gone.exists()
