"""Reads uv's output after a failure: which of our errors does it stand for?

uv writes for people, so this is a table of patterns, each with the output it was made from in
tests/unit/buildpack/test_install_failures.py. What matches nothing is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from buildpack.installers.diagnosis.errors import (
    BrokenDownloadError,
    DiskFullError,
    FileTooLargeError,
    HashMismatchError,
    InstallFailedError,
    MissingFileError,
    NoMatchingDistributionError,
    NoSuchVersionError,
    OutOfMemoryError,
    VersionConflictError,
)
from buildpack.installers.diagnosis.git_failures import git_failure
from buildpack.installers.diagnosis.network_errors import (
    FileUnreachableError,
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
from buildpack.installers.diagnosis.source_builds import build_error, build_output
from buildpack.installers.file_limit import LARGEST_FILE, STOPPED
from buildpack.installers.installed import HostileWheelError
from buildpack.installers.vendored import NotVendoredError
from buildpack.support.errors import SlugkitError
from buildpack.support.values import NOTHING, value

HASH = re.compile(
    r"Hash mismatch for `(?P<what>[^`]+)` Expected: (?P<expected>.*?) Computed: (?P<got>\S+)"
)
ACCESS = re.compile(
    r"An index(?: URL)? \((?P<url>[^)]+)\) (?:could not be queried due to a lack of valid"
    r"|returned a (?P<status>40[13]))"
)
FORBIDDEN = re.compile(
    r"HTTP status client error \((?P<status>40[13]) [^)]*\) for url \((?P<url>\S+)\)"
)
GONE = re.compile(r"HTTP status client error \(404 Not Found\) for url \((?P<url>\S+)\)")
UNKNOWN_NAME = re.compile(r"Because (?P<package>\S+) was not found in the package registry")
NOT_LOCAL = re.compile(r"(?P<package>\S+) was not found in the provided package locations")
UNKNOWN_VERSION = re.compile(
    r"there (?:is|are) no versions? of (?P<package>[^\s=<>!~,]+)(?P<version>[=<>!~]\S*)?"
)
NO_WHEEL = re.compile(
    r"(?P<package>[^\s=<>!~]+)\S* has no (?:usable )?wheels"
    r"|A (?:path|URL) \((?P<file>[^)]+)\) dependency is incompatible with the current platform"
)
PYTHON = re.compile(
    r"(?P<package>\S+==\S+) requires Python (?P<wanted>[<>=!~]\S*(?:, ?\S+)*) and"
    r"|does not satisfy Python(?P<limit>[<>=!~]\S*(?:, ?\S+)*) and (?P<other>\S+) depends on Python"
)
METADATA = re.compile(r"(?P<package>\S+==\S+) has invalid metadata")
YANKED = re.compile(r"(?P<package>\S+==\S+) was yanked(?: \(reason: (?P<reason>.*?)\))? and")
PRE_RELEASE = re.compile(
    r"only (?P<package>[^\s=]+)==(?P<version>\S*\d(?:a|b|rc|\.dev)\d+\S*) is avail"
)
NOT_WHOLE = re.compile(
    r"(?P<package>\S+) has an invalid package format.*Failed to read from zip file"
    r"|Failed to (?:download|fetch)[^`]*`?(?P<other>[^`\s]+)`?.*(?:unexpected end of file"
    r"|end of file before message length|error decoding response body|Failed to read from zip)"
)
BAD_WHEEL = re.compile(
    r"Failed to (?:download|install):? `?(?P<package>[^`\s]+?)`?(?:-py\S+\.whl)? .*?cause: "
    r"(?P<reason>(?:Failed to extract archive|The wheel is invalid|Scripts must not|ZIP file).*)"
)
WRONG_NAME = re.compile(
    r"structure of `(?P<package>[^`]+)`.*?invalid: (?P<reason>The \.dist-info.*)"
)
RELEASE = re.compile(r"Failed to download `(?P<release>[^`\s@]+==[^`\s@]+)`")
DIRECT = re.compile(r"Failed to download(?: and build)? `(?P<package>[^`]+?) @ https?://")
BUILD = re.compile(r"Failed to (?:download and )?build `(?P<package>[^`]+)`")
DISK_FULL = re.compile(r"No space left on device|\(os error 28\)|Disk quota exceeded")
WRITING = re.compile(r"failed to (?:write to|create|copy|persist)[^`]*`(?P<path>[^`]+)`")
KILLED = re.compile(r"signal: 9 \(SIGKILL\)")
TLS = re.compile(r"certificate|UnknownIssuer|invalid peer|corrupt message|HandshakeFailure|TLS")
PROXY = re.compile(r"tunnel error|proxy authentication|Proxy Authentication|unsuccessful tunnel")

NETWORK: Mapping[str, str] = {
    r"dns error|failed to lookup address": "its name cannot be resolved (DNS)",
    r"Connection refused": "the connection was refused",
    r"timed out|operation timed out|timeout": "it did not answer in time",
    r"HTTP status server error": "it answered with a server error",
    r"Missing `Content-Type`|Unsupported `Content-Type`": "what answered is not a package index",
    r"Network is unreachable|No route to host": "there is no network",
    r"client error \(Connect\)|tcp connect error|[Cc]onnection (reset|closed)": (
        "the connection failed"
    ),
}
"""A sign in the output, and what it means; the first match wins."""

REQUEST_FAILED = re.compile(
    r"Failed to fetch|Request failed|error sending request|`Content-Type` header"
)
URL = re.compile(r"https?://[^\s`)]+")
PROXY_VARIABLES = (
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "http_proxy",
)
LONGEST_WORD, LONGEST_TEXT = 400, 128 * 1024


@value
class Failure:
    """uv's last words, and what it was asked."""

    lines: Sequence[str]
    index: str
    code: int
    python: str = ""
    env: Mapping[str, str] = NOTHING

    @property
    def text(self) -> str:
        """All of it in one line: uv breaks its sentences where it likes.

        Without the middle of what is very long, and the ends of very long words: a build may print
        megabytes, and the patterns below take the length of a word squared.
        """
        words = (word[:LONGEST_WORD] for line in self.lines for word in line.split())
        text = " ".join(words)
        half = LONGEST_TEXT // 2
        return text if len(text) <= LONGEST_TEXT else f"{text[:half]} {text[-half:]}"


