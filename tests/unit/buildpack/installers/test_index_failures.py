"""Failures of an index, a server, the network or the disk: what uv really printed (0.13.9), and
which error it becomes."""

from __future__ import annotations

import pytest

from buildpack.installers.diagnosis.errors import (
    BrokenDownloadError,
    DiskFullError,
    MissingFileError,
)
from buildpack.installers.diagnosis.failures import classify_failure
from buildpack.installers.diagnosis.network_errors import (
    IndexAccessError,
    IndexTlsError,
    IndexUnreachableError,
    ProxyError,
)
from tests.unit.buildpack.installers.failure_words import classify, unsolvable

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
NO_FILE_SERVER = """\
error: Failed to download `lantern @ https://files.invalid/lantern-1.0-py3-none-any.whl`
  cause: Request failed after 3 retries in 3.4s
  cause: Failed to fetch: https://files.invalid/lantern-1.0-py3-none-any.whl
  cause: dns error"""


def test_the_server_of_one_file_is_not_the_index() -> None:
    error = classify(NO_FILE_SERVER)
    assert error.id == "install::file-unreachable"
    assert error.text() == (
        "The file of lantern cannot be reached\n\n"
        "https://files.invalid/lantern-1.0-py3-none-any.whl: its name cannot be resolved (DNS).\n\n"
        "Your requirements name it by its URL. Check that, and the network and any proxy\n"
        "settings of the build machine."
    )


GIT_WITHOUT_HOST = """\
error: Failed to download and build `greeting @ git+https://git.invalid/example/greeting@v1.0`
  cause: Git operation failed
  cause: failed to clone into: /cache/uv/git-v2/db/6a3cd5112d02ac51
  cause: failed to fetch branch or tag `v1.0`
  cause: process didn't exit successfully: `/usr/bin/git fetch --force --update-head-ok \
'https://git.invalid/example/greeting' '+refs/tags/v1.0:refs/remotes/origin/tags/v1.0'` (exit \
status: 128)
         --- stderr
         fatal: unable to access 'https://git.invalid/example/greeting/': Could not resolve host: \
git.invalid"""


def test_a_tag_is_not_blamed_for_a_server_that_is_not_there() -> None:
    error = classify(GIT_WITHOUT_HOST)
    assert "its host's name cannot be resolved (DNS)" in error.text()
    gone = GIT_WITHOUT_HOST.replace(
        "unable to access 'https://git.invalid/example/greeting/': Could not resolve host: "
        "git.invalid",
        "repository 'https://git.invalid/example/greeting/' not found",
    )
    assert "there is no such repository" in classify(gone).text()


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


def test_a_download_cut_short_is_no_wrong_hash() -> None:
    reason = "short==1.0 has an invalid package format and you require short==1.0"
    hint = "The structure of `short` (v1.0) was invalid:\n  Failed to read from zip file"
    error = classify(unsolvable(reason, hint))
    assert isinstance(error, BrokenDownloadError)
    assert error.text() == (
        "The file of short==1.0 did not arrive whole\n\n"
        "It is not a complete ZIP archive; its hash was not even looked at.\n\n"
        "It was cut short on its way, or it is damaged on the index. Build\n"
        "again; if it happens again, look at what is between the build machine\n"
        "and the index, then at the file itself."
    )


def test_a_file_that_is_gone() -> None:
    url = "http://127.0.0.1:1/files/gone-1.0-py3-none-any.whl"
    error = classify(
        f"error: Failed to fetch: {url}\n"
        f"  cause: HTTP status client error (404 Not Found) for url ({url})"
    )
    assert isinstance(error, MissingFileError)
    assert error.text() == (
        "A file that should be downloaded does not exist\n\n"
        f"{url} answered 'not found' (HTTP 404).\n\n"
        "If it is in your requirements, correct the URL. If the index named\n"
        "it, its pages are out of date; another version may be there."
    )


