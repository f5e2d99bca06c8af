"""What a person sees, in Heroku's form, with secrets taken out at the door."""

from __future__ import annotations

import io

import pytest

from buildpack.support.errors import SlugkitError, printable, shown_seconds
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


def test_a_secret_cut_in_two_by_a_colour_does_not_pass() -> None:
    out = io.StringIO()
    Output(out=out, err=io.StringIO(), secrets=("hunter22",)).info("it is hun\x1b[1mter22")
    assert out.getvalue() == "       it is [redacted]\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("https://u:p@ss@host/x", "https://***@host/x"),
        ("git+https://ghp_abcdefgh@host/x", "git+https://***@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("git+https://${GIT_TOKEN}@host/x", "git+https://${GIT_TOKEN}@host/x"),
        ("https://${A_USER}:${A_WORD}@host", "https://${A_USER}:${A_WORD}@host"),
        ("https://USER:PASSWORD@host/x", "https://USER:PASSWORD@host/x"),
        ("https://${A_USER}:hunter22@host", "https://***@host"),
        ("a@b.com wrote to https://host/x", "a@b.com wrote to https://host/x"),
    ],
)
def test_no_line_has_the_password_of_a_url(line: str, shown: str) -> None:
    out = io.StringIO()
    Output(out=out, err=io.StringIO()).info(line)
    assert out.getvalue() == f"       {shown}\n"


@pytest.mark.parametrize(
    ("color", "shown"),
    [(False, "red\\x07 \\x08\\u202e"), (True, "\x1b[31mred\x1b[0m\\x07 \\x08\\u202e")],
)
def test_what_a_program_prints_gives_no_orders_to_a_terminal(color: bool, shown: str) -> None:
    out = io.StringIO()
    line = "\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07\x1b[2J\x08\u202e"
    Output(out=out, err=io.StringIO(), color=color).info(line)
    assert out.getvalue() == f"       {shown}\n"


def test_of_a_program_that_prints_without_end_sixteen_megabytes_are_kept() -> None:
    out = io.StringIO()
    screen = Output(out=out, err=io.StringIO())
    for _ in range(2000):
        screen.info("x" * 16_000)
    screen.step("Next")
    assert len(out.getvalue()) < 17 * 1024 * 1024
    assert out.getvalue().count("the rest is left out") == 1
    assert out.getvalue().endswith("-----> Next\n")


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


def test_one_second_is_no_plural() -> None:
    assert [shown_seconds(x) for x in (1, 1.0, 0.5, 30)] == [
        "1 second",
        "1 second",
        "0.5 seconds",
        "30 seconds",
    ]


def test_commands_are_typed_where_the_app_is() -> None:
    out = Output(err=io.StringIO())
    out.place = "services/my api"

    out.warning("Old\n\n    requirements.txt:1\n\nTo mend it:\n\n    uv lock\n    git add uv.lock")
    out.notice("Nothing to type:\n\n    web: echo hello")

    assert isinstance(out.err, io.StringIO)
    assert out.err.getvalue() == (
        "\n !     Warning: Old\n !\n !         requirements.txt:1\n !\n !     To mend it:\n !\n"
        " !         cd 'services/my api'\n !         uv lock\n !         git add uv.lock\n\n"
        "\n !     Note: Nothing to type:\n !\n !         web: echo hello\n\n"
    )


def test_commands_for_the_root_are_not() -> None:
    class OfRootError(SlugkitError):
        is_of_root = True

    for kind, shown in ((OfRootError, ""), (SlugkitError, " !         cd api\n")):
        out = Output(err=io.StringIO())
        out.place = "api"
        out.error(kind("No", resolution="Remove it:\n\n    git rm a"))
        assert isinstance(out.err, io.StringIO)
        assert out.err.getvalue() == (
            f"\n !     Error: No\n !\n !     Remove it:\n !\n{shown} !         git rm a\n\n"
        )
