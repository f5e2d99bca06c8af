"""failures: what uv really printed (0.13.9), and which error it becomes."""

from __future__ import annotations

import time

import pytest

from buildpack.installers.diagnosis.errors import (
    BrokenDownloadError,
    DiskFullError,
    HashMismatchError,
    InstallFailedError,
    MissingFileError,
    NoMatchingDistributionError,
    NoSuchVersionError,
    OutOfMemoryError,
    VersionConflictError,
)
from buildpack.installers.diagnosis.failures import classify_failure
from buildpack.installers.diagnosis.network_errors import (
    IndexAccessError,
    IndexTlsError,
    IndexUnreachableError,
    ProxyError,
)
from buildpack.installers.diagnosis.package_errors import (
    BadMetadataError,
    NoWheelError,
    PreReleaseOnlyError,
    PythonExcludedError,
    YankedError,
)
from buildpack.installers.diagnosis.source_builds import SourceBuildError
from buildpack.installers.installed import HostileWheelError
from buildpack.installers.vendored import NotVendoredError
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


def classify(output: str, code: int = 1, **env: str) -> SlugkitError:
    return classify_failure(output.splitlines(), INDEX, code, python="3.11.7", env=env)


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
    assert isinstance(error, NoSuchVersionError)
    assert (error.package, error.id) == ("flask", NoMatchingDistributionError.id)
    assert error.text() == (
        "The index has no version of flask that is ==99.1.0\n\n"
        "Because there is no version of flask==99.1.0 and you require\n"
        "flask==99.1.0, we can conclude that your requirements are\n"
        "unsatisfiable.\n\n"
        "Ask for one of the versions that there are:\n\n"
        "    pip index versions flask"
    )


UNNAMED_BUILD = """\
error: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.get_requires_for_build_wheel` failed (exit \
status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 14, in <module>
             requires = get_requires_for_build({})
           File "/cache/uv/builds-v0/.tmpX/lib/python3.13/site-packages/setuptools/build_meta.py", \
line 333, in get_requires_for_build_wheel
             return self._get_build_requires(config_settings, requirements=[])
                    ~~~~~~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           File "<string>", line 3
             setup(name="tally", version="1.0"
                  ^
         SyntaxError: '(' was never closed
"""


def test_a_directory_of_the_app_that_cannot_be_built() -> None:
    error = classify(UNNAMED_BUILD)
    assert isinstance(error, SourceBuildError)
    assert error.text() == (
        "A package in a directory of your app could not be built from source\n\n"
        "Traceback (most recent call last):\n"
        '  File "<string>", line 14, in <module>\n'
        "    requires = get_requires_for_build({})\n"
        '  File "<string>", line 3\n'
        '    setup(name="tally", version="1.0"\n'
        "         ^\n"
        "SyntaxError: '(' was never closed\n\n"
        "Its own build (setup.py, or the build backend that its pyproject.toml names)\n"
        "said the above. Correct it there."
    )


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


def unsolvable(reason: str, hint: str = "") -> str:
    """uv's words around the reason for which it found no solution."""
    text = f"error: No solution found when resolving dependencies\n  cause: Because {reason}"
    return text + (f"\n\nhint: {hint}" if hint else "")


def none_left(package: str, why: str) -> str:
    name = package.partition("==")[0]
    return (
        f"{package} {why} and only {package} is available, we can conclude that all versions of "
        f"{name} cannot be used.\n         And because you require {name}, we can conclude that "
        "your requirements are unsatisfiable."
    )


def test_a_package_for_another_python() -> None:
    error = classify(unsolvable(none_left("newpy==1.0", "requires Python >=3.12")))
    assert isinstance(error, PythonExcludedError)
    assert error.text() == (
        "newpy==1.0 is not for Python 3.11\n\nIt requires Python >=3.12.\n\n"
        "Because newpy==1.0 requires Python >=3.12 and only newpy==1.0 is\n"
        "available, we can conclude that all versions of newpy cannot be used.\n"
        "And because you require newpy, we can conclude that your requirements\n"
        "are unsatisfiable.\n\n"
        "Choose a Python that it is for, in .python-version; or ask for a\n"
        "version of newpy that is for this one."
    )


def test_the_apps_own_project_for_another_python() -> None:
    error = classify(
        unsolvable(
            "the current Python version (3.11.2) does not satisfy Python>=3.12,<4 and lib==1 "
            "depends on Python>=3.12,<4, we can conclude that lib==1 cannot be used."
        )
    )
    assert isinstance(error, PythonExcludedError)
    assert (error.package, error.wanted) == ("lib==1", ">=3.12,<4")


