"""What slug-run itself says on the person's terminal."""

from __future__ import annotations

import pytest

from runner import session


def test_a_slugs_words_do_not_reach_into_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    session._say("Booting \x1b]0;owned\x07\x1b[2Jpolls\x9b31m")
    assert capsys.readouterr().err == "Booting polls\\x9b31m\n"
