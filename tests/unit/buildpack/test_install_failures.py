"""failures: what uv really printed (0.13.9), and which error it becomes."""

from __future__ import annotations

import pytest

from buildpack.installers.errors import (
    HashMismatchError,
    IndexAccessError,
    IndexUnreachableError,
    InstallFailedError,
    NoMatchingDistributionError,
    VersionConflictError,
)
from buildpack.installers.failures import classify_failure
from buildpack.support.errors import SlugkitError

INDEX = "https://pypi.org/simple"

NO_PACKAGE = """\
error: No solution found when resolving dependencies
  cause: Because flask-nonexistent-zzz was not found in the package registry and you require \
flask-nonexistent-zzz==1.0, we can conclude that your requirements are unsatisfiable."""

NO_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of flask==99.1.0 and you require flask==99.1.0, we can \
conclude that your requirements are unsatisfiable."""

CONFLICT = """\
error: No solution found when resolving dependencies
  cause: Because flask==3.1.0 depends on werkzeug>=3.1 and you require flask==3.1.0, we can \
conclude that you require werkzeug>=3.1.
         And because you require werkzeug==2.0.0, we can conclude that your requirements are \
unsatisfiable."""

HASH = """\
Resolved 7 packages in 168ms
error: Failed to download `flask==3.1.0`
  cause: Hash mismatch for `flask==3.1.0`

         Expected:
           sha256:0000

         Computed:
           sha256:d667"""

REFUSED = """\
error: Request failed after 3 retries in 7.4s
  cause: Failed to fetch: http://127.0.0.1:9/simple/werkzeug/
  cause: error sending request for url (http://127.0.0.1:9/simple/werkzeug/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)"""

DNS = """\
error: Request failed after 1 retry in 1.2s
  cause: Failed to fetch: https://no-such-host.invalid/simple/werkzeug/
  cause: error sending request for url (https://no-such-host.invalid/simple/werkzeug/)
  cause: client error (Connect)
  cause: dns error
  cause: error resolving DNS
  cause: failed to lookup address information: Name or service not known"""

SERVER_ERROR = """\
error: Request failed after 1 retry in 1.2s
  cause: Failed to fetch: http://127.0.0.1:18999/500/simple/werkzeug/
  cause: HTTP status server error (500 Internal Server Error) for url (http://127.0.0.1:18999/)"""

UNAUTHORIZED = """\
error: No solution found when resolving dependencies
  cause: Because flask was not found in the package registry and you require flask==3.1.0, we can \
conclude that your requirements are unsatisfiable.

hint: An index URL (http://127.0.0.1:18999/simple) could not be queried due to a lack of valid \
authentication credentials (401 Unauthorized)"""

FORBIDDEN = UNAUTHORIZED.partition("hint:")[0] + (
    "hint: An index (http://127.0.0.1:18999/simple) returned a 403 Forbidden error. Check that"
)

CAPTIVE = "error: Missing `Content-Type` header for `http://127.0.0.1:18999/simple/flask/`"


def classify(output: str) -> SlugkitError:
    return classify_failure(output.splitlines(), INDEX, 1)


def test_a_package_that_does_not_exist() -> None:
    error = classify(NO_PACKAGE)
    assert isinstance(error, NoMatchingDistributionError)
    assert error.package == "flask-nonexistent-zzz"
    assert error.text() == (
        "No package on the index matches 'flask-nonexistent-zzz'\n\n"
        "Because flask-nonexistent-zzz was not found in the package registry\n"
        "and you require flask-nonexistent-zzz==1.0, we can conclude that your\n"
        "requirements are unsatisfiable.\n\n"
        "Check its name and version in your requirements. If the package\n"
        "is private, set PIP_EXTRA_INDEX_URL to the index that has it."
    )


def test_a_version_that_does_not_exist() -> None:
    error = classify(NO_VERSION)
    assert isinstance(error, NoMatchingDistributionError)
    assert error.package == "flask"


def test_requirements_that_contradict_each_other() -> None:
    error = classify(CONFLICT)
    assert isinstance(error, VersionConflictError)
    assert error.brief == "Your requirements cannot be installed together"
    assert error.explanation.startswith("Because flask==3.1.0 depends on werkzeug>=3.1")


def test_a_wrong_hash() -> None:
    error = classify(HASH)
    assert isinstance(error, HashMismatchError)
    assert error.text() == (
        "The hash of flask==3.1.0 is not the one in your requirements\n\n"
        "expected sha256:0000\nfound    sha256:d667\n\n"
        "If you changed the version, write the hashes again. If you did not,\n"
        "the file on the index was replaced: do not use it before you know why."
    )


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (REFUSED, "the connection was refused"),
        (DNS, "its name cannot be resolved (DNS)"),
        (SERVER_ERROR, "it answered with a server error"),
        (CAPTIVE, "what answered is not a package index"),
    ],
)
def test_an_index_that_cannot_be_reached_is_not_a_missing_package(output: str, reason: str) -> None:
    error = classify(output)
    assert isinstance(error, IndexUnreachableError)
    assert error.reason == reason
    assert error.brief == "The package index cannot be reached"


@pytest.mark.parametrize(("output", "status"), [(UNAUTHORIZED, "401"), (FORBIDDEN, "403")])
def test_an_index_that_refuses_access_is_not_a_missing_package(output: str, status: str) -> None:
    error = classify(output)
    assert isinstance(error, IndexAccessError)
    assert (error.index, error.status) == ("http://127.0.0.1:18999/simple", status)


def test_a_password_in_the_index_url_is_not_shown() -> None:
    error = IndexUnreachableError("https://me:hunter2@index.example/simple", "x")
    assert "hunter2" not in error.text()
    assert "https://***@index.example/simple" in error.text()


def test_anything_else_is_shown_as_it_is() -> None:
    error = classify("  x.c:1: fatal error: Python.h\nerror: command gcc failed")
    assert isinstance(error, InstallFailedError)
    assert error.details == "  x.c:1: fatal error: Python.h\nerror: command gcc failed"
