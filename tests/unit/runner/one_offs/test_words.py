"""What is asked of one-offs, and what is said when it cannot be done."""

from __future__ import annotations

import errno
import os

from runner.engines.embedded.entering.entered import ContainerEndedError, EnterError
from runner.launch import one_off_command
from runner.one_offs.detach import DetachedSlugError, DetachedStartError, describe_failure
from runner.one_offs.inside import NotEnterableError
from slugc.procfile import ProcessType


def test_a_console_is_the_apps_own_type_or_what_was_given_instead() -> None:
    types = {ProcessType("console"): "rails c"}
    assert one_off_command(("console",), types, otherwise="python") == "rails c"
    assert one_off_command(("console", "a b"), types, otherwise="python") == "rails c 'a b'"
    assert one_off_command(("console",), {}, otherwise="python") == "python"


def test_words_of_what_cannot_be_entered() -> None:
    error = NotEnterableError("web.1", "docker")
    assert error.exit_code == 69
    assert error.text() == (
        "web.1 cannot be entered: the docker engine has no exec yet\n\n"
        "Run the command in a container of its own instead:\n\n    slug-run run -- COMMAND"
    )


def test_words_of_a_container_that_ended_and_of_walls_that_cannot_be_joined() -> None:
    ended = ContainerEndedError("web.1")
    assert ended.exit_code == 1
    assert ended.text() == (
        "The container web.1 has ended\n\n"
        "Its successor has the same name: try again, or see slug-run ps."
    )
    refused = EnterError("web.1", "Its limits: Permission denied\n")
    assert refused.exit_code == 77
    assert refused.text().startswith(
        "The container web.1 could not be entered\n\nIts limits: Permission denied\n\n"
    )


def test_words_of_what_cannot_be_detached() -> None:
    assert DetachedSlugError().text() == (
        "--slug cannot be used with --detach\n\n"
        "A detached one-off is of an app: its output goes to the app's log.\n\n"
        "Deploy the slug, or stay with it:\n\n"
        "    slug-run deploy app.slug\n    slug-run run --slug app.slug -- COMMAND"
    )


def test_the_owners_error_is_told_as_if_it_were_ours() -> None:
    found = {"brief": "No", "details": "Found it", "resolution": "Do this", "exit_code": 76}
    error = DetachedStartError(found)
    assert (error.exit_code, error.text()) == (76, "No\n\nFound it\n\nDo this")


def test_a_full_disk_is_told_as_one_and_only_a_bug_of_ours_with_a_traceback() -> None:
    full = describe_failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert full == {
        "brief": "slug-run could not go on: No space left on device",
        "details": "",
        "resolution": "Make room or lift the limit, then try again.",
        "exit_code": 73,
    }
    refused = describe_failure(DetachedSlugError())
    assert (refused["brief"], refused["exit_code"]) == ("--slug cannot be used with --detach", 64)
    bug = describe_failure(AttributeError("holder"))
    assert (bug["brief"], bug["exit_code"]) == ("Internal error", 70)
    assert "AttributeError: holder" in str(bug["details"])
