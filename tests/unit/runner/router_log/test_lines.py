"""Router lines: what they say, and that nobody can forge one."""

from __future__ import annotations

import pytest

from runner.router_log.codes import Code
from runner.router_log.traffic import Traffic
from runner.router_log.translator import Translator
from tests.unit.runner.router_log.samples import (
    ACCESS,
    UPSTREAM,
    FakeStanding,
    aborting,
    access,
    failed,
)


def told(*lines: str, why: Code = Code.H14) -> str:
    """What is logged for the last of ``lines``."""
    translator = Translator(FakeStanding(why))
    return [translator.line(each) for each in lines][-1]


def code_of(*lines: str, why: Code = Code.H14) -> str:
    found = told(*lines, why=why)
    return found.partition("code=")[2].partition(" ")[0]


def test_a_request_is_told_in_herokus_words() -> None:
    assert told(ACCESS) == (
        'at=info method=GET path="/echo?a=b\\"c" host=127.0.0.1:5000'
        ' request_id=83c9720e-6d71-41df-9f7d-09f284fd8893 fwd="203.0.113.9" dyno=web.1'
        " connect=2ms service=18ms status=200 bytes=13 protocol=http"
    )


def test_one_that_another_container_has_refused_is_told_as_what_became_of_it() -> None:
    refused = "again: dial tcp 10.0.2.4:5000: connect: connection refused"
    assert "at=info method=GET" in told(access(error=refused))
    assert code_of(failed(refused)) == "H21"
    assert code_of(failed("again: EOF")) == "H13"


def test_an_error_is_told_with_its_code_and_its_words() -> None:
    assert told(failed("EOF", proxied="31.2")) == (
        'at=error code=H13 desc="Connection closed without response" method=GET path="/"'
        " host=localhost:5000 request_id=83c9720e-6d71-41df-9f7d-09f284fd8893"
        ' fwd="127.0.0.1" dyno=web.1 connect=0ms service=31ms status=503 bytes=13 protocol=http'
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("net/http: timeout awaiting response headers", "H12"),
        ("EOF", "H13"),
        ("read tcp 127.0.0.1:4->127.0.0.1:5: read: connection reset by peer", "H13"),
        ("http: server closed idle connection", "H13"),
        ('net/http: HTTP/1.x transport connection broken: malformed HTTP status code "x"', "H17"),
        ("dial tcp 127.0.0.1:18803: i/o timeout", "H19"),
        ("dial tcp 127.0.0.1:18809: connect: connection refused", "H21"),
        ("dial tcp 10.0.2.4:5000: connect: no route to host", "H21"),
        ("dial tcp: lookup nowhere: no such host", "H99"),
        ("context canceled", "H27"),
        ("something that was never seen", "H99"),
    ],
)
def test_codes_of_what_caddy_says_of_a_request(error: str, code: str) -> None:
    assert code_of(failed(error)) == code


def test_an_app_cannot_pass_its_own_error_off_as_somebody_elses() -> None:
    broken = "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
    for words in ("context canceled", "timeout awaiting response headers", "EOF"):
        assert code_of(failed(f'{broken} "{words}"')) == "H17"


@pytest.mark.parametrize("why", [Code.H10, Code.H14, Code.H20])
@pytest.mark.parametrize("error", ["no web container", "no upstreams available"])
def test_why_nobody_answers_is_known_from_the_containers(error: str, why: Code) -> None:
    assert code_of(failed(error, upstream=""), why=why) == why.name


def test_what_fails_between_two_caddys_is_no_fault_of_the_app() -> None:
    error = "dial unix /run/in.sock: connect: connection refused"
    assert code_of(failed(error, upstream="/run/in.sock")) == "H99"
    assert code_of(failed("EOF", upstream="/run/in.sock")) == "H99"


def test_an_answer_that_breaks_off_is_the_apps_or_the_clients() -> None:
    cut_off = access(duration="")
    assert code_of(aborting("unexpected EOF"), cut_off) == "H18"
    assert code_of(aborting("context canceled"), cut_off) == "H27"
    assert code_of(aborting("write tcp 1->2: write: broken pipe"), cut_off) == "H27"
    assert code_of(cut_off) == "H18"  # its reason went with a killed supervisor's memory


