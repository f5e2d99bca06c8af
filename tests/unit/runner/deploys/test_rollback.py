"""rollback and retry: new releases that are made of old ones."""

from __future__ import annotations

import pytest

from buildpack.support.errors import ExitCode, SlugkitError
from runner.deploys.errors import (
    NothingToRetryError,
    NothingToRollBackToError,
    ReleaseNameError,
    ReleasePhaseError,
    RollbackError,
    SlugGoneError,
)
from runner.deploys.rollback import parse_version, retry, roll_back
from runner.state.errors import NoSuchReleaseError
from slugc.slug import SlugDamagedError
from tests.unit.runner.deploys.counter import OPTIONS, Counter
from tests.unit.runner.fakes import Behaviour


@pytest.mark.parametrize(("word", "version"), [("v7", 7), ("7", 7), ("V12", 12), ("v0", 0)])
def test_a_release_is_named_by_its_version(word: str, version: int) -> None:
    assert parse_version(word) == version


@pytest.mark.parametrize("word", ["", "v", "x", "v-1", "v1.5", "v٣", "latest", "9" * 10, "v1\n"])
def test_other_words_name_none(word: str) -> None:
    with pytest.raises(ReleaseNameError) as caught:
        parse_version(word)
    assert caught.value.exit_code is ExitCode.USAGE


def three(counter: Counter) -> None:
    """v1 one; v2 config; v3 two; v4 three, failed; v5 three"""
    counter.deploy(counter.slug("one"))
    counter.config(A="1")
    counter.deploy(counter.slug("two"))
    counter.release_command(4, Behaviour(exits=1))
    slug = counter.slug("three", {"web": "serve", "release": "migrate"})
    with pytest.raises(ReleasePhaseError):
        counter.deploy(slug)
    counter.deploy(slug)


def test_a_rollback_brings_back_slug_and_config_as_a_new_release(counter: Counter) -> None:
    three(counter)
    counter.config(A="2")
    done = roll_back(counter.desk, counter.app, 2, OPTIONS)
    target = counter.state.release(counter.app, 2)
    assert (done.release.label, done.release.description) == ("v7", "Rollback to v2")
    assert (done.release.slug, done.release.config_vars) == (target.slug, target.config_vars)
    assert counter.current() == "v7"


def test_without_a_version_it_is_the_last_one_that_ran_before(counter: Counter) -> None:
    three(counter)
    assert roll_back(counter.desk, counter.app, None, OPTIONS).release.description == (
        "Rollback to v3"
    )


def test_a_rollback_runs_the_release_command_of_its_slug(counter: Counter) -> None:
    three(counter)
    counter.deploy(counter.slug("four"))
    counter.release_command(7, Behaviour(exits=1))
    with pytest.raises(ReleasePhaseError):
        roll_back(counter.desk, counter.app, 5, OPTIONS)
    assert counter.current() == "v6"
    assert counter.statuses()["v7"] == "failed"


@pytest.mark.parametrize(
    ("version", "kind", "said"),
    [
        (0, NoSuchReleaseError, "polls has no release v0\n\nIts releases are v1 to v5."),
        (9999, NoSuchReleaseError, "polls has no release v9999\n\nIts releases are v1 to v5."),
        (5, RollbackError, "v5 is the current release already."),
        (4, RollbackError, "v4 never ran: its release phase failed."),
    ],
)
def test_where_one_cannot_go_back_to(
    version: int, kind: type[SlugkitError], said: str, counter: Counter
) -> None:
    three(counter)
    with pytest.raises(kind) as caught:
        roll_back(counter.desk, counter.app, version, OPTIONS)
    assert caught.value.exit_code is ExitCode.USAGE
    assert said in caught.value.text()
    assert len(counter.statuses()) == 5


def test_a_release_of_config_vars_alone_has_nothing_to_run(counter: Counter) -> None:
    counter.config(A="1")
    counter.deploy(counter.slug("one"))
    with pytest.raises(RollbackError, match="cannot be rolled back") as caught:
        roll_back(counter.desk, counter.app, 1, OPTIONS)
    assert caught.value.details == "v1 has no slug: nothing was deployed by then."
    with pytest.raises(NothingToRollBackToError) as nothing:
        roll_back(counter.desk, counter.app, None, OPTIONS)
    assert nothing.value.text() == (
        "polls has no earlier release to go back to\n\n"
        "slug-run releases --app polls lists those it has."
    )


