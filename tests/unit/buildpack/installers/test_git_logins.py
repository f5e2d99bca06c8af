"""Logins in URLs of repositories: taken out, and given to git for their own host alone."""

from __future__ import annotations

import os
import subprocess

import pytest

from buildpack.installers.git_logins import login_settings, with_logins, without_logins

TEXT = """\
--index-url https://me:index@pypi.example/simple
a @ git+https://${TOKEN}@one.example/team/a.git@v1#subdirectory=x
b @ git+https://bob:p%40ss@two.example/b@0123abc
c @ git+https://eve:other@two.example/c.git
-e git+ssh://git@one.example/d.git#egg=d
e @ git+https://three.example/e.git
f @ git+https://${NAME}:${WORD}@four.example/f.git
g @ git+https://gil:p@ss@five.example/g.git
"""


def test_only_the_logins_of_repositories_are_taken_out() -> None:
    assert without_logins(TEXT) == (
        "--index-url https://me:index@pypi.example/simple\n"
        "a @ git+https://one.example/team/a.git@v1#subdirectory=x\n"
        "b @ git+https://two.example/b@0123abc\n"
        "c @ git+https://two.example/c.git\n"
        "-e git+ssh://git@one.example/d.git#egg=d\n"
        "e @ git+https://three.example/e.git\n"
        "f @ git+https://four.example/f.git\n"
        "g @ git+https://five.example/g.git\n"
    )


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://one.example/team/a.git", ("s3cret", "")),
        ("https://one.example/a-submodule", ("s3cret", "")),
        ("https://two.example/b", ("bob", "p@ss")),
        ("https://two.example/c.git", ("eve", "other")),
        ("https://two.example/another", None),
        ("https://three.example/e.git", None),
        ("https://four.example/f.git", ("fay", "p@/ss:w")),
        ("https://five.example/g.git", ("gil", "p@ss")),
        ("http://one.example/team/a.git", None),
    ],
)
def test_git_is_told_the_login_of_that_place(url: str, login: tuple[str, str] | None) -> None:
    env = {"TOKEN": "s3cret", "NAME": "fay", "WORD": "p@/ss:w", "GIT_CONFIG_COUNT": "1"}
    more = {"GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "T"}
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ("git", "credential", "fill"),
        input=f"url={url}\n\n",
        env={"PATH": os.environ["PATH"], **alone, **env, **more, **login_settings(TEXT, env)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    told = dict(line.split("=", 1) for line in done.stdout.splitlines())
    found = (told["username"], told["password"]) if done.returncode == 0 else None
    assert found == login


def test_without_a_login_git_is_told_nothing() -> None:
    assert login_settings("a @ git+https://one.example/a.git\n", {}) == {}


def test_they_come_back_where_they_were_and_nowhere_else() -> None:
    assert with_logins(without_logins(TEXT), [TEXT]) == TEXT
    others = "b @ git+https://two.example/bb@1\ne @ git+https://three.example/e.git#egg=e\n"
    assert with_logins(others, [TEXT]) == others
