"""Starts git in an empty, bare repository of ours, with settings of ours alone."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture
from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.urls import DownloadError
from buildpack.support.values import value
from slugc.sources.git.urls import REMOTE, WEB, GitUrl, shown_url, with_login_of
from slugc.sources.trusted import Trusted

# git asks it for a name and a password, for the server of the URL alone. Command lines are public,
# and git would put a URL's password on those of its own helpers.
_HELPER = (
    '!answer() { [ "$1" != get ] || '
    'printf \'username=%s\\npassword=%s\\n\' "$SLUGC_GIT_USER" "$SLUGC_GIT_PASSWORD"; }; answer'
)
_SETTINGS = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.autocrlf", "false"),  # the bytes that were committed, whoever builds
    ("core.eol", "lf"),
    ("fetch.recurseSubmodules", "false"),
    ("http.followRedirects", "false"),  # we do, and look where to: see Git.fetch
    ("fetch.uriProtocols", ""),  # a server names no other one to fetch from
    ("transfer.bundleURI", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)
# What git sets for its hooks would point it at the repository it was called from.
_OF_ANOTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_EXTERNAL_DIFF",
)
_FIRST_PAGE = "/info/refs?service=git-upload-pack"
_IS_REDIRECT = re.compile(r"returned error: 30[12378]\b")
_EXPORT_TIMEOUT = 600  # seconds; it reads from our disk


class FetchError(SlugkitError):
    """What was asked for could not be fetched."""

    exit_code = ExitCode.TRY_AGAIN
    id = "fetch"

    def __init__(self, url: str, found: str) -> None:
        self.url, self.found = shown_url(url), found
        super().__init__(
            f"{printable_path(self.url)} could not be fetched",
            details=found,
            resolution="Check the URL, the branch or tag after '#', and your right to read it.",
        )


class FetchTimeoutError(FetchError):
    """The server took longer than it was given."""

    id = "fetch-timeout"

    def __init__(self, url: str, timeout: float) -> None:
        self.timeout = timeout
        super().__init__(url, f"No answer within {timeout:g} seconds.")
        self.resolution = (
            "Try again when the server answers, or give it more time:\n\n"
            f"    slugc build --fetch-timeout {timeout * 4:g}"
        )


@value
class Patience:
    """How long a source may take to come, all of its parts together."""

    limit: float
    until: float

    @classmethod
    def of(cls, seconds: float) -> Patience:
        """Beginning now."""
        return cls(limit=seconds, until=time.monotonic() + seconds)

    @property
    def left(self) -> float:
        return max(0.01, self.until - time.monotonic())


class Git:
    """git in the bare repository ``directory``, for what ``source`` names.

    ``env`` is that of the person who builds: their keys and proxies are what gives access to what
    is ``trusted``; what is not is fetched as a stranger would.
    ``largest`` is how many bytes a file git writes may have.
    """

    def __init__(
        self,
        directory: Path,
        source: GitUrl,
        *,
        env: Mapping[str, str],
        patience: Patience,
        largest: int,
        trusted: Trusted,
    ) -> None:
        self.directory, self.source = directory, source
        self._patience, self._largest, self._trusted = patience, largest, trusted
        self._users_env = env
        self._env = _environment(env, {}, source.url)

    def fetch(self, *refs: str, options: tuple[str, ...] = ()) -> None:
        """``git fetch``, from where ``source`` says and from nowhere else.

        Where the server sends us on, we look where to, and go there if we may.
        """
        try:
            self._fetch(self.source.url, refs, options)
        except FetchError as err:
            moved = self._moved_to() if _IS_REDIRECT.search(err.found) else ""
            if not moved:
                raise
            self._fetch(with_login_of(self.source, moved), refs, options)

    def _fetch(self, url: str, refs: tuple[str, ...], options: tuple[str, ...]) -> None:
        from slugc.sources.git.access import way_to  # a local repository needs none

        bare, login = without_login(url)
        self._env = _environment(self._users_env, {}, bare)
        way = way_to(bare, self._trusted, self._users_env, self._url_settings)
        self._env = _environment(way.env, login, bare, way.settings)
        self.run("fetch", "-q", "--no-tags", *options, "--", way.url, *refs)

    def _url_settings(self, url: str) -> Mapping[str, str]:
        """What the user's own settings of git say of ``http`` for this URL."""
        said = self.run("config", "--get-urlmatch", "http", url)
        pairs = (line.partition(" ") for line in said.splitlines())
        return {key: text for key, _, text in pairs}

    def _moved_to(self) -> str:
        from buildpack.support.download import final_url

        asked = f"{self.source.url.rstrip('/')}{_FIRST_PAGE}"
        try:
            found = final_url(asked, peers=self._trusted.peers, timeout=self._patience.left)
        except DownloadError as err:
            raise FetchError(self.source.shown, err.details) from err
        return found.removesuffix(_FIRST_PAGE) if found.endswith(_FIRST_PAGE) else ""

    def run(self, *arguments: str) -> str:
        """What ``git ARGUMENTS`` prints. Raises FetchError with what it said instead."""
        command = self._command(arguments, timeout=self._patience.left)
        try:
            return capture(command)
        except CommandFailedError as err:
            found = "\n".join(map(shown_url, err.last_lines))
            if "died of signal 25" in found:  # SIGXFSZ: see prlimit below
                found = f"It is larger than {self._largest:,} bytes, the most a source may have."
            raise FetchError(self.source.shown, found) from err
        except CommandTimeoutError as err:
            raise FetchTimeoutError(self.source.shown, self._patience.limit) from err

    def archive(self, commit: str) -> Command:
        """The program that writes a commit's files as a tar stream, byte for byte.

        In a repository without a working tree, ``--worktree-attributes`` keeps git from asking
        the commit's own .gitattributes, which leave files out and change others (export-ignore,
        export-subst), and from reading the whole tree into memory for them.
        """
        words = ("archive", "--format=tar", "--worktree-attributes", commit)
        return self._command(words, timeout=None, before=("timeout", str(_EXPORT_TIMEOUT)))

    def _command(
        self, arguments: tuple[str, ...], *, timeout: float | None, before: tuple[str, ...] = ()
    ) -> Command:
        return Command(
            argv=(*before, "prlimit", f"--fsize={self._largest}", "git", *arguments),
            cwd=self.directory,
            env=self._env,
            timeout=timeout,
            title=f"git fetch {self.source.shown}",
        )


