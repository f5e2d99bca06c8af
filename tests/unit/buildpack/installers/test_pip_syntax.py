"""pip_syntax and variables: what pip reads, in uv's words, with nothing secret written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.installers.given import given_by
from buildpack.installers.pip_syntax import (
    BadOptionError,
    ignored_options,
    link_directories,
    option_problem,
    parse_options,
    translate,
    uv_arguments,
)
from buildpack.installers.variables import expand, secrets_in, used_variables
from buildpack.requirement_lines import split_lines


def translated(text: str, **variables: str) -> str:
    return translate(split_lines("r.txt", text), variables, Path("/app"))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("a==3 --hash=sha256:aa --hash sha256:bb", "a==3 --hash=sha256:aa --hash=sha256:bb"),
        ('lxml --global-option="--x y"', "lxml"),
        ("lxml --config-settings=a=b", "lxml"),
        ("--requirement=more/a.txt", "-r more/a.txt"),
        ("--constraint c.txt", "-c c.txt"),
        ("-e ./lib[dev]", "-e ./lib[dev]"),
        ("-e git+https://h.example/x@v1#egg=x", "x @ git+https://h.example/x@v1"),
        ("git+https://h.example/x#egg=x[s]&subdirectory=p",
         "x[s] @ git+https://h.example/x#subdirectory=p"),
        ("git+https://h.example/x", "git+https://h.example/x"),
        ("-i https://i.example/simple", "--index-url https://i.example/simple"),
        ("--no-binary a,b", "--no-binary a\n--no-binary b"),
        ("-f wheels", "--find-links /app/wheels"),
        ("-f https://w.example", "--find-links https://w.example"),
        ("--index-url https://i.example --extra-index-url https://e.example",
         "--index-url https://i.example\n--extra-index-url https://e.example"),
    ],
)  # fmt: skip
def test_a_line_for_pip_becomes_a_line_for_uv(theirs: str, ours: str) -> None:
    assert translated(theirs) == f"{ours}\n"


@pytest.mark.parametrize("line", ["--pre", "--prefer-binary", "--trusted-host h", "# only words"])
def test_what_is_said_elsewhere_or_nowhere_leaves_no_line(line: str) -> None:
    assert translated(line) == ""


def test_variables_are_filled_in_outside_urls_and_stay_in_urls() -> None:
    text = "flask==${V}\nx @ https://${TOKEN}@h.example/x.whl\ny==$V ${v}\n"
    assert translated(text, V="3.1", TOKEN="secret") == (
        "flask==3.1\nx @ https://${TOKEN}@h.example/x.whl\ny==$V ${v}\n"
    )


def test_offline_nothing_names_a_place_to_fetch_from() -> None:
    lines = split_lines("r.txt", "--index-url https://i.example\n-f https://w.example\nflask\n")
    assert translate(lines, {}, Path("/app"), is_offline=True) == "flask\n"


def test_what_uv_takes_on_its_command_line() -> None:
    lines = split_lines("r.txt", "--pre\n--trusted-host h.example\n-r x.txt\nflask\n")
    assert uv_arguments(lines) == ("--prerelease", "allow", "--allow-insecure-host", "h.example")


def test_options_without_effect_are_found_with_their_lines() -> None:
    lines = split_lines("r.txt", "--prefer-binary\nlxml --global-option=x --hash=sha256:aa\n")
    assert [(line.number, name) for line, name in ignored_options(lines)] == [
        (1, "--prefer-binary"),
        (2, "--global-option"),
    ]


def test_directories_of_wheels_in_the_app_are_known() -> None:
    lines = split_lines("r.txt", "-f ./wheels\n-f https://w.example\n-f /elsewhere\n-f ../up\n")
    assert list(link_directories(lines)) == ["wheels", "../up"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("--process-dependency-links", "pip has no option --process-dependency-links for"),
        ("--index-url", "--index-url needs a value."),
        ("--find-links 'x", "It has a quotation mark too many or too few"),
        ("-e hg+https://h.example/x", "Of version control systems only git is supported, not hg."),
        ("--index-url=https://i.example", ""),
        ("-e .", ""),
    ],
)
def test_what_is_wrong_with_a_line_of_options(text: str, problem: str) -> None:
    (line,) = split_lines("r.txt", text)
    found = option_problem(line)
    assert found.startswith(problem)
    assert bool(found) is bool(problem)


def test_short_options_may_be_glued_to_their_value() -> None:
    assert parse_options("-fhttps://w.example/?a=b") == (
        ("--find-links", "https://w.example/?a=b"),
    )
    with pytest.raises(BadOptionError):
        parse_options("--frobnicate")


def test_only_upper_case_names_in_braces_are_variables() -> None:
    env = {"A_1": "x", "lower": "y", "EMPTY": ""}
    assert expand("${A_1} $A_1 ${lower} ${EMPTY} ${NONE}", env) == (
        "x $A_1 ${lower} ${EMPTY} ${NONE}"
    )
    assert used_variables("${A_1} ${EMPTY}", {**env, "OTHER": "never"}) == {"A_1": "x"}


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("https://user:pass-word@h.example/x", ("pass-word",)),
        ("git+https://tok-en@h.example/x", ("tok-en",)),
        ("https://tok-en:x-oauth-basic@h.example/x", ("tok-en",)),
        ("git+ssh://git@h.example/x", ()),
        ("https://${USER}:${PASSWORD}@h.example/x", ()),
        ("flask==3", ()),
    ],
)
def test_secrets_written_out_in_urls_are_known(text: str, secrets: tuple[str, ...]) -> None:
    assert secrets_in(text) == secrets


def test_a_value_in_a_url_is_secret_and_a_version_number_is_not() -> None:
    text = "flask==${V}\n--extra-index-url ${INDEX}/simple\n"
    env = {"V": "3.1.3", "INDEX": "https://me:pass-word@i.example"}
    given = given_by({"requirements.txt": text}, env)
    assert given.secrets == ("https://me:pass-word@i.example", "pass-word")
    assert given.indexes == ("https://me:pass-word@i.example/simple",)
    assert given.variables == env
