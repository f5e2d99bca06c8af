"""What is understood without click is what click would have understood."""

from __future__ import annotations

import subprocess
import sys

import pytest

from slugc.commands.build import command as build
from slugc.plain_build import plain_options

PLAIN = [
    ["build"],
    ["build", "polls"],
    ["build", "polls", "-o", "polls.slug"],
    ["build", "-o", "polls.slug", "polls", "-q"],
    ["build", "polls", "--output", "a", "-o", "b", "--json"],
    ["build", "polls", "--no-cache", "--no-color", "--quiet", "--allow-no-processes"],
    ["build", "polls", "-n", "app", "--name", "other"],
    ["build", ""],
    ["build", "https://host/owner/app#v1.2", "-o", ""],
]
LEFT_TO_CLICK = [
    [],
    ["--help"],
    ["inspect", "a.slug"],
    ["stack", "list"],
    ["build", "--help"],
    ["build", "-"],
    ["build", "one", "two"],
    ["build", "one", "-o"],
    ["build", "one", "-o", "-q"],
    ["build", "one", "--output=x"],
    ["build", "one", "-ox"],
    ["build", "--", "one"],
    ["build", "one", "--sandbox", "none"],
    ["build", "one", "--env", "A=1"],
    ["build", "one", "--no-such-option"],
]


@pytest.mark.parametrize("words", PLAIN)
def test_plain_words_mean_what_click_reads(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLUGC_SANDBOX", raising=False)
    context = build.make_context("build", words[1:])

    assert plain_options(words, {}) == context.params


@pytest.mark.parametrize("words", LEFT_TO_CLICK)
def test_everything_else_is_left_to_click(words: list[str]) -> None:
    assert plain_options(words, {}) is None


def test_a_sandbox_named_by_the_environment_is_left_to_click() -> None:
    assert plain_options(["build"], {"SLUGC_SANDBOX": "none"}) is None


def test_a_plain_build_does_without_click() -> None:
    script = (
        "import sys\nfrom slugc.main import main\n"
        "code = main(['build', '/nonexistent'])\n"
        "assert not {'click', 'slugc.cli'} & set(sys.modules)\nsys.exit(code)"
    )
    ended = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (66, ""), ended.stderr
    assert "Error: " in ended.stderr
