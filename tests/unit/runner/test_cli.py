"""Words on the command line to requests, messages and exit codes."""

from __future__ import annotations

import importlib.abc
import json
import sys
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.cli import run_cli
from runner.engine_choice import NoEngineError, UnknownEngineError, determine_engine
from runner.errors import EngineUnavailableError
from runner.main import HELP_FILE, main
from runner.overview import slug_overview, source_overview
from runner.requests import COMMANDS
from runner.session import NoSlugError, SeveralSlugsError, find_slug
from slugc.procfile import ProcessType


def test_the_stored_help_is_clicks_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["--help"]) == 0
    assert capsys.readouterr().out == Path(HELP_FILE).read_text()


def test_ctrl_c_while_slug_run_starts_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupts(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            raise KeyboardInterrupt

    for module in ("buildpack.support.errors", "runner.plain_start", "runner.cli"):
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, module, raising=False)
            patch.setattr(sys, "meta_path", [Interrupts()])
            assert main(["ps"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_is_shown_from_the_file(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == Path(HELP_FILE).read_text()


def test_help_and_version_are_understood_as_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "config:set"]) == 0
    assert capsys.readouterr().out.startswith("Usage: slug-run config set ")
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("slug-run 0.")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["web"], 66, "There is no slug here"),
        (["web", "--wrong"], 64, "No such option '--wrong'."),
        (["start", "--count"], 64, "Option '--count' requires an argument."),
        (["run"], 64, "Missing argument"),
        (["web", "--port", "0"], 64, "'--port'"),
        (["web", "--port", "70000"], 64, "'--port'"),
        (["web", "--bind", "nowhere"], 64, "'nowhere' is not an address to listen on"),
        (["web", "--memory", "lots"], 64, "'lots' is not a memory size"),
        (["web", "--engine", "dcoker"], 64, "Did you mean docker?"),
        (["engine", "docter"], 64, "docter"),
        (["logs", "--tail=5"], 64, "slug-run logs --help"),
    ],
)
def test_mistakes_have_words_and_codes_and_no_traceback(
    words: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["ps", "--json"], ["apps", "info", "--json"], ["top", "--json"]])
def test_an_error_is_json_where_that_was_asked_for(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path))
    assert main([*words, "--app", "nope"]) == 64
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)["error"]
    assert (found["id"], found["message"]) == ("no-such-app", "There is no app called 'nope'")


@pytest.mark.parametrize("words", [["run", "-a", "nope", "ls", "--json"], ["ps", "--", "--json"]])
def test_another_programs_json_is_not_asked_of_us(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(tmp_path))
    assert main(words) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "Error:" in err


def test_every_command_shows_an_example_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        run_cli([name, "--help"])
        assert "slug-run" in capsys.readouterr().out.split("Options:")[0].split("\n", 1)[1], name


def test_herokus_spellings_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["engine:list"]) == 0
    assert "embedded" in capsys.readouterr().out


@pytest.mark.parametrize("group", ["engine", "service"])
def test_a_group_alone_shows_its_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"Usage: slug-run {group} [OPTIONS] COMMAND")
    assert shown.err == ""


def test_engine_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["engine", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "embedded",
        "docker",
        "host",
    ]


def test_slug_run_alone_shows_what_the_procfile_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Procfile").write_text("web: gunicorn app\nworker: w\nrelease: m\n")
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert capsys.readouterr().out == (
        "The Procfile here names, and no slug holds yet:\n\n"
        "    web      gunicorn app\n    worker   w\n    release  m\n\n"
        "Next:\n\n    slugc build . -o app.slug\n    slug-run web\n    slug-run --help\n"
    )


def test_slug_run_alone_where_there_is_nothing_shows_the_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert capsys.readouterr().out == Path(HELP_FILE).read_text()


def test_slug_overview_offers_what_the_slug_has() -> None:
    text = slug_overview("a.slug", {ProcessType("release"): "m", ProcessType("clock"): "c"})
    assert text.endswith(
        "Next:\n\n    slug-run clock\n    slug-run clock --count 2\n    slug-run run bash\n"
    )
    assert "no process types" in slug_overview("a.slug", {})
    assert "release" in source_overview({ProcessType("release"): "m"})


def test_find_slug_takes_the_only_one(tmp_path: Path) -> None:
    with pytest.raises(NoSlugError):
        find_slug(None, tmp_path)
    (tmp_path / "a.slug").touch()
    assert find_slug(None, tmp_path) == tmp_path / "a.slug"
    (tmp_path / "b.slug").touch()
    with pytest.raises(SeveralSlugsError) as caught:
        find_slug(None, tmp_path)
    assert caught.value.text() == (
        "There are several slugs here\n\n- a.slug\n- b.slug\n\n"
        "Say which one, or name an app:\n\n    --slug a.slug\n    --app NAME"
    )
    assert find_slug(Path("b.slug"), tmp_path) == tmp_path / "b.slug"


def test_determine_engine_never_takes_host_by_itself() -> None:
    assert determine_engine(None, {}).name == "embedded"
    assert not determine_engine(None, {}).asked
    assert determine_engine(None, {"SLUG_RUN_ENGINE": "docker"}).name == "docker"
    assert determine_engine("host", {"SLUG_RUN_ENGINE": "docker"}).name == "host"
    with pytest.raises(UnknownEngineError):
        determine_engine(None, {"SLUG_RUN_ENGINE": "podman"})


def test_no_engine_says_both_problems_and_every_way_out() -> None:
    embedded = EngineUnavailableError(
        "embedded",
        problems=["bwrap is not installed"],
        remedies=["apt install bubblewrap"],
        otherwise="Or use another engine",
    )
    docker = EngineUnavailableError("docker", problems=["no engine answers"], remedies=["start it"])
    error = NoEngineError(embedded, docker)
    assert error.exit_code is ExitCode.UNAVAILABLE
    assert error.text() == (
        "No engine can run containers here\n\n"
        "The embedded engine cannot run here:\n- bwrap is not installed\napt install bubblewrap\n\n"
        "The docker engine cannot run here:\n- no engine answers\nstart it\n\n"
        "Do what is said above, or choose another engine yourself:\n\n"
        "    --engine host     no isolation at all: only for apps you trust"
    )
    assert "--engine docker   a Docker Engine answers here" in NoEngineError(embedded, None).text()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (None, 66, "other.slug"),
        (b"", 65, "not a slug"),
        (b"<html>404</html>" * 100, 65, "not a slug"),
    ],
)
def test_a_file_that_is_no_slug_is_named_before_anything_starts(
    content: bytes | None,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "other.slug").write_bytes(content)
    assert main(["web", "--slug", "other.slug"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Booting" not in err
    assert "Traceback" not in err


def test_a_value_on_the_command_line_never_shows_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--env", "A=s3cret", "--env", "1B=s3cret", "true"]) == 66
    assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("refusal", "limit"),
    [
        (MemoryError(), "may have no more memory"),
        (RuntimeError("can't start new thread"), "may have no more processes and threads"),
    ],
)
def test_a_limit_of_the_machine_is_no_bug_of_ours(
    refusal: Exception,
    limit: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(_: object) -> None:
        raise refusal

    monkeypatch.setattr("runner.plain_start.run_plainly", refuse)
    assert main(["web"]) == ExitCode.TRY_AGAIN
    said = capsys.readouterr().err
    assert limit in said
    assert "Internal error" not in said
    assert main(["ps", "--json"]) == ExitCode.TRY_AGAIN
    out, err = capsys.readouterr()
    found = json.loads(out)["error"]
    assert (found["code"], found["id"], err) == (75, "machine", "")
