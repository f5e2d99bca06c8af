"""Locked packages as requirements for uv: exact versions, markers, hashes, each from its index."""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from buildpack.installers.locks.lock_markers import ALWAYS, Marker, marker_text

INDEX_OPTION = "--index-url "
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
PUBLIC_INDEX_HOSTS = frozenset({"pypi.org", "pypi.python.org"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package that a lock file tells to install, where ``marker`` holds.

    ``target`` is where it comes from if not from an index: a URL or a path from the app directory.
    ``index`` is a PackageIndex's name; "" is the index of the build.
    """

    name: str
    version: str = ""
    marker: Marker = ALWAYS
    hashes: tuple[str, ...] = ()
    target: str = ""
    is_editable: bool = False
    is_binary_refused: bool = False
    index: str = ""

    @property
    def is_local(self) -> bool:
        """Does it lie in the app's own source?"""
        return bool(self.target) and "://" not in self.target

    @property
    def place(self) -> str:
        """``target`` as uv takes it: a path that looks like one."""
        if not self.is_local or self.target.startswith(("/", "..")):
            return self.target
        return f"./{self.target}" if self.target != "." else "."

    def line(self) -> str:
        """The package as a line of requirements.txt."""
        marker = marker_text(self.marker)
        condition = f" ; {marker}" if marker else ""
        hashes = "".join(f" --hash={value}" for value in sorted(self.hashes))
        if self.is_editable:
            return f"-e {self.place}{condition}"
        if self.target:
            return f"{self.name} @ {self.place}{condition}{hashes}"
        pin = f"=={self.version}" if self.version else ""
        return f"{self.name}{pin}{condition}{hashes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageIndex:
    """A package index an app names itself; without a URL, what is asked beside the build's.

    Its URLs may hold ``${NAME}`` of a config var.
    """

    url: str
    extra_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    is_trusted_blindly: bool = False

    def lines(self) -> Iterable[str]:
        """The options that stand before the packages that come from here."""
        if self.url:
            yield f"{INDEX_OPTION}{self.url}"
        yield from (f"--extra-index-url {url}" for url in self.extra_urls)
        if self.is_trusted_blindly:
            yield f"--trusted-host {urllib.parse.urlsplit(self.url).hostname}"
        yield from (f"--find-links {place}" for place in self.find_links)


def normal_target(target: str) -> str:
    """A URL as it is, and a path without ``.`` parts."""
    return target if "://" in target else posixpath.normpath(target)


def git_target(name: str, url: str, commit: str, subdirectory: str, *, is_editable: bool) -> str:
    """Where a package comes from that is a commit of a Git repository."""
    url = url.removeprefix("git+")
    if "://" not in url and (match := re.fullmatch(r"([^/]+@[^/:]+):(?!\d+/)(.+)", url)):
        url = f"ssh://{match[1]}/{match[2]}"  # git@host:path, which is no URL
    at = f"@{commit}" if commit else ""
    if is_editable:
        egg = f"#egg={name}" + (f"&subdirectory={subdirectory}" if subdirectory else "")
        return f"git+{url}{at}{egg}"
    return f"git+{url}{at}" + (f"#subdirectory={subdirectory}" if subdirectory else "")


def is_public_index(url: str) -> bool:
    """The index every tool uses by default: a build may be told to use a mirror of it."""
    return urllib.parse.urlsplit(url).hostname in PUBLIC_INDEX_HOSTS


def requirements_text(
    packages: Iterable[LockedPackage], indexes: Mapping[str, PackageIndex] | None = None
) -> str:
    """All packages by index; each ``--index-url`` line holds for those below it."""
    lines: list[str] = []
    by_index: dict[str, list[LockedPackage]] = {}
    for package in packages:
        # Where a package is a URL or a path, no index is asked for it.
        by_index.setdefault("" if package.target else package.index, []).append(package)
    for index in sorted(by_index):
        if index:
            lines.extend((indexes or {})[index].lines())
        found = sorted(by_index[index], key=lambda p: (p.name, p.version, p.target))
        lines.extend(f"--no-binary {p.name}" for p in found if p.is_binary_refused)
        lines.extend(dict.fromkeys(package.line() for package in found))
    return "".join(f"{line}\n" for line in lines)


def lock_options(packages: Iterable[LockedPackage]) -> tuple[str, ...]:
    """A lock is complete, so nothing is looked for beside it; hashes are asked of all or none."""
    all_hashed = all(package.hashes for package in packages)
    return ("--no-deps", "--require-hashes") if all_hashed else ("--no-deps",)


def check_variables(lock: str, text: str, env: Mapping[str, str]) -> None:
    """Raise for every ``${NAME}`` that no config var fills in."""
    missing = dict.fromkeys(name for name in VARIABLE.findall(text) if name not in env)
    if missing:
        from buildpack.installers.diagnosis.errors import MissingVariablesError

        raise MissingVariablesError(dict.fromkeys(missing, lock))


POETRY_NAMES = "POETRY_HTTP_BASIC_"


def fill_in_variables(text: str, env: Mapping[str, str]) -> str:
    """``text`` with the values of config vars: may hold secrets, so never print it."""

    def value(match: re.Match[str]) -> str:
        found = env.get(match[1], match[0])
        # Poetry takes these as they are; in a URL, "/" and "@" would end the password.
        return urllib.parse.quote(found, safe="") if match[1].startswith(POETRY_NAMES) else found

    return VARIABLE.sub(value, text)