def test_a_file_of_a_release_that_is_gone() -> None:
    url = "http://127.0.0.1:1/files/inner-2.0-py3-none-any.whl"
    error = classify(
        "error: Failed to download `inner==2.0`\n"
        f"  cause: Failed to fetch: {url}\n"
        f"  cause: HTTP status client error (404 Not Found) for url ({url})\n"
        "hint: `inner` (v2.0) was included because `a` (v1) depends on `inner`"
    )
    assert error.text() == (
        "A file that should be downloaded does not exist\n\n"
        f"{url} answered 'not found' (HTTP 404).\n"
        "It would be inner==2.0.\n\n"
        "The release may have been withdrawn: ask for another one. If a lock file\n"
        "names it, lock inner anew, such as with:\n\n    uv lock --upgrade-package inner"
    )


def test_a_file_that_is_refused() -> None:
    url = "http://127.0.0.1:1/files/auth-1.0-py3-none-any.whl"
    error = classify(
        f"error: Failed to fetch: {url}\n"
        f"  cause: HTTP status client error (403 Forbidden) for url ({url})"
    )
    assert isinstance(error, IndexAccessError)
    assert (error.index, error.status) == (url, "403")


TLS = """\
error: Failed to fetch: https://pypi.org/simple/aa/
  cause: error sending request for url (https://pypi.org/simple/aa/)
  cause: client error (Connect)
  cause: invalid peer certificate: UnknownIssuer

hint: Consider enabling use of system TLS certificates with the `--system-certs` command-line \
flag"""


def test_a_certificate_nobody_trusts() -> None:
    error = classify(TLS)
    assert isinstance(error, IndexTlsError)
    assert error.text() == (
        "The TLS certificate of the package index is not trusted\n\n"
        "https://pypi.org/simple/aa/: invalid peer certificate: UnknownIssuer.\n\n"
        "Nothing was tried without verification. If the index has a certificate\n"
        "of your own authority, name the file of that authority in PIP_CERT or\n"
        "SSL_CERT_FILE. If not, somebody may stand between you and the index."
    )


DEAD_PROXY = """\
error: Request failed after 1 retry in 1.7s
  cause: Failed to fetch: https://pypi.org/simple/aa/
  cause: error sending request for url (https://pypi.org/simple/aa/)
  cause: client error (Connect)
  cause: tunnel error: failed to create underlying connection
  cause: tcp connect error
  cause: Connection refused (os error 111)"""


def test_a_proxy_that_does_not_answer_is_named_without_its_password() -> None:
    error = classify(DEAD_PROXY, HTTPS_PROXY="http://user:pass-word@proxy.example:3128")
    assert isinstance(error, ProxyError)
    assert error.text() == (
        "The proxy does not let the build reach the package index\n\n"
        "http://***@proxy.example:3128: the connection was refused.\n\n"
        "It is set in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY. Correct or unset it;\n"
        "NO_PROXY names hosts that are reached without it."
    )


FULL = """\
error: Failed to download `big==1.0`
  cause: Failed to extract archive: big-1.0-py3-none-any.whl
  cause: I/O operation failed during extraction
  cause: failed to write to file `/c/.tmpzZgPLs/big.bin`: No space left on device (os error 28)"""


def test_a_full_disk() -> None:
    error = classify(FULL)
    assert isinstance(error, DiskFullError)
    assert error.text() == (
        "The disk is full\n\nThere was no room to write big.bin.\n\n"
        "Make room on the build machine, or clear the build cache. Large packages\n"
        "(torch, tensorflow) have smaller builds without graphics cards."
    )


@pytest.mark.parametrize("code", [-25, 153])
def test_a_file_that_fills_the_disk_is_told_as_such(code: int) -> None:
    error = classify_failure(["Resolved 2 packages"], "https://index.example", code)
    assert error.exit_code == 65
    assert error.text() == (
        "A package holds a file of more than 4 GiB\n\n"
        "uv was stopped while it unpacked it. An archive of a few megabytes can hold\n"
        "such a file, to fill the disk of whoever installs it. It had said:\n\n"
        "  Resolved 2 packages\n\n"
        "Nothing of it was kept. Find out which of the packages it is: take the\n"
        "newest ones out of your requirements, and put them back one by one."
    )
