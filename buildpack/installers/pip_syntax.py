"""Turns lines written for pip into lines uv reads the same way.

uv reads requirements files itself, but not all that pip takes: editable checkouts, ``${NAME}``
outside URLs, lists of packages, options of single requirements. Each is translated here or named.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from buildpack.installers.variables import expand
from buildpack.requirement_lines import EDITABLE, INCLUDE, RequirementLine
from buildpack.requirement_paths import is_path

WITH_VALUE = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--trusted-host": "--trusted-host",
    "--use-feature": "--use-feature",
}
FLAGS = frozenset({"--no-index", "--prefer-binary", "--require-hashes", "--pre"})
"""Every option that pip 26 allows on a line of its own, beside -r, -c and -e."""

NO_EFFECT = frozenset({"--use-feature", "--prefer-binary"})
INDEX_OPTIONS = frozenset({"--index-url", "--extra-index-url", "--find-links", "--no-index"})
PER_REQUIREMENT = re.compile(r"\s--?(?!hash\b)(?P<name>[A-Za-z][A-Za-z-]*)")
HASH = re.compile(r"--hash[=\s]\s*(?P<hash>[A-Za-z0-9]+:[A-Fa-f0-9]+)")
CHECKOUT = re.compile(r"(?P<scheme>git|hg|svn|bzr)\+")


class BadOptionError(ValueError):
    """Why a line of options cannot be followed."""


def parse_options(text: str) -> tuple[tuple[str, str], ...]:
    """(long name, value) of every option in a line; a flag's value is ''."""
    try:
        words = shlex.split(text)
    except ValueError as err:
        raise BadOptionError(f"It has a quotation mark too many or too few ({err}).") from err
    found: list[tuple[str, str]] = []
    while words:
        name, equals, value = words.pop(0).partition("=")
        if not name.startswith("--") and name[:2] in WITH_VALUE and len(name) > 2:
            name, equals, value = name[:2], "=", name[2:] + equals + value  # -fhttps://...
        if name in FLAGS and not equals:
            found.append((name, ""))
        elif name in WITH_VALUE:
            if not equals and not words:
                raise BadOptionError(f"{name} needs a value.")
            found.append((WITH_VALUE[name], value if equals else words.pop(0)))
        else:
            raise BadOptionError(f"pip has no option {name} for requirements files.")
    return tuple(found)


def option_problem(line: RequirementLine) -> str:
    """What is wrong with a line that starts with ``-``; '' for nothing."""
    editable = EDITABLE.fullmatch(line.text)
    if editable:
        checkout = CHECKOUT.match(editable["target"])
        if checkout and checkout["scheme"] != "git":
            return f"Of version control systems only git is supported, not {checkout['scheme']}."
        return ""
    try:
        parse_options(line.text)
    except BadOptionError as err:
        return str(err)
    return ""


def own_options(lines: Iterable[RequirementLine]) -> Iterator[tuple[RequirementLine, str, str]]:
    """Every option on a line of its own: the line, the long name, the value."""
    for line in lines:
        is_other = EDITABLE.fullmatch(line.text) or INCLUDE.fullmatch(line.text)
        if line.is_option and not is_other:
            for name, value in parse_options(line.text):
                yield line, name, value


def uv_arguments(lines: Iterable[RequirementLine]) -> tuple[str, ...]:
    """What uv takes on its command line instead of in a file."""
    arguments: list[str] = []
    for _, name, value in own_options(lines):
        if name == "--pre":
            arguments += ["--prerelease", "allow"]
        elif name == "--trusted-host":
            arguments += ["--allow-insecure-host", value]
    return tuple(arguments)


def link_directories(lines: Iterable[RequirementLine]) -> Iterator[str]:
    """Directories of the app that ``--find-links`` names: what is in them decides as well."""
    for _, name, value in own_options(lines):
        path = value.removeprefix("file:")
        if name == "--find-links" and "://" not in value and not path.startswith(("/", "$")):
            yield posixpath.normpath(path)


def ignored_options(lines: Iterable[RequirementLine]) -> Iterator[tuple[RequirementLine, str]]:
    """Options that have no counterpart in uv, and the lines they are on."""
    lines = tuple(lines)
    for line, name, _ in own_options(lines):
        if name in NO_EFFECT:
            yield line, name
    for line in lines:
        if not line.is_option:
            for match in PER_REQUIREMENT.finditer(line.text):
                yield line, f"--{match['name'].lstrip('-')}"


def translate(
    lines: Iterable[RequirementLine],
    variables: Mapping[str, str],
    app_dir: Path,
    *,
    is_offline: bool = False,
) -> str:
    """The text of one file for uv. Offline, nothing in it names a place to fetch from."""
    return "".join(
        f"{translated}\n"
        for line in lines
        for translated in _translate_line(line, variables, app_dir)
        if not (is_offline and translated.split(" ")[0] in INDEX_OPTIONS)
    )


def _translate_line(
    line: RequirementLine, variables: Mapping[str, str], app_dir: Path
) -> Iterator[str]:
    include = INCLUDE.fullmatch(line.text)
    if include:
        kind = "-c" if line.text.startswith(("-c", "--c")) else "-r"
        yield f"{kind} {include['target'].strip(chr(34) + chr(39))}"
        return
    editable = EDITABLE.fullmatch(line.text)
    if editable:
        target = editable["target"].strip("\"'")
        yield _checkout(target) if CHECKOUT.match(target) else f"-e {target}"
    elif line.is_option:
        for name, value in parse_options(line.text):
            yield from _translate_option(name, value, app_dir)
    else:
        hashes = "".join(f" --hash={match['hash']}" for match in HASH.finditer(line.text))
        yield _expanded(_checkout(line.requirement), variables) + hashes


def _checkout(text: str) -> str:
    """``git+URL#egg=NAME`` as ``NAME @ git+URL``; anything else as it is.

    uv has no editable checkouts, and a slug has no use for them: the commit is what is installed.
    """
    if not CHECKOUT.match(text):
        return text
    url, _, fragment = text.partition("#")
    parts = dict(part.partition("=")[::2] for part in fragment.split("&"))
    rest = f"#subdirectory={parts['subdirectory']}" if "subdirectory" in parts else ""
    name = parts.get("egg", "")
    return f"{name} @ {url}{rest}" if name else url + rest


def _translate_option(name: str, value: str, app_dir: Path) -> Iterator[str]:
    if name in {"--no-binary", "--only-binary"}:
        yield from (f"{name} {package}" for package in value.split(",") if package)
    elif name == "--find-links" and "://" not in value and not value.startswith("$"):
        # The file uv reads is a copy elsewhere; pip takes the path from the app's directory.
        yield f"{name} {app_dir / value.removeprefix('file:')}"
    elif name in INDEX_OPTIONS:
        yield f"{name} {value}".rstrip()


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """``${NAME}`` filled in where uv does not do it: outside URLs.

    In URLs it stays, so that a password is in no file and in no list of processes.
    """
    if "://" in text or " @ " in text or is_path(text):
        return text
    return expand(text, variables)