def classify_failure(
    lines: Sequence[str],
    index: str,
    code: int,
    *,
    python: str = "",
    env: Mapping[str, str] | None = None,
) -> SlugkitError:
    """The error that uv's output stands for."""
    failure = Failure(lines=lines, index=index, code=code, python=python, env=env or {})
    for reader in READERS:
        error = reader(failure)
        if error:
            return error
    if "No solution found" in failure.text:
        return VersionConflictError(explanation(failure.text))
    return InstallFailedError(lines[-20:], code)


def _machine(failure: Failure) -> SlugkitError | None:
    if failure.code in STOPPED:
        return FileTooLargeError(LARGEST_FILE, failure.lines[-10:])
    if DISK_FULL.search(failure.text):
        match = WRITING.search(failure.text)
        return DiskFullError(match["path"].rpartition("/")[2] if match else "")
    if KILLED.search(failure.text) or failure.code in {-9, 137}:
        match = BUILD.search(failure.text)
        return OutOfMemoryError(match["package"] if match else "")
    return None


def _hash_mismatch(failure: Failure) -> SlugkitError | None:
    match = HASH.search(failure.text)
    return match and HashMismatchError(match["what"], match["expected"].split(), match["got"])


def _git(failure: Failure) -> SlugkitError | None:
    return git_failure(failure.text) if "Git operation failed" in failure.text else None


def _access(failure: Failure) -> SlugkitError | None:
    match = ACCESS.search(failure.text) or FORBIDDEN.search(failure.text)
    return match and IndexAccessError(match["url"], match["status"] or "401")


