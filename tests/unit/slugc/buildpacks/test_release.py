"""Every form of YAML that bin/release prints, and what is none of them."""

from __future__ import annotations

import time

import pytest

from slugc.buildpacks.errors import ReleaseOutputError
from slugc.buildpacks.release import parse_release


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "--- {}\n",
        "---\n",
        "---\n...\n",
        "{}",
        "# none\n",
        "addons: []\nconfig_vars: {}\ndefault_process_types: {}\n",
        "---\nconfig_vars:\ndefault_process_types:\n",
        "default_process_types: ~\n",
        "default_process_types: []\n",
        "unknown: {a: [1]}\n",
    ],
)
def test_a_release_without_defaults(printed: str) -> None:
    found = parse_release(printed, "pack")

    assert (found.default_process_types, found.config_vars, found.addons) == ({}, {}, ())


@pytest.mark.parametrize(
    "printed",
    [
        "default_process_types:\n  web: bin/web -p $PORT\n",
        "---\ndefault_process_types:\n  web: |\n    bin/web -p $PORT\n",
        '{"default_process_types": {"web": "bin/web -p $PORT"}}',
        "---\r\ndefault_process_types:\r\n  web: bin/web -p $PORT\r\n",
        "default_process_types: {web: 'bin/web -p $PORT'}",
        "default_process_types:\n  web: >\n    bin/web\n    -p $PORT\n",
        "default_process_types:\n    'web' : bin/web -p $PORT # served\n",
    ],
)
def test_the_same_default_in_every_form(printed: str) -> None:
    assert parse_release(printed, "pack").default_process_types == {"web": "bin/web -p $PORT"}


def test_texts_stay_as_they_are_written() -> None:
    found = parse_release(
        "config_vars:\n  N: 3\n  D: true\n  ON: on\n  V: 1.10\n  DAY: 2020-01-02\n"
        "  ZERO: 007\n  Q: \"a: 'b'\"\n  EMPTY: ''\n",
        "pack",
    )

    assert found.config_vars == {
        "N": "3",
        "D": "true",
        "ON": "on",
        "V": "1.10",
        "DAY": "2020-01-02",
        "ZERO": "007",
        "Q": "a: 'b'",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("printed", "addons"),
    [
        ("addons:\n  - heroku-postgresql:hobby-dev\n", ("heroku-postgresql:hobby-dev",)),
        ("addons: [a, b]", ("a", "b")),
        ("addons: {shared-database: 5mb}", ("shared-database",)),
        ("addons: a", ("a",)),
    ],
)
def test_add_ons_in_every_form(printed: str, addons: tuple[str, ...]) -> None:
    assert parse_release(printed, "pack").addons == addons


@pytest.mark.parametrize(
    ("printed", "problem"),
    [
        ("- web", "it is not a mapping"),
        ("rubbish", "it is not a mapping"),
        ("config_vars: 3", "'config_vars' is not a mapping"),
        ("x" * 70_000, "it is longer than 64 KiB"),
        ("config_vars: {1: x}", "'1' is no config var"),
        ("config_vars: {A: [x]}", "'config_vars' holds 'A', which is not a name with a text"),
        (
            'config_vars: {A: "x\\0y"}',
            "'config_vars' holds 'A', which is not a name with a text",
        ),
        ("default_process_types: {'a b': x}", "'a b' is no process type"),
        ("default_process_types: {web: ''}", "'web' has no command"),
        ("!!python/object/apply:os.system ['id']", "it is not a mapping"),
        ("[" * 50_000, "it is nested too deeply"),
    ],
)
def test_a_release_we_cannot_use(printed: str, problem: str) -> None:
    with pytest.raises(ReleaseOutputError) as caught:
        parse_release(printed, "pack")

    assert caught.value.problems == (problem,)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("printed", ["a: [", "a: b: c", "\x07", "[a]: {b: c}\n? {d: e}\n: f"])
def test_a_release_that_is_no_yaml_is_refused(printed: str) -> None:
    with pytest.raises(ReleaseOutputError) as caught:
        parse_release(printed, "pack")

    assert caught.value.problems[0].startswith("it is not YAML: ")
    assert "\n" not in caught.value.problems[0]


def test_what_is_no_yaml_is_told_by_its_place() -> None:
    with pytest.raises(ReleaseOutputError) as caught:
        parse_release("a: [b\n", "pack")

    assert caught.value.problems == (
        "it is not YAML: line 2, column 1: expected ',' or ']', but got '<stream end>'",
    )


def test_every_problem_is_listed() -> None:
    with pytest.raises(ReleaseOutputError) as caught:
        parse_release("config_vars: 3\ndefault_process_types: {'a b': x, w: ''}", "pack")

    assert len(caught.value.problems) == 3


def test_aliases_that_multiply_cost_nothing() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    started = time.thread_time()

    assert parse_release("\n".join(lines), "pack").config_vars == {}
    assert time.thread_time() - started < 2
