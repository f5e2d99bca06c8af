"""Counts to containers."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from runner.formation import (
    ContainerSpec,
    CountError,
    Formation,
    FormationError,
    ReleaseTypeError,
    UnknownProcessTypeError,
    determine_formation,
    expand,
    parse_count,
    parse_formation,
)
from slugc.procfile import ProcessType

WEB, WORKER, RELEASE = ProcessType("web"), ProcessType("worker"), ProcessType("release")
TYPES = MappingProxyType({WEB: "gunicorn app:app", WORKER: "python w.py", RELEASE: "migrate"})


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("2", 2), ("007", 7), ("100", 100)])
def test_parse_count_takes_whole_numbers_up_to_the_limit(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", "Nothing would run."),
        ("-1", "It is below zero."),
        ("1.5", "It is not a whole number."),
        ("abc", "It is not a whole number."),
        ("", "It is not a whole number."),
        ("1=2", "It is not a whole number."),
        ("٣", "It is not a whole number."),
        ("1_0", "It is not a whole number."),
        (" 2", "It is not a whole number."),
        ("1000000000", "One machine runs at most 100 of a process type."),
        ("9" * 5000, "It is not a whole number."),
    ],
)
def test_parse_count_refuses_with_a_reason(text: str, found: str) -> None:
    with pytest.raises(CountError) as caught:
        parse_count(text)
    assert caught.value.found == found
    assert caught.value.exit_code is ExitCode.USAGE


def test_count_error_words() -> None:
    assert CountError("-1", "It is below zero.").text() == (
        "'-1' is not a number of containers to start\n\n"
        "It is below zero.\n\n"
        "Give a whole number from 1 to 100:\n\n"
        "    slug-run web --count 2"
    )


@pytest.mark.parametrize(
    ("words", "count", "concurrency", "asked"),
    [
        (["web"], None, None, {"web": None}),
        (["web"], "2", None, {"web": 2}),
        (["web=2", "worker=1"], None, None, {"web": 2, "worker": 1}),
        (["web", "worker"], None, None, {"web": None, "worker": None}),
        ([], None, "web=2,worker=1", {"web": 2, "worker": 1}),
        ([], None, "web=2, worker=1", {"web": 2, "worker": 1}),
        (["web"], None, "web=3", {"web": 3}),
        (["web=3"], "3", None, {"web": 3}),
        ([], "2", None, {"": 2}),
        ([], None, None, {}),
    ],
)
def test_parse_formation_reads_every_spelling(
    words: list[str], count: str | None, concurrency: str | None, asked: dict[str, int | None]
) -> None:
    assert parse_formation(words, count=count, concurrency=concurrency) == asked


@pytest.mark.parametrize(
    ("words", "count", "concurrency", "found"),
    [
        (["web", "worker"], "2", None, "--count belongs to one process type, and several"),
        (["web=3"], "2", None, "'web' is given as 3 and as 2."),
        (["web=3", "web=2"], None, None, "'web' is given as 3 and 2."),
        ([], None, "web", "'web' after -c has no quantity."),
        ([], None, "web=1,", "'' after -c has no quantity."),
    ],
)
def test_parse_formation_refuses_what_does_not_add_up(
    words: list[str], count: str | None, concurrency: str | None, found: str
) -> None:
    with pytest.raises(FormationError) as caught:
        parse_formation(words, count=count, concurrency=concurrency)
    assert caught.value.found.startswith(found)


def test_determine_formation_gives_one_of_a_named_type() -> None:
    assert dict(determine_formation({"worker": None}, TYPES).quantities) == {"worker": 1}


def test_determine_formation_defaults_to_web() -> None:
    assert determine_formation({}, TYPES).quantities == {"web": 1}
    assert determine_formation({"": 3}, TYPES).quantities == {"web": 3}


def test_determine_formation_defaults_to_the_only_type_of_a_worker_only_app() -> None:
    assert determine_formation({}, {WORKER: "w", RELEASE: "r"}).quantities == {"worker": 1}


def test_determine_formation_asks_when_there_is_no_obvious_default() -> None:
    with pytest.raises(FormationError) as caught:
        determine_formation({}, {ProcessType("a"): "1", ProcessType("b"): "2"})
    assert caught.value.found == "The slug has: a, b."


def test_determine_formation_suggests_the_nearest_type_or_command() -> None:
    with pytest.raises(UnknownProcessTypeError) as caught:
        determine_formation({"weeb": None}, TYPES, commands=["run", "engine"])
    assert caught.value.text() == (
        "There is no process type or command called 'weeb'\n\n"
        "Did you mean web? Process types of this slug: web, worker"
    )
    assert caught.value.exit_code is ExitCode.USAGE


def test_who_has_no_web_is_told_how_to_make_it() -> None:
    error = UnknownProcessTypeError("web", ["worker"])
    assert error.resolution == (
        "Process types of this slug: worker\n\n"
        "What answers requests is called so; a line of the Procfile makes it:\n\n"
        "    web: gunicorn app:app"
    )


def test_determine_formation_suggests_a_type_that_differs_in_case() -> None:
    with pytest.raises(UnknownProcessTypeError) as caught:
        determine_formation({"WEB": 1}, TYPES)
    assert caught.value.suggestion == "web"


def test_determine_formation_refuses_release_and_says_how_to_run_it() -> None:
    with pytest.raises(ReleaseTypeError) as caught:
        determine_formation({"release": 1}, TYPES)
    assert caught.value.text() == (
        "The process type 'release' cannot be started as part of a formation\n\n"
        "It is a command that runs once before the others and then ends.\n\n"
        "Run it once:\n\n    slug-run run release"
    )
    assert isinstance(caught.value, SlugkitError)


def test_expand_numbers_from_one_and_gives_ports_to_web_alone() -> None:
    def make_spec(name: ProcessType, ordinal: int, port: int | None) -> ContainerSpec:
        return ContainerSpec(
            process_type=name, ordinal=ordinal, command="c", argv=("c",), env={}, port=port
        )

    formation = Formation(quantities={WEB: 2, WORKER: 2})
    specs = expand(formation, make_spec, web_ports=(5001, 5002))
    assert [(spec.name, spec.port) for spec in specs] == [
        ("web.1", 5001),
        ("web.2", 5002),
        ("worker.1", None),
        ("worker.2", None),
    ]
    assert (formation.web, formation.total) == (2, 4)