def test_wheels_for_other_pythons_only() -> None:
    why = "has no wheels with a matching Python ABI tag (e.g., `cp311`)"
    hint = (
        "You require CPython 3.11 (`cp311`), but we only found wheels for `pyw` (v1.0) with the "
        "following Python ABI tag: `cp39`"
    )
    error = classify(unsolvable(none_left("pyw==1.0", why), hint))
    assert isinstance(error, NoWheelError)
    assert error.text() == (
        "No file of pyw can be installed here\n\n"
        "You require CPython 3.11 (`cp311`), but we only found wheels for `pyw`\n"
        "(v1.0) with the following Python ABI tag: `cp39`\n\n"
        "Choose a Python that it has wheels for, in .python-version, or another\n"
        "version of the package."
    )


def test_metadata_no_installer_accepts() -> None:
    hint = (
        "Metadata for `old` (v1.0) could not be parsed:\n"
        "  after parsing `1`, found `.x.*`, which is not part of a valid version\n  foo>=1.x.*"
    )
    error = classify(unsolvable(none_left("old==1.0", "has invalid metadata"), hint))
    assert isinstance(error, BadMetadataError)
    assert error.text() == (
        "old==1.0 has invalid metadata\n\n" + hint + "\n\n"
        "pip before 24.1 let this pass; nothing does today. Ask for a newer\n"
        "version of the package: most were corrected long ago."
    )


@pytest.mark.parametrize(
    ("why", "reason"),
    [("was yanked (reason: broken build)", "broken build"), ("was yanked", "")],
)
def test_all_that_fits_was_withdrawn(why: str, reason: str) -> None:
    error = classify(unsolvable(none_left("yank==1.0", why)))
    assert isinstance(error, YankedError)
    assert error.reason == reason
    assert error.text() == (
        "yank==1.0 was withdrawn by its authors ('yanked')\n\n"
        + (f"Their reason: {reason}" if reason else "They gave no reason.")
        + "\n\nAllow another version of yank. To have this one all the same,\n"
        "ask for it exactly: yank==1.0"
    )


def test_only_a_pre_release() -> None:
    error = classify(
        unsolvable(
            "only prel==1.0rc1 is available and you require prel>=1, we can conclude that your "
            "requirements are unsatisfiable."
        )
    )
    assert isinstance(error, PreReleaseOnlyError)
    assert error.text() == (
        "Of prel there is only a pre-release, 1.0rc1\n\n"
        "Because only prel==1.0rc1 is available and you require prel>=1, we can\n"
        "conclude that your requirements are unsatisfiable.\n\n"
        "Pre-releases are not chosen unasked. Ask for it exactly:\n\n    prel==1.0rc1\n\n"
        "or put this on a line of its own, for all packages:\n\n    --pre"
    )


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


def test_uv_itself_was_killed() -> None:
    error = classify("Resolved 3 packages in 1ms", code=-9)
    assert isinstance(error, OutOfMemoryError)
    assert error.brief == "The installation was killed"


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


@pytest.mark.parametrize(
    ("output", "package", "problem"),
    [
        (
            "error: Failed to download `dup==1.0`\n"
            "  cause: Failed to extract archive: dup-1.0-py3-none-any.whl\n"
            "  cause: ZIP file contains multiple entries with different contents for: dup.py",
            "dup==1.0",
            "Failed to extract archive: dup-1.0-py3-none-any.whl cause: ZIP file contains multiple "
            "entries with different contents for: dup.py",
        ),
        (
            "error: Failed to install: entry-1.0-py3-none-any.whl (entry==1.0)\n"
            "  cause: The wheel is invalid: Script path must resolve to a file within the scripts "
            "directory: ../evil6",
            "entry-1.0",
            "The wheel is invalid: Script path must resolve to a file within the scripts "
            "directory: ../evil6",
        ),
        (
            unsolvable(
                none_left("liar==1.0", "has an invalid package format"),
                "The structure of `liar` (v1.0) was invalid:\n  The .dist-info directory `aa-1.0` "
                "does not start with the normalized package name: liar",
            ),
            "liar",
            "The .dist-info directory `aa-1.0` does not start with the normalized package name: "
            "liar",
        ),
    ],
    ids=["two members of one name", "a script elsewhere", "another package's name"],
)
def test_wheels_that_uv_refuses(output: str, package: str, problem: str) -> None:
    error = classify(output)
    assert isinstance(error, HostileWheelError)
    assert (error.package, error.problems) == (package, (problem,))


def test_what_is_not_vendored() -> None:
    error = classify(
        unsolvable(
            "below was not found in the provided package locations and top==1.0 depends on below, "
            "we can conclude that top==1.0 cannot be used."
        )
    )
    assert isinstance(error, NotVendoredError)
    assert error.missing == ("below",)


def test_a_build_that_prints_megabytes_in_one_word_is_understood_at_once() -> None:
    begun = time.monotonic()
    error = classify_failure(["a" * 4_000_000, *("b" * 60_000 for _ in range(20))], "https://x", 1)
    assert isinstance(error, InstallFailedError)
    assert time.monotonic() - begun < 5  # it was minutes


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
