"""A build on a terminal: one row of what goes on, and nothing of it left."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.integration.build_support import Builder, make_buildpack


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return make_buildpack(
        tmp_path / "slow",
        compile="""echo '-----> Taking a while'
            for i in 1 2 3; do echo "       $i"; sleep 0.2; done""",
    )


def on_terminal(
    builder: Builder, app: Path, pack: Path, **env: str
) -> Iterator[pexpect.spawn[str]]:
    program, *rest = builder.argv(app, "-b", pack, slug=builder.home.parent / "x.slug")
    terminal = pexpect.spawn(
        program,
        rest,
        env={**builder.env, "TERM": "xterm", **env},
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 60),
    )
    yield terminal
    terminal.close(force=True)


def test_a_terminal_shows_what_goes_on_and_is_left_clean(
    builder: Builder, app: Path, slow: Path
) -> None:
    for terminal in on_terminal(builder, app, slow, LC_ALL="C.UTF-8"):
        terminal.expect("Taking a while  [0-9.]+ s")
        terminal.expect(r"To run it: slug-run web --slug [^\r\n]*x\.slug")
        terminal.expect(pexpect.EOF)
        rest = terminal.before or ""
        assert rest.rstrip().endswith("x.slug")
        assert "\x1b[?" not in rest


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_ci_and_dumb_terminals_get_plain_lines(
    builder: Builder, app: Path, slow: Path, env: dict[str, str]
) -> None:
    for terminal in on_terminal(builder, app, slow, NO_COLOR="1", **env):
        terminal.expect(pexpect.EOF)
        shown = terminal.before or ""
        assert "\x1b" not in shown
        assert "-----> Taking a while\r\n       1\r\n" in shown


def test_no_color_keeps_the_row_and_takes_its_colours(
    builder: Builder, app: Path, slow: Path
) -> None:
    for terminal in on_terminal(builder, app, slow, NO_COLOR="1"):
        terminal.expect("Taking a while  [0-9.]+ s")
        terminal.expect(pexpect.EOF)
        assert not re.search(r"\x1b\[[0-9;]*m", terminal.before or "")


def test_ctrl_c_leaves_the_terminal_clean(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo '-----> Waiting'; sleep 60")
    for terminal in on_terminal(builder, app, pack):
        terminal.expect("Waiting  [0-9.]+ s")
        started = time.monotonic()
        terminal.sendintr()
        terminal.expect_exact("\r\x1b[K\r\nStopped. Nothing was written.\r\n")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 130
        assert time.monotonic() - started < 30