def test_a_reason_belongs_to_one_request() -> None:
    cut_off = access(duration="")
    assert code_of(aborting("context canceled"), access(), cut_off, cut_off) == "H18"


def test_a_client_that_left_before_the_answer_is_499() -> None:
    line = told(access(status=0, latency="", duration="", size=0))
    assert line.startswith('at=info code=H27 desc="Client Request Interrupted" ')
    assert " status=499 bytes=0 " in line


def test_an_upgraded_connection_is_not_broken() -> None:
    for status in (101, 0):
        line = told(access(status=status, duration=""))
        assert line.startswith("at=info method=")
        assert " status=101 " in line


def test_the_apps_own_errors_are_its_own() -> None:
    assert told(access(status=500)).startswith("at=info method=")


def test_time_before_a_container_was_reached_is_connect() -> None:
    assert " connect=2ms service=2ms " in told(access(duration="2.1", proxied="4.4"))
    refused = failed("dial tcp: connect: connection refused", proxied="5000.2")
    assert " connect=5000ms service=0ms " in told(refused)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ('/" dyno=web.9 status=200 x="', r'"/\" dyno=web.9 status=200 x=\""'),
        ("/a\nb\r\x1b[2J", r'"/a\nb\r\x1b[2J"'),
        ("/a\u2028b\u202e", r'"/a\u2028b\u202e"'),
        ("/a\\", r'"/a\\"'),
        ("/grün", '"/grün"'),
    ],
)
def test_a_path_cannot_forge_a_line(uri: str, shown: str) -> None:
    line = told(access(uri=uri))
    assert f" path={shown} host=" in line
    assert line.isprintable()


def test_a_host_that_is_no_word_is_quoted() -> None:
    assert r' host="a\" status=200" ' in told(access(host='a" status=200'))


def test_a_long_path_is_cut() -> None:
    line = told(access(uri="/" + '"' * 100_000))
    assert len(line) < 5000
    assert '..." host=' in line


def test_what_is_not_of_caddys_making_is_never_as_if_it_were_ours() -> None:
    assert told('at=info method=GET path="/"') == 'caddy: at=info method=GET path="/"'
    assert len(told("x" * 10_000)) < 1100
    assert told("") == ""


def test_what_caddy_says_beside_requests_is_short_and_silent_about_the_ordinary() -> None:
    error = '{"level": "error", "msg": "dial", "error": "refused", "upstream": "10.0.2.1:5000"}'
    assert told(error) == "dial refused"
    assert told('{"level": "info", "msg": "using provided configuration"}') == ""
    assert told('{"level": "error", "msg": "x", "error": "context canceled"}') == ""
    assert told('{"level": "error", "msg": "reading from backend", "error": "EOF"}') == ""
    assert told("[1]") == ""


def test_a_line_of_another_shape_still_says_something() -> None:
    assert told('{"logger": "http.log.access", "request": {}, "user_id": 7, "status": "x"}') == (
        'at=info code=H27 desc="Client Request Interrupted" method= path="" host= request_id='
        ' fwd="7" dyno= connect=0ms service=0ms status=499 bytes=0 protocol=http'
    )


def test_bytes_come_out_as_lines() -> None:
    translator = Translator(FakeStanding())
    assert translator(b'{"level":"info"}') == b""
    assert translator(access().encode()).endswith(b"protocol=http\n")
    assert translator(b"\xff\xfe") == "caddy: \ufffd\ufffd\n".encode()


def test_requests_are_counted_by_container() -> None:
    traffic = Traffic()
    translator = Translator(FakeStanding(), traffic)
    for line in (access(proxied="4"), access(proxied="4"), failed("EOF", proxied="400")):
        translator.line(line)
    translator.line(failed("no web container", upstream="", proxied=""))
    rows = traffic.rows()
    assert (rows["web.1"]["count"], rows["web.1"]["errors"]) == (3, 1)
    assert (rows[""]["count"], rows[""]["errors"]) == (1, 1)
    assert UPSTREAM not in rows