def test_a_slug_that_is_gone_or_damaged_is_named_and_nothing_changes(counter: Counter) -> None:
    three(counter)
    slug = counter.state.release(counter.app, 1).slug
    assert slug is not None
    path = counter.desk.slugs.path(slug)
    content = bytearray(path.read_bytes())
    content[20] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(SlugDamagedError):
        roll_back(counter.desk, counter.app, 1, OPTIONS)
    path.unlink()
    with pytest.raises(SlugGoneError) as caught:
        roll_back(counter.desk, counter.app, 1, OPTIONS)
    assert caught.value.exit_code is ExitCode.NO_INPUT
    assert caught.value.text() == (
        f"The slug of polls v1 is gone\n\n{path} is not there.\n\n"
        f"Deploy the slug {slug[7:15]} once more from wherever you have it:\n"
        "that brings it back for every release that is made of it."
    )
    assert len(counter.statuses()) == 5


def test_a_deploy_of_the_same_slug_brings_it_back(counter: Counter) -> None:
    one = counter.slug("one")
    counter.deploy(one)
    path = counter.desk.slugs.path(one.metadata.checksum)
    for harm in (path.unlink, lambda: path.write_bytes(b"")):
        harm()
        assert not counter.deploy(one).is_new
        counter.desk.slugs.require_whole(one.metadata.checksum, of="v1")


def test_a_retry_runs_the_release_command_once_more(counter: Counter) -> None:
    counter.config(A="1")
    counter.release_command(2, Behaviour(exits=1))
    counter.release_command(3, Behaviour(exits=1))
    slug = counter.slug("one", {"release": "migrate"})
    with pytest.raises(ReleasePhaseError):
        counter.deploy(slug)
    with pytest.raises(ReleasePhaseError):
        retry(counter.desk, counter.app, OPTIONS)
    done = retry(counter.desk, counter.app, OPTIONS).release
    assert done.description == f"Retry of v3: Deploy {slug.metadata.checksum[7:15]}"
    assert dict(done.config_vars) == {"A": "1"}
    assert counter.current() == "v4"


@pytest.mark.parametrize("ran_before", [True, False])
def test_a_retry_takes_the_config_vars_that_were_set_since(
    counter: Counter, ran_before: bool
) -> None:
    if ran_before:
        counter.deploy(counter.slug("old"))
    counter.config(A="1")
    failing = 3 if ran_before else 2
    counter.release_command(failing, Behaviour(exits=1))
    slug = counter.slug("one", {"release": "migrate"})
    with pytest.raises(ReleasePhaseError):
        counter.deploy(slug)
    counter.config(DATABASE_URL="postgres://db")
    done = retry(counter.desk, counter.app, OPTIONS).release
    assert done.description == f"Retry of v{failing}: Deploy {slug.metadata.checksum[7:15]}"
    assert done.slug == slug.metadata.checksum
    assert dict(done.config_vars) == {"A": "1", "DATABASE_URL": "postgres://db"}


def test_what_failed_before_another_slug_ran_is_not_tried_again(counter: Counter) -> None:
    counter.release_command(1, Behaviour(exits=1))
    with pytest.raises(ReleasePhaseError):
        counter.deploy(counter.slug("one", {"release": "migrate"}))
    counter.deploy(counter.slug("two"))
    counter.config(A="1")
    with pytest.raises(NothingToRetryError) as caught:
        retry(counter.desk, counter.app, OPTIONS)
    assert caught.value.details == "Its newest release, v3, did not fail."


def test_what_failed_before_a_rollback_is_not_tried_again(counter: Counter) -> None:
    counter.deploy(counter.slug("one"))
    counter.release_command(2, Behaviour(exits=1))
    with pytest.raises(ReleasePhaseError):
        counter.deploy(counter.slug("two", {"web": "serve", "release": "migrate"}))
    counter.deploy(counter.slug("three"))
    roll_back(counter.desk, counter.app, 1, OPTIONS)
    with pytest.raises(NothingToRetryError) as caught:
        retry(counter.desk, counter.app, OPTIONS)
    assert caught.value.details == "Its newest release, v4, did not fail."


def test_nothing_to_retry(counter: Counter) -> None:
    with pytest.raises(NothingToRetryError) as caught:
        retry(counter.desk, counter.app, OPTIONS)
    assert caught.value.details == "It has none."
    counter.deploy(counter.slug("one"))
    with pytest.raises(NothingToRetryError) as caught:
        retry(counter.desk, counter.app, OPTIONS)
    assert caught.value.text() == (
        "polls has no failed release to try again\n\n"
        "Its newest release, v1, did not fail.\n\n"
        "To make a release of the slug it has: slug-run deploy SLUG --force"
    )
