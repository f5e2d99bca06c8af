"""Shells complete our commands and options, each in its own way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pexpect
import pytest

from slugc.cli import slugc
from slugc.completion.scripts import SCRIPTS
from slugc.completion.words import command_words

WORDS = tuple(command_words(slugc, ("slugc",)))
ASKED = [
    ("slugc bu", {"build", "buildpacks"}),
    ("slugc li", {"lint", "list"}),
    ("slugc build --sand", {"--sandbox"}),
    ("slugc build --sandbox ", {"embedded", "docker", "none"}),
    ("slugc build some/dir --network o", {"on", "off"}),
    ("slugc stack ", {"build", "list"}),
    ("slugc buildpacks l", {"list", "lock"}),
    ("slugc completion ", {"bash", "zsh", "fish"}),
    ("slugc build --name ", set()),
    ("slugc build -o Proc", {"Procfile"}),
    ("slugc lint ap", {"app"}),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a file and a directory, and the scripts beside it."""
    (tmp_path / "here" / "app").mkdir(parents=True)
    (tmp_path / "here" / "Procfile").touch()
    for shell, script in SCRIPTS.items():
        (tmp_path / f"slugc.{shell}").write_text(script(WORDS))
    return tmp_path


def answer(argv: tuple[str, ...], place: Path) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": os.fspath(place), "LC_ALL": "C.UTF-8"}
    env |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    done = subprocess.run(
        argv,
        cwd=place / "here",
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout


def offered(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    """Every word that a script has to know."""
    yield " ".join(path)
    ctx = click.Context(command, **command.context_settings)
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Option):
            yield from parameter.opts
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from offered(below, (*path, name))


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_command_and_option_is_in_each_script(shell: str) -> None:
    script = SCRIPTS[shell](WORDS)
    for word in offered(slugc, ("slugc",)):
        assert (_in_fish(word) if shell == "fish" else word) in script


def _in_fish(word: str) -> str:
    if not word.startswith("-"):
        return word
    return f"-l {word[2:]} " if word.startswith("--") else f"-s {word[1:]} "


@pytest.mark.parametrize("shell", SCRIPTS)
def test_what_a_script_quotes_is_closed(shell: str) -> None:
    """No help text can end the quotes it stands in, or be taken for an order."""
    for line in SCRIPTS[shell](WORDS).splitlines():
        if not line.lstrip().startswith("#"):
            bare = re.sub(r"'[^']*'", "", line)
            assert "'" not in bare, line
            assert "`" not in bare, line
    assert "@" not in re.sub(r'"\$@"|\[@\]', "", SCRIPTS[shell](WORDS))


@pytest.mark.parametrize(("typed", "words"), ASKED)
def test_bash_offers(place: Path, typed: str, words: set[str]) -> None:
    script = (
        f"source {place}/slugc.bash\n"
        "read -ra COMP_WORDS <<< \"$1\"; [[ $1 == *' ' ]] && COMP_WORDS+=('')\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _slugc; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert set(answer(("bash", "-c", script, "bash", typed), place).split()) == words


def test_bash_completes_a_value_after_an_equals_sign(place: Path) -> None:
    script = (
        f"source {place}/slugc.bash; COMP_WORDS=(slugc build --sandbox = em); COMP_CWORD=4\n"
        '_slugc; echo "${COMPREPLY[@]}"'
    )
    assert answer(("bash", "-c", script), place) == "embedded\n"


def test_an_interactive_bash_completes_with_tab(place: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": os.fspath(place), "TERM": "dumb", "PS1": "> "}
    shell = pexpect.spawn(
        "bash",
        ["--norc", "-i"],
        cwd=os.fspath(place / "here"),
        env=env,
        encoding="utf-8",
        timeout=20,
    )
    try:
        shell.sendline(
            f"source {place}/slugc.bash; slugc() {{ echo \"<$*>\"; }}; PS1='ready'; echo"
        )
        shell.expect("ready$")
        shell.send("slugc buildp\tli\t-")  # two words completed, each with its blank
        shell.send("-j\t\n")
        shell.expect_exact("<buildpacks list --json>")
    finally:
        shell.close(force=True)


@pytest.mark.parametrize(("typed", "words"), ASKED)
def test_fish_offers(place: Path, typed: str, words: set[str]) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not installed")
    script = f"source {place}/slugc.fish; complete -C '{typed}'"
    said = answer((fish, "--no-config", "-c", script), place).splitlines()

    assert {line.partition("\t")[0].rstrip("/") for line in said} == words


@pytest.mark.parametrize(("typed", "words"), ASKED)
def test_zsh_offers(place: Path, typed: str, words: set[str]) -> None:
    """Its completion system is replaced by functions that print what they are given."""
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not installed")
    script = f"""
        compdef() {{ :; }}
        compadd() {{ shift; print -l -- $@; }}
        _describe() {{ print -l -- ${{${{(P)argv[-1]}}%%:*}}; }}
        _files() {{ print -l -- *(N); }}
        source {place}/slugc.zsh
        words=(${{(z)1}}); [[ $1 == *' ' ]] && words+=('')
        CURRENT=$#words; _slugc | grep -e "^${{words[-1]:-.}}" || true"""
    assert set(answer((zsh, "-f", "-c", script, "zsh", typed), place).split()) == words


def test_the_zsh_script_can_be_checked_without_zsh() -> None:
    lines = [line.strip() for line in SCRIPTS["zsh"](WORDS).splitlines()]

    assert lines[0] == "#compdef slugc"
    assert lines.count("esac") == sum(line.startswith("case ") for line in lines) == 3
    assert sum(line == "fi" for line in lines) == sum(line.startswith("if ") for line in lines)
    ended = sum(line.endswith(";;") for line in lines)
    assert ended == sum(bool(re.match(r"'slugc.*'\)", line)) for line in lines)
