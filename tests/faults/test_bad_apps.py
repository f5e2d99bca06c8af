"""Hostile apps through bin/compile: our own error in two seconds; nothing shown, nothing left."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.compiling import ROOT, build_env, tree

TIME_LIMIT = 2.0
SLOW_MACHINE = 5  # what a slow one may take longer

PROJECT = '[project]\nname = "a"\nversion = "1"\n'
POETRY = '[tool.poetry]\nname = "a"\nversion = "1"\n[tool.poetry.dependencies]\npython = ">=3.11"\n'
SURROUNDINGS: Mapping[str, Mapping[str, str]] = {
    "requirements.txt": {},
    "requirements.in": {},
    "pyproject.toml": {},
    "uv.lock": {"pyproject.toml": PROJECT},
    "poetry.lock": {"pyproject.toml": POETRY},
    "Pipfile": {"Pipfile.lock": "{}"},
    "Pipfile.lock": {"Pipfile": "[packages]\n"},
    "pdm.lock": {"pyproject.toml": PROJECT},
    "pylock.toml": {},
    ".python-version": {"requirements.txt": ""},
    "runtime.txt": {"requirements.txt": ""},
    "setup.py": {},
    "setup.cfg": {},
    ".pip-tools.toml": {"requirements.in": ""},
}
"""Every file that is read before anything is installed, and what makes it be read."""

SECRET = "what only the build machine may know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What bin/compile did with an app that it must refuse."""

    code: int
    text: str
    seconds: float


