"""Slips in requirements that are recognised, and what is said of them."""

from __future__ import annotations

import pytest

from buildpack.requirement_hints import what_was_meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("requests=2.32", "A version takes two equals signs: requests==2.32"),
        ("psycopg[binary] = 3.2", "A version takes two equals signs: psycopg[binary]==3.2"),
        (
            "flask=2.2.2=py311h06a4308_0",
            "Conda writes it like this. For pip: pip list --format=freeze > requirements.txt",
        ),
        (
            "numpy==1.26.4=py311h64a7726_0",
            "Conda writes it like this. For pip: pip list --format=freeze > requirements.txt",
        ),
        (
            "version https://git-lfs.github.com/spec/v1",
            "This is what Git LFS leaves of a file that it has not fetched.",
        ),
        ('"flask==3.0"', "No quotes belong around it: flask==3.0"),
        ("idna 3.10", "A version takes two equals signs: idna==3.10"),
        ("django~=5", "'~=' needs two numbers at least: django~=5.0"),
        ("idna==3.10#pinned", "A comment needs a blank before it: idna==3.10 #"),
        (
            "idna==3.10; python_version > 3.8",
            "The number needs quotes: python_version > '3.8'",
        ),
        ("flask, gunicorn==23.0.0", "Each package needs a line of its own."),
        ("flask>=3.0 gunicorn~=23.0", "Each package needs a line of its own."),
        ("two words", "Each package needs a line of its own."),
        ("gunicorn >> 2", "'>>' compares nothing. There are: == >= <= > < != ~="),
        ("flask => 3", "'=>' compares nothing. There are: == >= <= > < != ~="),
        ("flask >", "There is no version after '>'."),
        ("django == four", "'four' is no version."),
        ("fl\u0430sk==3", "It has U+0430 in it (CYRILLIC SMALL LETTER A)."),
        ("flask\u200b==3", "It has U+200B in it (ZERO WIDTH SPACE)."),
        ("import flask", "This is Python, not the name of a package."),
        ("from flask import Flask", "This is Python, not the name of a package."),
        ("pip install six idna", "This is a command. Write what it installs alone: six idna"),
        ("python -m pip install six", "This is a command. Write what it installs alone: six"),
        (
            "git@github.com:example/shop.git",
            "An address for git is written as a URL: "
            "shop @ git+ssh://git@github.com/example/shop.git",
        ),
    ],
)
def test_common_slips_are_recognised(text: str, meant: str) -> None:
    assert what_was_meant(text) == meant


@pytest.mark.parametrize("text", ["flask==3.1.3", "importlib-metadata", "flask (a web framework)"])
def test_nothing_is_said_of_what_is_no_known_slip(text: str) -> None:
    assert what_was_meant(text) == ""
