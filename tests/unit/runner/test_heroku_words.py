"""Words that Heroku's command line has, and what they are here."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from buildpack.support.errors import ExitCode
from runner.cli import cli
from runner.heroku_words import _INSTEAD, ALIASES, UnknownCommandError, spelled_out
from runner.main import main
from runner.plain_start import plain_options
from runner.requests import COMMANDS


@pytest.mark.parametrize("word", ALIASES)
def test_every_alias_is_left_to_click_and_names_a_command_there_is(word: str) -> None:
    assert plain_options([word]) is None
    first, *rest = spelled_out(word)
    command = cli.get_command(click.Context(cli), first)
    assert command is not None
    if rest and not rest[0].startswith("-"):
        assert isinstance(command, click.Group)
        assert rest[0] in command.commands


def test_a_colon_stands_between_a_command_and_its_subcommand() -> None:
    assert spelled_out("config:set") == ("config", "set")
    assert spelled_out("apps:create") == ("apps", "create")
    assert spelled_out("web") == ("web",)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        (
            "dyno:scal",
            "slug-run has no command called 'dyno:scal'\n\nDid you mean:\n\n    slug-run scale",
        ),
        (
            "telemetry:add",
            "slug-run has no command called 'telemetry:add'\n\nSee:\n\n    slug-run --help",
        ),
    ],
)
def test_a_word_with_a_colon_is_never_taken_for_a_process_type(word: str, words: str) -> None:
    with pytest.raises(UnknownCommandError) as caught:
        spelled_out(word)
    assert caught.value.text() == words
    assert caught.value.exit_code == ExitCode.USAGE


def test_who_creates_an_app_as_at_heroku_is_told_how_also_where_no_slug_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["create", "polls"]) == 64
    err = capsys.readouterr().err
    assert "slug-run has no command called 'create'" in err
    assert "slug-run apps create NAME" in err
    assert main(["worker"]) == 66
    assert "There is no slug here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["addons:create", "heroku-postgresql"], "slug-run config set DATABASE_URL="),
        (["pg:psql"], "slug-run config set DATABASE_URL="),
        (["open"], "slug-run apps info"),
        (["buildpacks:set", "heroku/python"], "slugc build . -b BUILDPACK"),
        (["git:remote"], "slugc build . -o app.slug"),
        (["domains:add", "example.com"], "Names and certificates"),
        (["login"], "There is nothing to log in to"),
        (["maintenance:on"], "slug-run scale web=0"),
    ],
)
def test_for_what_heroku_has_and_we_have_not_there_is_something_to_do_instead(
    words: list[str],
    instead: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 64
    err = capsys.readouterr().err
    assert f"slug-run has no command called '{words[0]}'" in err
    assert instead in err


def test_what_may_be_a_process_type_of_one_of_several_slugs_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one.slug", "two.slug"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert main(["redis"]) == 64
    err = capsys.readouterr().err
    assert "slug-run has no command called 'redis'" in err
    assert "If it is a process type, say of which slug here: --slug FILE." in err


def test_what_is_typed_instead_is_understood() -> None:
    typed = re.findall("    slug-run (.*)", "\n".join(_INSTEAD.values()))
    assert len(typed) >= 7
    for line in typed:
        assert line.split()[0] in COMMANDS


def test_who_mistypes_a_command_where_no_slug_is_is_told_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["deplyo", "polls.slug"]) == 64
    assert capsys.readouterr().err == (
        "\n !     Error: slug-run has no command called 'deplyo'"
        "\n !\n !     Nor is there a slug here, which may have such a process type."
        "\n !\n !     Did you mean:\n !\n !         slug-run deploy\n\n"
    )
