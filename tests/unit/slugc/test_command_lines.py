"""What people mistype, and what they may leave out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.support.errors import UsageError
from slugc.cli import run_click
from slugc.main import main
from slugc.next_steps import next_steps
from slugc.old_form import is_old_form


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "text", "help_of"),
    [
        (("buld",), "There is no command 'buld' of slugc\n\nDid you mean build?", "slugc"),
        (
            ("bui",),
            "There is no command 'bui' of slugc\n\nDid you mean build or buildpacks?",
            "slugc",
        ),
        (("qqqq",), "There is no command 'qqqq' of slugc\n", "slugc"),
        (
            ("stack", "lst"),
            "There is no command 'lst' of slugc stack\n\nDid you mean list?",
            "slugc stack",
        ),
        (
            ("build", "--ouptut", "x"),
            "slugc build has no option '--ouptut'\n\nDid you mean --output?",
            "slugc build",
        ),
        (("build", "--xyzzy"), "slugc build has no option '--xyzzy'\n", "slugc build"),
        (("build", "-o"), "-o needs a value\n", "slugc"),
        (("build", "--json=1"), "--json takes no value\n", "slugc"),
        (("build", "a", "b"), "slugc build takes less: 'b' is too much\n", "slugc build"),
        (("explain",), "slugc explain needs SLUG\n", "slugc explain"),
        (
            ("build", "--cpus", "x"),
            "The value of --cpus cannot be used: 'x' is not a number\n",
            "slugc build",
        ),
        (
            ("build", "--files", "many"),
            "The value of --files cannot be used: 'many' is not a whole number\n",
            "slugc build",
        ),
        (
            ("build", "--processes", "2"),
            "The value of --processes cannot be used: 2 is too little; it takes at least 16\n",
            "slugc build",
        ),
        (
            ("completion", "csh"),
            "The value of {bash|zsh|fish} cannot be used: 'csh' is not one of 'bash', 'zsh',"
            " 'fish'\n",
            "slugc completion",
        ),
    ],
)
def test_mistakes_are_told_with_what_was_probably_meant(
    words: tuple[str, ...], text: str, help_of: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run_click(words)

    assert caught.value.text() == f"{text}\nSee: {help_of} --help"
    assert caught.value.exit_code == 64


def test_a_directory_in_a_commands_place() -> None:
    Path("polls").mkdir()

    with pytest.raises(UsageError) as caught:
        run_click(("polls",))

    assert "To build that directory: slugc build polls\n" in caught.value.text()


def test_without_words_an_app_is_told_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    Path("Procfile").write_text("worker: work\nweb: serve\n")

    assert main([]) == 0

    name = Path.cwd().name
    assert capsys.readouterr().out.splitlines() == [
        "The Procfile here names: worker, web",
        "",
        f"  slugc lint{' ' * (len(name) + 15)}  what a build would stumble over",
        f"  slugc build{' ' * (len(name) + 14)}  build {name}.slug, with all it needs",
        f"  slug-run web --slug {name}.slug  run it",
        "",
        "All commands: slugc --help",
    ]


def test_a_broken_procfile_is_no_reason_for_a_traceback() -> None:
    Path("Procfile").write_text("web serve\n")

    assert next_steps(Path.cwd()).startswith("The Procfile has a problem.\n\n  slugc lint ")


def test_elsewhere_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: slugc ")


def test_four_paths_are_the_old_form_and_nothing_else_is() -> None:
    Path("src").mkdir()
    Path("diff").mkdir()

    assert is_old_form(("src", "https://host/buildpack", "cache", "out"))
    assert not is_old_form(("src", "buildpack", "cache"))
    assert not is_old_form(("src", "buildpack", "cache", "out", "more"))
    assert not is_old_form(("src", "-b", "pack", "--json"))
    assert not is_old_form(("nowhere", "buildpack", "cache", "out"))
    assert not is_old_form(("diff", "a", "b", "c"))  # a command, though there is a directory


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("slugc 0.")
    assert not os.path.lexists("Procfile")
