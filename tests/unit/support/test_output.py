"""What a person sees, in Heroku's form, with secrets taken out at the door."""

from __future__ import annotations

import io

import pytest

from buildpack.support.errors import SlugkitError, printable
from buildpack.support.output import Output, redact, wants_color


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_steps_and_details_go_to_standard_output() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out=out, err=err)
    output.step("Installing Python 3.11.2")
    output.info("Collecting flask\nCollecting jinja2")
    assert out.getvalue() == (
        "-----> Installing Python 3.11.2\n       Collecting flask\n       Collecting jinja2\n"
    )
    assert err.getvalue() == ""


def test_an_error_is_a_block_on_standard_error() -> None:
    out, err = io.StringIO(), io.StringIO()
    error = SlugkitError("No app here", details="Found:\n  a.txt", resolution="Add a Procfile")
    Output(out=out, err=err).error(error)
    assert err.getvalue() == (
        "\n !     Error: No app here\n !\n !     Found:\n !       a.txt\n !\n"
        " !     Add a Procfile\n\n"
    )


def test_color_marks_but_never_carries_the_meaning() -> None:
    err = io.StringIO()
    Output(out=io.StringIO(), err=err, color=True).warning("Old Python")
    assert err.getvalue() == "\n !     \x1b[1;33mWarning: Old Python\x1b[0m\n\n"


@pytest.mark.parametrize(
    ("stream", "env", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (Terminal(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_wants_color(stream: io.StringIO, env: dict[str, str], expected: bool) -> None:
    assert wants_color(stream, env) is expected


def test_secrets_never_pass_the_door() -> None:
    out = io.StringIO()
    Output(out=out, err=io.StringIO(), secrets=("hunter22",)).info("url https://u:hunter22@host/")
    assert out.getvalue() == "       url https://***@host/\n"


def test_very_short_values_are_not_redacted_or_every_line_would_break() -> None:
    assert redact("web 1", ("1", "")) == "web 1"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        (b"caf\xe9", "caf\\xe9"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_printable(value: str | bytes, shown: str) -> None:
    assert printable(value) == shown
