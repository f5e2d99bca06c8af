"""slug-run config: each command's words, exit code, and the releases it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config_vars import MAX_VALUE
from runner.state.values import App, NewRelease, ReleaseStatus
from runner.supervision.poke import Settled
from tests.unit.runner.config.conftest import SlugRun
from tests.unit.runner.config.nasty import CURATED, random_values

VALUES = (*CURATED, *random_values(40, seed=7))


def test_several_at_once_are_one_release_described_as_heroku_does(polls: SlugRun) -> None:
    code, out, err = polls("config", "set", "B=2", "A=1")
    assert (code, out, err) == (0, "A: 1\nB: 2\n", "Set A, B config vars on polls: v1\n")
    (release,) = polls.releases()
    assert (release.version, release.description, release.who) == (1, "Set A, B config vars", "me")
    assert release.config_vars == {"A": "1", "B": "2"}


def test_unset_of_several_is_one_release(polls: SlugRun) -> None:
    polls.done("config", "set", "A=1", "B=2", "C=3")
    code, out, err = polls("config", "unset", "A", "B", "NEVER_SET")
    assert (code, out, err) == (0, "", "Remove A, B config vars on polls: v2\n")
    assert polls.config_vars() == {"C": "3"}


@pytest.mark.parametrize("words", [("set", "A=1"), ("unset", "B"), ("set", "A=2", "A=1")])
def test_what_changes_nothing_makes_no_release(words: tuple[str, ...], polls: SlugRun) -> None:
    polls.done("config", "set", "A=1")
    code, out, err = polls("config", *words)
    assert (code, out, err) == (0, "", "Nothing changed: polls has it so already.\n")
    assert len(polls.releases()) == 1


@pytest.mark.parametrize("word", ["config:set", "config:get", "config:unset"])
def test_herokus_spellings(word: str, polls: SlugRun) -> None:
    assert polls(word, "A=1" if word == "config:set" else "A")[0] == 0


def test_every_value_survives_set_and_get(polls: SlugRun) -> None:
    named = {f"V{number}": text for number, text in enumerate(VALUES) if text != "-"}
    polls.done("config", "set", *(f"{name}={text}" for name, text in named.items()))
    assert polls.config_vars() == named
    for name, text in named.items():
        assert polls.done("config", "get", name) == f"{text}\n"


@pytest.mark.parametrize("text", [*CURATED[:20], *CURATED[-4:], "-", "a\r\n", "\n\n"])
def test_a_value_survives_a_pipe_from_get_to_set(text: str, polls: SlugRun) -> None:
    polls.done("config", "set", "A=-", stdin=f"{text}\n".encode())
    assert polls.config_vars() == {"A": text}
    polls.done("config", "set", "B=-", stdin=polls.done("config", "get", "A").encode())
    assert polls.config_vars() == {"A": text, "B": text}


def test_every_value_survives_export_and_import_and_json(polls: SlugRun) -> None:
    polls.done("apps", "create", "other")
    named = {f"V{number}": text for number, text in enumerate(VALUES) if len(text) < 1000}
    polls.done("config", "import", "--dialect", "json", "-", "-a", "polls",
               stdin=json.dumps(named).encode())  # fmt: skip
    assert polls.config_vars() == named
    assert json.loads(polls.done("config", "-j", "-a", "polls")) == named
    exported = polls.done("config", "export", "-a", "polls").encode()
    polls.done("config", "import", "-", "-a", "other", stdin=exported)
    assert polls.config_vars("other") == named
    assert len(polls.releases("other")) == 1


def test_a_value_in_pieces_of_a_file_keeps_all_but_one_line_end(polls: SlugRun) -> None:
    for content, kept in (
        (b"a", "a"),
        (b"a\n", "a"),
        (b"a\n\n", "a\n"),
        (b"\r\n", "\r"),
        (b"", ""),
    ):
        polls.done("config", "set", "A=-", stdin=content)
        assert polls.done("config", "get", "A") == kept + "\n"


def test_a_list_masks_secrets_and_what_is_read_back_does_not(polls: SlugRun) -> None:
    polls.done("config", "set", "KEY=k3y", "URL=postgres://u:s3cret@h/db", "PLAIN=a b")
    assert polls.done("config") == (
        "=== polls Config Vars\n\nKEY:   ********\nPLAIN: a b\nURL:   postgres://u:********@h/db\n"
    )
    assert polls.done("config", "--reveal").endswith("URL:   postgres://u:s3cret@h/db\n")
    assert polls.done("config", "-s") == "KEY=k3y\nPLAIN='a b'\nURL=postgres://u:s3cret@h/db\n"
    assert json.loads(polls.done("config", "-j"))["KEY"] == "k3y"
    assert polls.done("config", "get", "KEY") == "k3y\n"
    assert polls.done("config", "get", "-s", "PLAIN") == "PLAIN='a b'\n"


def test_no_config_vars_at_all(polls: SlugRun) -> None:
    assert polls("config") == (0, "", "polls has no config vars.\n")
    assert polls.done("config", "-j") == "{}\n"
    assert polls.done("config", "export") == ""


def test_get_of_what_is_not_set_is_an_empty_line(polls: SlugRun) -> None:
    assert polls("config", "get", "A") == (0, "\n", "A is not set on polls.\n")
    assert polls("config", "get", "-s", "A") == (0, "", "A is not set on polls.\n")


def test_a_secret_on_the_command_line_is_set_with_a_word_of_warning(polls: SlugRun) -> None:
    code, out, err = polls("config", "set", "SECRET_KEY=s3cret", "DEBUG=1")
    assert code == 0
    assert out == "DEBUG: 1\nSECRET_KEY: ********\n"
    assert err == (
        "SECRET_KEY stood on the command line, where other users can read it, and your shell"
        " keeps it.\nNext time: slug-run config set SECRET_KEY=- < FILE\n"
        "Set DEBUG, SECRET_KEY config vars on polls: v1\n"
    )
    _, _, err = polls("config", "set", "SECRET_KEY=-", stdin=b"other")
    assert err == "Set SECRET_KEY config vars on polls: v2\n"


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("postgres://u:p@localhost/db", 5432),
        ("redis://127.0.0.1:6379", 6379),
        ("http://[::1]", 80),
        ("a://LOCALHOST:9/", 9),
    ],
)
def test_a_service_on_localhost_gets_a_warning(polls: SlugRun, url: str, port: int) -> None:
    _, _, err = polls("config", "set", "DB=-", stdin=url.encode())
    assert err == (
        "DB names localhost. In a container that is the container itself, not this machine.\n"
        f"To reach this machine's port {port} there: SLUG_RUN_HOST_PORTS={port}\n"
        "Set DB config vars on polls: v1\n"
    )
    polls("config", "set", f"SLUG_RUN_HOST_PORTS={port}")
    _, _, err = polls("config", "set", "DB=-", stdin=b"%s " % url.encode())
    assert "localhost" not in err


@pytest.mark.parametrize(
    "text", ["http://localhost.example.com/", "localhost", "x http://localhost"]
)
def test_other_values_do_not(polls: SlugRun, text: str) -> None:
    assert "localhost." not in polls("config", "set", f"A={text}")[2]


def test_what_changes_how_programs_start_gets_a_warning_once(polls: SlugRun) -> None:
    _, _, err = polls("config", "set", "LD_PRELOAD=x")
    assert err.startswith("The config var LD_PRELOAD changes how programs start")
    assert "LD_PRELOAD" not in polls("config", "set", "A=1")[2]


REFUSED = [
    (["=s3cret"], "'' is not a name"),
    (["1A=s3cret"], "'1A' is not a name"),
    (["A B=s3cret"], "'A B' is not a name"),
    (["A\nB=s3cret"], "'A\\nB' is not a name"),
    (["é=s3cret"], "'é' is not a name"),
    (["A" * 1000 + "=s3cret"], "is not a name"),
    (["__A=s3cret"], "'__A' starts with two underscores"),
    (["PORT=s3cret"], "'PORT' is reserved"),
    (["DYNO=s3cret"], "'DYNO' is reserved"),
    (["HOME=s3cret"], "'HOME' is reserved"),
    (["A=s3cret\0"], "the value of 'A' holds a NUL byte"),
    (["A=s3cret\udcff"], "the value of 'A' is not UTF-8"),
    (["A=" + "s" * (MAX_VALUE + 1)], "the value of 'A' is 65537 bytes; at most 65536 fit"),
    ([f"V{n}=" + "s" * 60_000 for n in range(9)], "together they are"),
    (["A=-", "B=-"], "only one of A, B can be read from there"),
    (["A=1", "DEBUG"], "'DEBUG' has no '='"),
    (["sk_live_0123456789 s3cret"], "word 2 has no '='"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_what_cannot_be_set_is_said_without_its_value(
    words: list[str], said: str, polls: SlugRun
) -> None:
    code, out, err = polls("config", "set", "OTHER=1", *words)
    assert (code, out) == (64, "")
    assert said in err
    assert "slug-run config set DEBUG=1" in err
    assert "s3cret" not in err
    assert "Traceback" not in err
    assert polls.releases() == ()


def test_all_problems_are_told_at_once(polls: SlugRun) -> None:
    _, _, err = polls("config", "set", "1A=x", "PORT=1", "A=\0")
    assert "3 config vars cannot be set" in err


@pytest.mark.parametrize("content", [b"s3cret\0", b"s3cret\xff", b"s3cret" * 20_000])
def test_what_stands_in_standard_input_is_checked_as_well(content: bytes, polls: SlugRun) -> None:
    code, _, err = polls("config", "set", "A=-", stdin=content)
    assert code == 64
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b'{"A": "s3cret\\ud800"}', 64, "the value of 'A' is not UTF-8"),
        (b'{"A": "s3cret\\udcff"}', 64, "the value of 'A' is not UTF-8"),
        (b'{"A": "s3cret\\u0000"}', 64, "the value of 'A' holds a NUL byte"),
        (b'{"\\ud800": "s3cret"}', 64, "is not a name"),
        (b'{"A": "s3cret\xff"}', 65, "standard input:1:1: not UTF-8"),
        (b'{"A": "' + b"s3cret" * 150_000 + b'"}', 64, "the value of 'A' is 900000 bytes"),
    ],
    ids=["lone surrogate", "escaped byte", "NUL", "name", "invalid byte", "900 KB"],
)
def test_json_that_says_what_no_config_var_can_hold(
    content: bytes, code: int, said: str, polls: SlugRun
) -> None:
    found, out, err = polls("config", "import", "--dialect", "json", "-", stdin=content)
    assert (found, out) == (code, "")
    assert said in err
    assert "s3cret" not in err
    assert polls.releases() == ()


def test_the_limit_counts_what_is_set_already(polls: SlugRun) -> None:
    for number in range(8):
        polls.done("config", "set", f"V{number}=-", stdin=b"x" * 65_000)
    code, _, err = polls("config", "set", "V9=-", stdin=b"x" * 65_000)
    assert code == 64
    assert "at most 524288 are allowed" in err
    assert len(polls.releases()) == 8


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"A=1\nnothing\n", ".env:2:1: 'nothing' has no '='"),
        (b"A='s3cret\n", ".env:1:3: the quote ' is never closed"),
        (b"A=1\r\nB=2\r\nA=3\r\n", ".env:3:1: 'A' stands here and in line 1"),
        (b"A=\xff", ".env:1:3: not UTF-8"),
    ],
)
@pytest.mark.parametrize("way", [("import", ".env"), ("set", "--env-file", ".env")])
def test_an_env_file_that_is_wrong_has_a_place_and_changes_nothing(
    content: bytes, place: str, way: tuple[str, ...], polls: SlugRun, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(content)
    code, _, err = polls("config", *way)
    assert code == 65
    assert place in err
    assert "s3cret" not in err
    assert polls.releases() == ()


def test_an_env_file_with_a_mark_windows_lines_and_export_is_fine(
    polls: SlugRun, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfexport A=1\r\nB='x\r\ny'\r\n")
    polls.done("config", "import", ".env")
    assert polls.config_vars() == {"A": "1", "B": "x\ny"}
    assert polls.releases()[0].description == "Set A, B config vars"


def test_a_file_is_beaten_by_words_and_by_later_files(polls: SlugRun, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "b").write_text("B=2\nC=2\n")
    polls.done("config", "set", "C=3", "--env-file", "a", "--env-file", "b")
    assert polls.config_vars() == {"A": "1", "B": "2", "C": "3"}


def test_import_merges_unless_it_shall_replace(polls: SlugRun, tmp_path: Path) -> None:
    polls.done("config", "set", "A=1", "B=2")
    polls.done("config", "import", "-", stdin=b"B=3\nC=4\n")
    assert polls.config_vars() == {"A": "1", "B": "3", "C": "4"}
    code, _, err = polls("config", "import", "--replace", "-", stdin=b"C=5\n")
    assert (code, err) == (0, "Set C and remove A, B config vars on polls: v3\n")
    assert polls.config_vars() == {"C": "5"}


def test_import_of_what_is_not_there_or_too_large(polls: SlugRun) -> None:
    code, _, err = polls("config", "import", "none.env")
    assert code == 66
    assert "The env file none.env cannot be read" in err
    code, _, err = polls("config", "import", "-", stdin=b"#" * (1024 * 1024 + 1))
    assert code == 66
    assert "The env file standard input cannot be read" in err


def test_lines_another_tool_would_skip_are_named(polls: SlugRun) -> None:
    _, _, err = polls("config", "import", "--dialect", "foreman", "-", stdin=b"export A=1\nB=2\n")
    assert err == (
        "standard input:1: skipped, as foreman does; --dialect slug-run says why\n"
        "Set B config vars on polls: v1\n"
    )


def test_nothing_to_set(polls: SlugRun) -> None:
    code, _, err = polls("config", "set")
    assert code == 64
    assert "Nothing to set" in err


def test_diff_is_since_the_release_before_or_the_one_named(polls: SlugRun) -> None:
    polls.done("config", "set", "A=1", "B=2", "SECRET=a")
    polls.done("config", "set", "A=2", "C=3", "SECRET=b")
    polls.done("config", "unset", "B")
    assert polls("config", "diff") == (0, "- B: 2\n", "polls v2 -> v3\n")
    changed = "~ A: 1 -> 2\n- B: 2\n+ C: 3\n~ SECRET: ******** -> ******** (another value)\n"
    assert polls("config", "diff", "v1") == (0, changed, "polls v1 -> v3\n")
    assert polls.done("config", "diff", "1", "v2", "--reveal") == (
        "~ A: 1 -> 2\n+ C: 3\n~ SECRET: a -> b\n"
    )
    assert polls("config", "diff", "v3") == (0, "", "polls v3 -> v3: no difference\n")


@pytest.mark.parametrize("asked", ["v4", "v0", "x", "v1x", "v٣", "v99999999999999999999"])
def test_diff_with_a_release_there_is_not(asked: str, polls: SlugRun) -> None:
    polls.done("config", "set", "A=1")
    code, _, err = polls("config", "diff", asked)
    assert code == 64
    assert f"polls has no release {asked}" in err
    assert "Its releases are v1 to v1." in err


def test_a_change_keeps_the_slug_of_the_release_that_runs(polls: SlugRun) -> None:
    """A release whose release phase failed is not what config vars are added to."""

    def deploy(slug: str, status: ReleaseStatus) -> NewRelease:
        return NewRelease(
            slug=slug, config_vars={"A": "1"}, description="Deploy", who="me", status=status
        )

    polls.state(
        lambda state: [
            state.add_release(state.app("polls"), lambda _: deploy("one", ReleaseStatus.SUCCEEDED)),
            state.add_release(state.app("polls"), lambda _: deploy("two", ReleaseStatus.FAILED)),
        ]
    )
    polls.done("config", "set", "B=2")
    newest = polls.releases()[0]
    assert (newest.version, newest.slug, newest.config_vars) == (3, "one", {"A": "1", "B": "2"})


def test_the_app_may_be_named_before_the_subcommand_or_after(polls: SlugRun) -> None:
    polls.done("apps", "create", "staging")
    polls.done("config", "-a", "staging", "set", "A=1")
    polls.done("config", "set", "B=1", "--app", "staging")
    assert polls.config_vars("staging") == {"A": "1", "B": "1"}
    code, _, err = polls("config", "set", "A=1")
    assert code == 64
    assert "Apps here: polls, staging." in err


def test_a_description_names_twenty_and_counts_the_rest(polls: SlugRun) -> None:
    polls.done("config", "set", *(f"V{n:02}=1" for n in range(25)))
    assert polls.releases()[0].description.endswith("V18, V19 and 5 more config vars")


def test_the_log_names_what_was_set_and_never_the_value(polls: SlugRun) -> None:
    polls.done("config", "set", "SECRET=s3cret", "A=1")
    polls.done("config", "set", "A=1")
    lines = [line.partition(" ")[2] for line in polls.done("logs").splitlines()]
    assert lines == [
        "slug-run[api]: Set A, SECRET config vars by me",
        "slug-run[api]: Release v1 created by me",
    ]


def test_an_app_that_is_kept_running_is_restarted_when_something_changed(
    polls: SlugRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    poked: list[str] = []

    def record(data_dir: Path, app: App, **_: object) -> Settled:
        poked.append(app.name)
        return Settled(ok=True, containers=())

    monkeypatch.setattr("runner.supervision.poke.poke", record)
    polls.done("config", "set", "A=1")
    polls.state(lambda state: state.set_supervision(state.app("polls"), {}))
    polls.done("config", "set", "A=1")
    assert poked == []
    _, _, err = polls("config", "set", "A=3")
    assert err == "Set A config vars on polls: v2\nRestarting polls\n"
    assert poked == ["polls"]


def test_containers_that_do_not_come_up_after_a_change_are_an_error_and_the_change_stays(
    polls: SlugRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "runner.supervision.poke.poke",
        lambda *_, **__: Settled(ok=False, containers=[{"name": "web.1", "state": "crashed"}]),
    )
    polls.state(lambda state: state.set_supervision(state.app("polls"), {}))
    code, _, err = polls("config", "set", "A=1")
    assert code == 1
    assert "polls is not as wanted: web.1 did not come up" in err
    assert polls.config_vars() == {"A": "1"}


def test_every_subcommand_shows_an_example(polls: SlugRun) -> None:
    for group, names in (
        ("config", ("set", "get", "unset", "edit", "import", "export", "diff")),
        ("apps", ("create", "list", "info", "rename", "destroy")),
    ):
        for name in names:
            text = polls.done(group, name, "--help")
            assert f"slug-run {group} {name}" in text.split("\n", 1)[1], name
