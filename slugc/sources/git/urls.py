"""Git URLs: which of them we hand to git, what of them may be shown, and where they lead."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.values import value
from slugc.sources.git.here import leads_here
from slugc.sources.trusted import NOBODY, NotTrustedError, Trusted, host_and_port

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd")
LOCAL = "file"
WEB = frozenset({"https", "http"})
REMOTE = frozenset({*WEB, "ssh", "git"})
SCHEMES = frozenset({*REMOTE, LOCAL})

_SCP_LIKE = re.compile(r"[\w.+-]+@[\w.-]+:(?!//).+")
# What may come after '#': a branch, a tag or a commit; never something git takes for an option.
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}")
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?#'\"]*)\?[^\s#'\"]*")


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
            "    git@host:owner/repository.git#main\n    path/to/repository#main",
        )


class GitRefError(GitUrlError):
    """What follows the '#' of a git URL is never handed to git."""

    id = "git-ref"

    def __init__(self, url: str, ref: str) -> None:
        super().__init__(
            url,
            f"It follows '#' in {printable_path(shown_url(url))}. A name is taken as it is:\n"
            "nothing is reckoned from it, as in HEAD~1.",
        )
        self.brief = f"'{printable(ref)}' is no name of a branch, tag or commit"


@value
class GitUrl:
    """Where a repository is and which of its commits is meant; no ref means its HEAD."""

    url: str
    ref: str

    @property
    def shown(self) -> str:
        """As it may stand in a log or a slug: without a password."""
        return shown_url(self.url) + (f"#{self.ref}" if self.ref else "")

    @property
    def local(self) -> Path | None:
        """Where a repository of this machine lies; None for all others."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == LOCAL else None


def is_git_url(text: str) -> bool:
    """Whether ``text`` looks like a repository rather than a path or a tarball."""
    if is_archive_url(text):
        return False
    bare = text.partition("#")[0]
    return "://" in bare or "::" in bare or _SCP_LIKE.fullmatch(bare) is not None


def is_archive_url(text: str) -> bool:
    """Whether ``text`` is the URL of a tarball, by its name; a query may follow it."""
    if not re.match(r"[a-z]+://", text):
        return False
    return urlsplit(text).path.endswith(ARCHIVE_SUFFIXES)


def parse_git_url(text: str) -> GitUrl:
    """The URL and the ref in ``URL#ref``; refuses what would make git run or read other things."""
    url, _, ref = text.removeprefix("git+").partition("#")
    scheme = url.partition("://")[0] if "://" in url else "ssh"
    # ext::, and any other remote helper, runs a command of the URL's choosing.
    if "::" in url or scheme not in SCHEMES or url.startswith("-") or "://-" in url:
        raise GitUrlError(url, f"Schemes we use: {', '.join(sorted(SCHEMES))}.")
    if ref and (not _REF.fullmatch(ref) or ".." in ref):
        raise GitRefError(url, ref)
    if found := _unfit(url, scheme):
        raise GitUrlError(url, found)
    return GitUrl(url=url, ref=ref)


def _unfit(url: str, scheme: str) -> str:
    """What of a URL git would show to everybody who lists processes, or take elsewhere."""
    if re.search(r"[\x00-\x20\x7f]", url):
        return "It holds a space or a control character; write that as %20."
    if "://" not in url:
        return ""
    parts = urlsplit(url)
    if scheme != LOCAL and "?" in url:
        return "What follows '?' would stand on command lines, for everybody to read."
    if scheme not in WEB and parts.password is not None:
        return f"{scheme} takes no password from a URL; it would stand on a command line."
    if scheme == LOCAL and parts.netloc not in {"", "localhost"}:
        return f"It names the machine '{printable(parts.netloc)}'; file:// means this one."
    server = parts.netloc.rpartition("@")[2] if scheme in WEB else parts.netloc
    return _ambiguous(server) if server or scheme == LOCAL else "It names no server."


def _ambiguous(server: str) -> str:
    """git reads ssh://there%2f@here as 'there'; and curl makes one name of several spellings, of
    which it would not know the one whose address was judged."""
    if "%" in server or not server.isascii():
        return "Its server must be named in plain letters: no %, and xn--... for others."
    return ""


def local_url(path: Path, ref: str = "") -> str:
    """``file:///path#ref``: a repository of this machine, as parse_git_url takes it."""
    return f"{LOCAL}://{quote(str(path))}{f'#{ref}' if ref else ''}"


def shown_url(text: str) -> str:
    """``text`` without the names, passwords and queries of the URLs in it."""
    return _QUERY.sub(r"\1?***", _LOGIN.sub("***@", text))


def submodule_url(parent: GitUrl, text: str, commit: str, trusted: Trusted = NOBODY) -> GitUrl:
    """The repository that a .gitmodules of ``parent`` names, pinned to ``commit``.

    It leads to no file and no server of this machine that the user has not named, and takes the
    password its parent was fetched with to no other server.
    """
    found = GitUrl(url=_named_by(parent, text), ref=commit)
    if found.local is not None:
        if not trusted.holds(found.local):
            reason = "A submodule comes from the same repository, or from a server; this is a\n"
            place = str(found.local.parent)
            raise NotTrustedError(text, f"{reason}place of the machine that builds.", place)
    elif leads_here(found.url) and not trusted.names_port(found.url):
        reason = "A submodule may not come from the machine that builds."
        raise NotTrustedError(text, reason, host_and_port(found.url))
    return found


def _named_by(parent: GitUrl, text: str) -> str:
    if text.startswith(("./", "../")):
        return _beside(parent, text)
    if "://" not in text and not _SCP_LIKE.fullmatch(text):
        if parent.local is None or not text.startswith("/"):
            raise GitUrlError(text, "A submodule of a repository from elsewhere must come from\n"
                              "there, too; this is a path of the machine that builds.")  # fmt: skip
        return local_url(Path(text))
    if "#" in text:
        raise GitUrlError(text, "A submodule's commit is the one its repository names.")
    return with_login_of(parent, parse_git_url(text).url)


def _beside(parent: GitUrl, text: str) -> str:
    """``../lib`` from where ``parent`` is, as git reckons: its last name counts as a directory."""
    if "://" in parent.url:
        parts = urlsplit(parent.url)
        path = _climbed(unquote(parts.path), text, parent)
        return urlunsplit(parts._replace(path=quote(f"/{path}")))
    host, _, path = parent.url.partition(":")
    absolute = "/" if path.startswith("/") else ""
    return f"{host}:{absolute}{_climbed(path, text, parent)}"


def _climbed(path: str, text: str, parent: GitUrl) -> str:
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    for part in text.split("/"):
        if part == "..":
            if not parts:
                raise GitUrlError(text, f"It leads out of {printable_path(parent.shown)}.")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def with_login_of(parent: GitUrl, url: str) -> str:
    """``url`` with the name and password of ``parent``, if both are of one server."""
    mine, theirs = urlsplit(parent.url), urlsplit(url)
    host = mine.netloc.rpartition("@")[2]
    if theirs.scheme not in WEB or (theirs.scheme, theirs.netloc) != (mine.scheme, host):
        return url
    return urlunsplit(theirs._replace(netloc=mine.netloc))