def processor_seconds() -> float:
    """Of programs that have ended: a machine that is busy with others takes none of it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compile_refused(app: Path, cache: Path, *args: str, **env: str) -> Answer:
    """An unknown provider of Python ends the builds of apps that turn out to be harmless."""
    before, begun = tree_of(app), processor_seconds()
    done = subprocess.run(
        [str(ROOT / "bin" / "compile"), str(app), str(cache), *args],
        env=build_env(**{"SLUGKIT_PYTHON_PROVIDER": "nobody", **env}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,  # who waits for something takes no processor, and is found by this
        check=False,
    )
    answer = Answer(
        code=done.returncode,
        text=(done.stdout + done.stderr).decode(),  # strict: what we print is UTF-8
        seconds=processor_seconds() - begun,
    )
    assert tree_of(app) == before
    return answer


def tree_of(app: Path) -> object:
    return {path.name: path.lstat().st_mode for path in app.iterdir()}


def check(answer: Answer) -> None:
    """Rules R1 to R5 of every refusal."""
    assert answer.code == 1
    assert "Error: " in answer.text
    assert "Traceback" not in answer.text
    assert "Internal error" not in answer.text
    assert SECRET not in answer.text
    assert len(answer.text) < 100_000
    assert all(c.isprintable() or c in "\n\t" for c in answer.text)
    assert answer.seconds < TIME_LIMIT + SLOW_MACHINE


def link_outside(path: Path) -> None:
    outside = path.parent.parent / "secret.txt"
    outside.write_text(f"{SECRET}\n{SECRET}\n")
    path.symlink_to(outside)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)


def content(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


HOSTILE: Mapping[str, Callable[[Path], None]] = {
    "named pipe": os.mkfifo,
    "directory": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path.name),
    "link outside": link_outside,
    "ten gigabytes": sparse,
    "binary": content(bytes(range(256)) * 40),
    "UTF-16": content("flask==\n".encode("utf-16")),
    "half of UTF-16": content("flask\n".encode("utf-16")[:-1]),
    "deep brackets": content(b"x = " + b"[" * 100_000),
    "deep objects": content(b'{"a":' * 100_000),
    "long dotted key": content(b"x" + b".x" * 100_000 + b" = 1\n"),
    "long number": content(b'{"a": ' + b"9" * 5000 + b"}"),
    "long TOML number": content(b"version = " + b"9" * 5000 + b"\n"),
    "half a character": content(b'{"a": "\\ud800"}'),
    "orders to a terminal": content(b"\x1b[31mred\x1b]0;title\x07\n"),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: it holds the tools that reading takes."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_no_file_of_an_app_hangs_breaks_or_fools_a_build(
    name: str, kind: str, tmp_path: Path, cache: Path
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for other, text in SURROUNDINGS[name].items():
        (app / other).write_text(text)
    HOSTILE[kind](app / name)
    check(compile_refused(app, cache))


BAD_CONTENT: Mapping[str, Mapping[str, str]] = {
    "100,000 bad lines": {"requirements.txt": "???\n" * 100_000},
    "100,000 continued lines": {"requirements.txt": "\\\n" * 100_000},
    "a million spaces": {"requirements.txt": "a" + " " * 1_000_000 + "b\n"},
    "nested marker": {"requirements.txt": "a ; " + "(" * 5000 + "os_name=='x'" + ")" * 5000},
    "circle": {"requirements.txt": "-r a.txt\n", "a.txt": "-r requirements.txt\n-c a.txt\n"},
    "a name of 10 KB": {"requirements.txt": "é" * 10_240},
    "5,000 requirements": {"requirements.txt": "".join(f"p{i}=={i}\n" for i in range(5000))},
    "starts of scripts": {"x.py": "# /// script\n" * 300_000},
    "doubling groups": {
        "pyproject.toml": PROJECT
        + "[dependency-groups]\n"
        + "".join(
            f'g{i} = [{{include-group = "g{i + 1}"}}, {{include-group = "g{i + 1}"}}]\n'
            for i in range(40)
        )
        + 'g40 = ["x"]\n'
    },
    "escapes in TOML": {"pyproject.toml": PROJECT + 'dependencies = ["x\\u001b[31m??\\u0007"]\n'},
    "deep syntax": {"setup.py": "x = " + "(" * 5000 + ")" * 5000},
    "long version": {"requirements.txt": "", ".python-version": "3." + "9" * 5000},
    "tool is a list": {"pyproject.toml": "tool = [1]\n", "requirements.in": ""},
    "tool is a number": {"pyproject.toml": "tool = 1\n"},
    "password in a line": {"requirements.txt": f"-r http://u:{SECRET.replace(' ', '-')}@h/x.txt"},
}


@pytest.mark.parametrize("story", BAD_CONTENT)
def test_no_content_of_a_file_hangs_breaks_or_fools_a_build(
    story: str, tmp_path: Path, cache: Path
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for name, text in BAD_CONTENT[story].items():
        (app / name).write_text(text)
    answer = compile_refused(app, cache)
    check(answer)
    assert SECRET.replace(" ", "-") not in answer.text


@pytest.mark.parametrize(
    "value", ["..", "a/../..", "/etc", "link", "nope", "a\nb", "a:b", "a\x1b[0m", "d" * 300]
)
def test_an_app_dir_that_is_none_is_refused(value: str, tmp_path: Path, cache: Path) -> None:
    app, env_dir = tmp_path / "app", tmp_path / "env"
    app.mkdir()
    env_dir.mkdir()
    (app / "link").symlink_to("/etc")
    (env_dir / "SLUGKIT_APP_DIR").write_text(value)
    answer = compile_refused(app, cache, str(env_dir))
    check(answer)
    assert "SLUGKIT_APP_DIR does not name a directory of your app" in answer.text


@pytest.mark.parametrize("name", [".heroku", ".profile.d"])
def test_nothing_is_written_through_a_link_of_the_app(
    name: str, tmp_path: Path, cache: Path
) -> None:
    app, outside = tmp_path / "app", tmp_path / "outside"
    app.mkdir()
    outside.mkdir()
    (app / "requirements.txt").write_text("")
    (app / name).symlink_to(outside)
    answer = compile_refused(app, cache)
    check(answer)
    assert f"Your app has a {name} that is not a directory" in answer.text
    assert not list(outside.iterdir())


def test_a_link_in_the_place_of_the_cache_layer_is_not_followed(tmp_path: Path) -> None:
    app, layers, outside = (tmp_path / name for name in ("app", "layers", "outside"))
    for directory in (app, layers, outside, tmp_path / "platform"):
        directory.mkdir()
    (layers / "cache").symlink_to(outside)
    argv = (str(ROOT / "bin" / "build"), str(layers), str(tmp_path / "platform"), "plan.toml")
    done = subprocess.run(
        argv, cwd=app, env=build_env(), capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 1  # there is nothing to build
    assert not list(outside.iterdir())
    assert not (layers / "cache").is_symlink()
    assert (layers / "cache" / "lock").is_file()


def test_a_cache_that_is_a_file_is_the_machines_fault_and_no_bug(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "requirements.txt").write_text("")
    (tmp_path / "cache").write_text("")
    answer = compile_refused(app, tmp_path / "cache")
    check(answer)
    assert f"{tmp_path}/cache: file exists." in answer.text


def test_a_failed_build_leaves_nothing_half_made(tmp_path: Path) -> None:
    app, cache = tmp_path / "app", tmp_path / "cache"
    app.mkdir()
    (app / "requirements.txt").write_text("???\n")
    check(compile_refused(app, cache))
    assert not [name for name in tree(cache) if name.endswith(".tmp")]
