"""Who answers on the port."""

from __future__ import annotations

import pytest

from buildpack.support.errors import ExitCode
from runner.front import (
    FrontKind,
    RouterMissingError,
    RouterNeededError,
    formation_lines,
    plan_front,
)


@pytest.mark.parametrize(
    ("web", "port", "bind", "has_caddy", "kind", "url"),
    [
        (1, None, "127.0.0.1", True, FrontKind.PUBLISHED, "http://localhost:5000"),
        (1, None, "127.0.0.1", False, FrontKind.PUBLISHED, "http://localhost:5000"),
        (1, 8080, "127.0.0.1", True, FrontKind.ROUTER, "http://localhost:8080"),
        (1, 8080, "127.0.0.1", False, FrontKind.PUBLISHED, "http://localhost:8080"),
        (2, None, "127.0.0.1", True, FrontKind.ROUTER, "http://localhost:5000"),
        (2, 8080, "127.0.0.1", False, FrontKind.ADDRESSES, None),
        (1, None, "0.0.0.0", True, FrontKind.ROUTER, "http://localhost:5000"),
        (1, None, "192.0.2.7", True, FrontKind.ROUTER, "http://192.0.2.7:5000"),
        (1, None, "2001:db8::1", True, FrontKind.ROUTER, "http://[2001:db8::1]:5000"),
        (0, None, "127.0.0.1", True, FrontKind.NONE, None),
    ],
)
def test_plan_front(
    web: int, port: int | None, bind: str, has_caddy: bool, kind: FrontKind, url: str | None
) -> None:
    plan = plan_front(web=web, port=port, bind=bind, has_caddy=has_caddy)
    assert (plan.kind, plan.url) == (kind, url)


def test_an_address_only_the_router_can_open_is_not_ignored() -> None:
    with pytest.raises(RouterMissingError) as caught:
        plan_front(web=1, port=None, bind="0.0.0.0", has_caddy=False)
    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    assert caught.value.text() == (
        "Answering on 0.0.0.0 needs the load balancer Caddy, which is not installed\n\n"
        "Install it, or leave --bind out:\n\n    apt install caddy"
    )


def test_who_asks_about_requests_has_a_load_balancer() -> None:
    plan = plan_front(web=1, port=None, bind="127.0.0.1", has_caddy=True, is_needed=True)
    assert (plan.kind, plan.url) == (FrontKind.ROUTER, "http://localhost:5000")


def test_options_about_requests_are_not_ignored_without_a_load_balancer() -> None:
    with pytest.raises(RouterNeededError) as caught:
        plan_front(web=2, port=None, bind="127.0.0.1", has_caddy=False, is_needed=True)
    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    assert caught.value.text() == (
        "--router-log and --request-timeout need the load balancer Caddy\n\n"
        "It is not installed.\n\n"
        "Install it, or leave them out:\n\n    apt install caddy"
    )


def test_formation_lines_put_web_beside_its_url() -> None:
    plan = plan_front(web=2, port=None, bind="127.0.0.1", has_caddy=True)
    assert formation_lines(["web.1", "web.2", "worker.1"], plan) == (
        "web.1 web.2 at http://localhost:5000",
        "worker.1",
    )
    none = plan_front(web=0, port=None, bind="127.0.0.1", has_caddy=True)
    assert formation_lines(["worker.1"], none) == ("worker.1",)
