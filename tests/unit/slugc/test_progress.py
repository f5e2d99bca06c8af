"""What is shown while a slug is built."""

from __future__ import annotations

import io

import pytest

from buildpack.support.errors import SlugkitError
from slugc.progress import MAX_SHOWN, BuildpackLines, PlainProgress, QuietProgress, make_progress
from slugc.progress_live import LiveProgress


def scrolled(written: str) -> str:
    """What stays on a terminal once the status line is gone."""
    return "\n".join(row.rpartition("\r\x1b[K")[2] for row in written.split("\n"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a new window title\x07text", "text"),
        ("10%\r50%\r100%\r", "100%"),
        ("bell\x07 and NUL\x00", "bell and NUL"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_a_buildpacks_line_is_harmless_in_a_pipe(line: str, shown: str) -> None:
    assert BuildpackLines(keep_color=False).cleaned(line) == shown


def test_colours_stay_on_a_terminal() -> None:
    assert BuildpackLines(keep_color=True).cleaned("\x1b[31mred") == "\x1b[31mred"


def test_output_without_end_is_cut_and_said_so() -> None:
    lines = BuildpackLines(keep_color=False)
    while (shown := lines.cleaned("x" * 1_000_000)) and shown.startswith("x"):
        pass

    assert shown == "[the rest is not shown: more than 16 MiB of output]"
    assert lines.cleaned("more") is None
    assert lines.shown < MAX_SHOWN + 2_000_000


def test_an_error_repeats_lines_only_where_they_were_not_all_shown() -> None:
    plain, quiet = PlainProgress(io.StringIO()), QuietProgress(io.StringIO())
    live = LiveProgress(io.StringIO())

    assert (plain.has_shown_all(), quiet.has_shown_all(), live.has_shown_all()) == (
        True,
        False,
        True,
    )
    for progress in (plain, live):
        progress.lines.shown = MAX_SHOWN + 1
        assert not progress.has_shown_all()


def test_plain_progress() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        progress.step("Building polls")
        progress.info("one\ntwo")
        progress.line("as it \x1b[1mcomes")
        progress.warning("careful")
        progress.error(SlugkitError("No", details="because"))

    assert stream.getvalue() == (
        "-----> Building polls\n       one\n       two\nas it comes\n"
        "\n !     Warning: careful\n\n"
        "\n !     Error: No\n !\n !     because\n\n"
    )


def test_quiet_progress_shows_what_needs_attention() -> None:
    stream = io.StringIO()
    with QuietProgress(stream) as progress:
        progress.step("x")
        progress.info("x")
        progress.line("x")
        progress.warning("careful")

    assert stream.getvalue() == "\n !     Warning: careful\n\n"


def test_live_progress_shows_the_same_lines() -> None:
    stream = io.StringIO()
    with LiveProgress(stream, color=False) as progress:
        progress.step("Building [polls]")
        progress.info("detail")
        progress.line("-----> A step of the buildpack")
        progress.line("red [bracket]")
        progress.warning("careful")
        progress.error(SlugkitError("No"))

    assert scrolled(stream.getvalue()) == (
        "-----> Building [polls]\n       detail\n-----> A step of the buildpack\nred [bracket]\n"
        "\n !     Warning: careful\n\n\n !     Error: No\n\n"
    )


def test_a_pipe_gets_plain_lines() -> None:
    assert type(make_progress({}, quiet=False, color=None)) is PlainProgress
    assert type(make_progress({}, quiet=True, color=None)) is QuietProgress