def _environment(
    env: Mapping[str, str],
    login: Mapping[str, str],
    url: str,
    more: Sequence[tuple[str, str]] = (),
) -> Mapping[str, str]:
    kept = {name: text for name, text in env.items() if name not in _OF_ANOTHER_REPOSITORY}
    settings = [*_SETTINGS, *more]
    if login:
        parts = urlsplit(url)
        settings += [
            ("credential.helper", ""),
            (f"credential.{parts.scheme}://{parts.netloc}.helper", _HELPER),
        ]
    return {
        **kept,
        **login,
        **_as_variables(settings, first=int(kept.get("GIT_CONFIG_COUNT") or 0)),
        "GIT_TERMINAL_PROMPT": "0",  # a question nobody sees would wait until the time limit
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(REMOTE)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_CEILING_DIRECTORIES": "/",
        "LC_ALL": "C.UTF-8",
    }


def _as_variables(settings: list[tuple[str, str]], *, first: int) -> Mapping[str, str]:
    """Settings after those the person gave the same way: git takes the last."""
    found = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, text) in enumerate(settings, start=first):
        found[f"GIT_CONFIG_KEY_{number}"], found[f"GIT_CONFIG_VALUE_{number}"] = key, text
    return found


def without_login(url: str) -> tuple[str, Mapping[str, str]]:
    """``url`` as it may stand on a command line, and the name and password that were in it as
    environment variables for _HELPER. An ssh URL names an account, which is no secret."""
    parts = urlsplit(url)
    if parts.scheme not in WEB or parts.username is None:
        return url, {}
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    login = {
        "SLUGC_GIT_USER": unquote(parts.username),
        "SLUGC_GIT_PASSWORD": unquote(parts.password or ""),
    }
    return bare, login
