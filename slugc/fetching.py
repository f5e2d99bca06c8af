"""Brings a git URL#ref or a tarball to a directory of ours, for sources and buildpacks alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture
from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.values import value

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd")
SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
FETCH_TIMEOUT = 90.0  # seconds for one git transfer, as BUILDPACK_FETCH_TIMEOUT of older compilers

_SCP_LIKE = re.compile(r"[\w.+-]+@[\w.-]+:(?!//).+")
# What may come after '#': a branch, a tag or a commit; never something git takes for an option.
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}")


# git asks it for a name and a password, for the server of the URL alone. Command lines are public,
# and git would put a URL's password on those of its own helpers.
_HELPER = (
    '!answer() { [ "$1" != get ] || '
    'printf \'username=%s\\npassword=%s\\n\' "$SLUGC_GIT_USER" "$SLUGC_GIT_PASSWORD"; }; answer'
)


class GitUrlError(SlugkitError):
    """A git URL or ref that is never handed to git."""

    exit_code = ExitCode.DATA
    id = "git-url"

    def __init__(self, url: str, found: str) -> None:
        self.url, self.found = shown_url(url), found
        super().__init__(
            f"{printable_path(self.url)} is not a git URL we use",
            details=found,
            resolution="Write it like one of these:\n\n    https://host/owner/repository#v1.2\n"
            "    git@host:owner/repository.git#main",
        )


class FetchError(SlugkitError):
    """git could not fetch what was asked for."""

    exit_code = ExitCode.TRY_AGAIN
    id = "fetch"

    def __init__(self, url: str, found: str) -> None:
        self.url, self.found = shown_url(url), found
        super().__init__(
            f"{printable_path(self.url)} could not be fetched",
            details=found,
            resolution="Check the URL, the branch or tag after '#', and your right to read it.",
        )


@value
class GitUrl:
    """Where a repository is and which of its commits is meant; no ref means its HEAD."""

    url: str
    ref: str

    @property
    def shown(self) -> str:
        """As it may stand in a log or a slug: without a password."""
        return shown_url(self.url) + (f"#{self.ref}" if self.ref else "")


def is_git_url(text: str) -> bool:
    """Whether ``text`` looks like a repository rather than a path or a tarball."""
    bare = text.partition("#")[0]
    if bare.endswith(ARCHIVE_SUFFIXES):
        return False
    return "://" in bare or "::" in bare or _SCP_LIKE.fullmatch(bare) is not None


def parse_git_url(text: str) -> GitUrl:
    """The URL and the ref in ``URL#ref``; refuses what would make git run or read other things."""
    url, _, ref = text.removeprefix("git+").partition("#")
    scheme = url.partition("://")[0] if "://" in url else "ssh"
    # ext::, and any other remote helper, runs a command of the URL's choosing.
    if "::" in url or scheme not in SCHEMES or url.startswith("-") or "://-" in url:
        raise GitUrlError(url, f"Schemes we use: {', '.join(sorted(SCHEMES))}.")
    if ref and (not _REF.fullmatch(ref) or ".." in ref):
        raise GitUrlError(url, f"'{printable(ref)}' is no name of a branch, tag or commit.")
    return GitUrl(url=url, ref=ref)


def shown_url(url: str) -> str:
    """``url`` without the name and password it may hold."""
    return re.sub(r"(?<=://)[^/@]*@", "***@", url)


def fetch_git(
    source: GitUrl, target: Path, *, env: Mapping[str, str], timeout: float = FETCH_TIMEOUT
) -> str:
    """Check the commit out into ``target``; returns its full id.

    ``env`` is that of the person who builds: their keys and proxies are what gives access.
    """
    target.mkdir(parents=True, exist_ok=True)
    url, login = _without_login(source.url)
    git_env = {
        **env,
        **login,
        "GIT_TERMINAL_PROMPT": "0",  # a question nobody sees would wait until the time limit
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(SCHEMES)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }
    # The variables git sets in a hook would point it at the repository it was called from.
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        git_env.pop(name, None)

    helper = f"credential.{urlsplit(url).scheme}://{urlsplit(url).netloc}.helper={_HELPER}"
    asked = ("-c", "credential.helper=", "-c", helper) if login else ()

    def git(*arguments: str) -> str:
        argv = ("git", "-c", "core.hooksPath=/dev/null", *asked, *arguments)
        title = f"git fetch {source.shown}"
        command = Command(argv=argv, cwd=target, env=git_env, timeout=timeout, title=title)
        try:
            return capture(command).strip()
        except CommandFailedError as err:
            raise FetchError(source.url, "\n".join(map(shown_url, err.last_lines))) from err
        except CommandTimeoutError as err:
            raise FetchError(source.url, f"No answer within {timeout:g} seconds.") from err

    git("init", "-q")
    git("fetch", "-q", "--depth", "1", "--no-tags", "--", url, source.ref or "HEAD")
    git("checkout", "-q", "--detach", "FETCH_HEAD")
    return git("rev-parse", "HEAD")


def _without_login(url: str) -> tuple[str, Mapping[str, str]]:
    """``url`` as it may stand on a command line, and the name and password that were in it as
    environment variables for _HELPER. An ssh URL names an account, which is no secret."""
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or parts.username is None:
        return url, {}
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    login = {
        "SLUGC_GIT_USER": unquote(parts.username),
        "SLUGC_GIT_PASSWORD": unquote(parts.password or ""),
    }
    return bare, login


def unpack(stream: BinaryIO, target: Path, *, shown: str) -> Path:
    """Unpack a tarball into ``target``; returns its top, which may be one directory in it.

    ``shown`` is what an error calls the tarball.
    """
    from slugc.archive.errors import ArchiveError
    from slugc.archive.extract import extract

    target.mkdir(parents=True, exist_ok=True)
    try:
        extract(stream, target)
    except ArchiveError as err:
        err.details = f"{printable_path(shown_url(shown))}\n\n{err.details}"
        raise
    entries = list(target.iterdir())
    alone = len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink()
    # A buildpack may be nothing but its programs: then bin/ is no wrapping to take off.
    return entries[0] if alone and entries[0].name != "bin" else target
