"""What Caddy is told of requests. That it obeys is shown in tests/integration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.caddy_config import caddy_config
from runner.engines.base import Address
from runner.router_log.pages import error_routes
from runner.router_log.rules import (
    RequestRules,
    marking,
    nanoseconds,
    noting,
    skipping,
    transport,
    try_duration,
)

LOGGED = RequestRules(log=True, timeout=30.0)


def config(rules: RequestRules) -> str:
    listen = Address(host="127.0.0.1", port=5000)
    return json.dumps(
        caddy_config(listen=listen, upstreams=[], admin_socket=Path("/a"), rules=rules)
    )


def test_without_a_log_nothing_is_noted() -> None:
    found = config(RequestRules())
    assert "http.log.access" not in found
    assert "http.auth.user.id" not in found
    assert json.loads(found)["apps"]["http"]["servers"]["web"].get("logs") is None


def test_with_a_log_requests_are_told_once_and_without_headers() -> None:
    found = json.loads(config(LOGGED))
    logs = found["logging"]["logs"]
    assert logs["default"]["exclude"] == ["http.log.access", "http.log.error"]
    assert logs["requests"]["include"] == ["http.log.access"]
    assert logs["requests"]["encoder"]["fields"].keys() == {"request>headers", "resp_headers"}
    assert found["apps"]["http"]["servers"]["web"]["logs"] == {}


def test_the_error_comes_last_in_what_is_noted_for_it_may_hold_the_separator() -> None:
    (handler,) = noting(LOGGED, client="{http.request.header.Slugkit-For}")
    defaults = handler["defaults"]
    assert isinstance(defaults, list)
    words = defaults[0].split("|")
    assert words[0] == "{http.request.header.Slugkit-For}"
    assert words[-1] == "{http.vars.slug_run_again}{http.error.message}"
    assert len(words) == 7


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("a" * 20, True),
        ("a" * 200, True),
        ("Az09+/=-" * 3, True),
        ("a" * 19, False),
        ("a" * 201, False),
        ("a" * 20 + "|", False),
        ("a" * 20 + "\n", False),
        (f"{'a' * 20},{'b' * 20}", False),
    ],
)
def test_request_ids_are_kept_as_heroku_keeps_them(given: str, is_kept: bool) -> None:
    mappings = marking(5000)[0]["mappings"]
    assert isinstance(mappings, list)
    # Go's $ is the end of the text, as \Z is here.
    pattern = str(mappings[0]["input_regexp"]).replace("$", r"\Z")
    assert bool(re.search(pattern, given)) is is_kept


def test_a_limit_is_told_in_nanoseconds_and_none_is_not_told() -> None:
    assert transport(LOGGED)["response_header_timeout"] == 30_000_000_000
    assert "response_header_timeout" not in transport(RequestRules())
    assert nanoseconds(0.5) == 500_000_000


def test_a_container_is_not_looked_for_longer_than_one_may_take() -> None:
    assert try_duration(RequestRules()) == try_duration(LOGGED) == 5_000_000_000
    assert try_duration(RequestRules(timeout=1.0)) == 1_000_000_000


def test_nothing_is_skipped_where_nothing_is_told() -> None:
    assert skipping(RequestRules(), skip=True) == []
    assert skipping(LOGGED, skip=True) == [{"handler": "vars", "skip_log": True}]


def test_error_pages_say_what_happened_and_name_the_limit() -> None:
    found = json.dumps(error_routes(LOGGED))
    assert "It did not begin to answer within 30 seconds." in found
    assert found.count('"status_code": 503') == 2
    assert "{http.request.header.X-Request-Id}" in found