def _network(failure: Failure) -> SlugkitError | None:
    text = failure.text
    if not REQUEST_FAILED.search(text):
        return None
    gone = GONE.search(text)
    if gone:
        release = RELEASE.search(text)
        return MissingFileError(gone["url"], release["release"] if release else "")
    found = URL.search(text)
    url = found[0].rstrip(":,.") if found else failure.index
    if PROXY.search(text):
        proxy = next((failure.env[n] for n in PROXY_VARIABLES if failure.env.get(n)), "")
        return ProxyError(proxy, _reason(text) or "it did not let us through")
    if TLS.search(text):
        return IndexTlsError(url, text.rpartition(" cause: ")[2].split(" hint:")[0])
    reason = _reason(text)
    direct = DIRECT.search(text)
    if direct and reason:
        return FileUnreachableError(direct["package"], url, reason)
    return IndexUnreachableError(url, reason) if reason else None


def _reason(text: str) -> str:
    return next((reason for sign, reason in NETWORK.items() if re.search(sign, text)), "")


def _broken_file(failure: Failure) -> SlugkitError | None:
    match = NOT_WHOLE.search(failure.text)
    if match:
        reason = "It is not a complete ZIP archive; its hash was not even looked at."
        return BrokenDownloadError(match["package"] or match["other"], reason)
    match = BAD_WHEEL.search(failure.text) or WRONG_NAME.search(failure.text)
    return match and HostileWheelError(match["package"], [match["reason"].split(" hint:")[0]])


def _build(failure: Failure) -> SlugkitError | None:
    if "build backend returned an error" not in failure.text:
        return None
    match = BUILD.search(failure.text)
    # Without a name it is what the app installs from a directory of its own.
    package, _, url = match["package"].partition(" @ ") if match else ("", "", "")
    return build_error(package, build_output(failure.lines), is_own=url.startswith("file:"))


def _unusable(failure: Failure) -> SlugkitError | None:
    text, why = failure.text, explanation(failure.text)
    hint = text.partition(" hint: ")[2]
    match = PYTHON.search(text)
    if match:
        package = match["package"] or match["other"]
        wanted = match["wanted"] or match["limit"]
        return PythonExcludedError(package, wanted, failure.python, why)
    match = METADATA.search(text)
    if match:
        return BadMetadataError(match["package"], _hint_lines(failure.lines))
    match = YANKED.search(text)
    if match:
        return YankedError(match["package"], match["reason"] or "")
    match = PRE_RELEASE.search(text)
    if match:
        return PreReleaseOnlyError(match["package"], match["version"], why)
    match = NO_WHEEL.search(text)
    return match and NoWheelError(match["package"] or match["file"], why, hint)


def _hint_lines(lines: Sequence[str]) -> str:
    start = next((n for n, line in enumerate(lines) if line.startswith("hint:")), len(lines))
    return "\n".join(lines[start:]).removeprefix("hint: ")


def _unknown_package(failure: Failure) -> SlugkitError | None:
    match = NOT_LOCAL.search(failure.text)
    if match:
        return NotVendoredError([match["package"].removeprefix("Because ")])
    match = UNKNOWN_NAME.search(failure.text)
    if match:
        return NoMatchingDistributionError(match["package"], explanation(failure.text))
    match = UNKNOWN_VERSION.search(failure.text)
    if match is None:
        return None
    why = explanation(failure.text)
    if match["version"] is None:  # The index has a page for it, and no file at all.
        return NoMatchingDistributionError(match["package"], why)
    return NoSuchVersionError(match["package"], match["version"], why)


READERS: tuple[Callable[[Failure], SlugkitError | None], ...] = (
    _machine,
    _hash_mismatch,
    _git,
    _access,
    _network,
    _broken_file,
    _build,
    _unusable,
    _unknown_package,
)
"""In this order: what stopped everything comes before what a package was missing because of it."""


def explanation(text: str) -> str:
    """uv's own reasoning, without its headline and hints."""
    return text.rpartition(" cause: ")[2].split(" hint:")[0].strip()
