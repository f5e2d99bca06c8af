"""Names, values and limits of config vars."""

from __future__ import annotations

import pytest

from buildpack.support.errors import ExitCode
from runner.config_vars import ConfigVarError, merge_config_vars, parse_assignments


def refused(*layers: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigVarError) as caught:
        merge_config_vars(*layers, warn=lambda _: None)
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value.problems


def test_parse_assignments_splits_at_the_first_equals_sign() -> None:
    assert parse_assignments(["A=1", "B=x=y", "C=", "A=2"]) == {"A": "2", "B": "x=y", "C": ""}


def test_parse_assignments_refuses_a_word_without_equals_and_hides_a_likely_secret() -> None:
    with pytest.raises(ConfigVarError) as caught:
        parse_assignments(["DEBUG", "A=1", "sk-live-123"])
    assert caught.value.problems == (
        "--env 'DEBUG' has no '='; for a file of them use --env-file",
        "--env 3 has no '='; for a file of them use --env-file",
    )


@pytest.mark.parametrize(
    "value",
    ["", " a b ", "it's", '"', "$HOME", "\\n", "a\nb\n", "🦥", '{"a": 1}', "-rf", "x" * 65536],
)
def test_values_are_kept_as_they_are(value: str) -> None:
    assert merge_config_vars({"A": value}, warn=lambda _: None) == {"A": value}


def test_later_layers_win() -> None:
    merged = merge_config_vars({"A": "1", "B": "1"}, {"A": "2"}, warn=lambda _: None)
    assert merged == {"A": "2", "B": "1"}


@pytest.mark.parametrize("name", ["", "1A", "A B", "A\nB", "é", "A-B", "x" * 256, "$(id)"])
def test_bad_names_are_refused(name: str) -> None:
    (problem,) = refused({name: "v"})
    assert problem.endswith("is not a name")
    assert "\n" not in problem


@pytest.mark.parametrize("name", ["PORT", "DYNO", "HOME", "PS"])
def test_names_slug_run_sets_itself_are_refused(name: str) -> None:
    (problem,) = refused({name: "v"})
    assert problem.startswith(f"'{name}' is reserved: ")


def test_impossible_values_are_refused_all_at_once_and_never_shown() -> None:
    problems = refused(
        {"A": "s3cret\0", "B": "s3cret\udcff", "C": "s3cret" * 20000, "__D": "s3cret"}
    )
    assert problems == (
        "the value of 'A' holds a NUL byte",
        "the value of 'B' is not UTF-8",
        "the value of 'C' is 120000 bytes; at most 65536 fit",
        "'__D' starts with two underscores, which slug-run keeps for itself",
    )


def test_all_of_them_together_have_a_limit() -> None:
    many = {f"A{number}": "x" * 60000 for number in range(10)}
    assert refused(many) == ("together they are 600040 bytes; at most 524288 are allowed",)


def test_unwise_names_are_allowed_with_a_warning() -> None:
    warnings: list[str] = []
    merge_config_vars({"LD_PRELOAD": "x", "A": "1", "PATH": "/bin"}, warn=warnings.append)
    assert warnings == [
        "The config var LD_PRELOAD changes how programs start inside every container.",
        "The config var PATH changes how programs start inside every container.",
    ]


def test_config_var_error_words() -> None:
    assert ConfigVarError(["'1A' is not a name"]).text() == (
        "A config var cannot be set\n\n"
        "- '1A' is not a name\n\n"
        "A name is letters, digits and '_', not a digit first:\n\n"
        "    slug-run web --env DEBUG=1"
    )
