"""What .slugignore leaves out: the whole grammar of gitignore(5), judged as git judges it.

pathspec turns each line into a regular expression; this file applies them level by level, so that
a directory that is left out is never entered, and fast enough for any number of lines.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.files import kind_of
from buildpack.support.values import value
from slugc.sources.errors import SourceUnreadableError

BEFORE = ".slugignore"
"""applied to the source, before any buildpack runs, as on Heroku"""
AFTER = ".slugignore.after"
"""applied to the built tree, before it is packed"""

MAX_BYTES = 64 * 1024
MAX_PATTERNS = 1000
MAX_DEPTH_WILDCARDS = 4  # each multiplies the work by the depth of the path

# How pathspec begins a pattern that matches at any depth, and how it ends every pattern: for
# directories alone, or for both.
_ANY_DEPTH = "^(?:.+/)?"
_ENDS = (("(?:(?P<ps_d>/)|$)", "/?"), ("(?P<ps_d>/)", "/"))
_STAR = "[^/]*"
_PLAIN = re.compile(r"(!?)(/?[\w.*-]+(?:/[\w.*-]+)*)(/?)", re.ASCII)
_STARS = re.compile(r"(?:.*/)?\*(?:/.*)?|.*\*\*.*")
"""A name that is a star and nothing else, or holds two in a row."""
_EVERYTHING = {".": "/?", "(?P<ps_d>/)": "/"}  # ``*`` and ``*/``, which it writes shorter


class SlugignoreError(SlugkitError):
    """A .slugignore that cannot be used; every problem in it is listed."""

    exit_code = ExitCode.DATA
    id = "slugignore"

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(
            f"The {name} cannot be used",
            details="\n".join(self.problems),
            resolution=(
                f"{name} lists what to leave out of the slug, one pattern a line,\n"
                "as .gitignore does:\n\n    docs/\n    *.mp4\n    !docs/needed.html"
            ),
        )


@value
class _Group:
    """Neighbouring lines that say the same thing (leave out, or keep) about the same part."""

    ignores: bool
    whole_path: re.Pattern[str] | None
    last_name: re.Pattern[str] | None

    def matches(self, path: str, name: str) -> bool:
        return bool(
            (self.last_name and self.last_name.fullmatch(name))
            or (self.whole_path and self.whole_path.fullmatch(path))
        )


@value
class IgnoreRules:
    """The rules of one file; without a file, nothing is left out."""

    groups: tuple[_Group, ...] = ()
    name: str = BEFORE
    lines: tuple[tuple[int, str], ...] = ()
    """the patterns with the number of their line, as the file's bytes stand in Latin-1"""

    def reason(self, path: str, *, is_dir: bool) -> str:
        """The line that leaves this entry out: ``.slugignore:3 `*.md` ``. Slower than ``ignores``:
        each line is asked by itself, the last one first."""
        as_bytes = os.fsencode(path).decode("latin-1")
        name = as_bytes.rpartition("/")[2] + ("/" if is_dir else "")
        whole = as_bytes + ("/" if is_dir else "")
        for number, line in reversed(self.lines):
            if any(group.matches(whole, name) for group in _compile_line(line)):
                return f"{self.name}:{number} `{_shown(line)}`"
        return self.name

    def keeps(self, path: str, *, is_dir: bool) -> bool:
        """Whether a line with ``!`` asks for this very entry, and none after it says otherwise."""
        return bool(self.groups) and self._verdict(path, is_dir=is_dir) is False

    def ignores(self, path: str, *, is_dir: bool) -> bool:
        """Whether this very entry is left out; its parents were asked before.

        ``path`` is relative, with ``/`` between names. The last line that matches decides.
        """
        return bool(self.groups) and self._verdict(path, is_dir=is_dir) is True

    def _verdict(self, path: str, *, is_dir: bool) -> bool | None:
        """What the last line that matches says; None if none does."""
        # Byte by byte, as git does: "?" is one byte, and any byte may stand in a name.
        path = os.fsencode(path).decode("latin-1")
        end = "/" if is_dir else ""
        name = path.rpartition("/")[2] + end
        path += end
        for group in self.groups:
            if group.matches(path, name):
                return group.ignores
        return None


def read_rules(root: Path, name: str = BEFORE) -> IgnoreRules:
    """The rules in ``root``'s file of that name, a regular file right there; none without it."""
    path = root / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return IgnoreRules()
    except PermissionError as err:
        raise SourceUnreadableError((name,)) from err
    except OSError as err:
        # A link could show a file of the machine that builds; opening a FIFO waits for ever.
        raise _no_file(name, path) from err
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file(name, path)
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    return parse_rules(content, name)


def parse_rules(content: bytes, name: str = BEFORE) -> IgnoreRules:
    """The rules in a file's bytes. Raises SlugignoreError with all its problems."""
    if len(content) > MAX_BYTES:
        raise SlugignoreError(name, (f"{name}: larger than {MAX_BYTES // 1024} KiB",))
    text = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    problems = [
        f"{name}:{number}: '{_shown(line)}' points outside the source"
        for number, line in enumerate(lines, start=1)
        if not line.startswith("#") and ".." in line.removeprefix("!").strip().split("/")
    ]
    numbered = tuple(
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    )
    patterns = [line for _, line in numbered]
    problems += [
        f"{name}: '{_shown(line)}' holds more than {MAX_DEPTH_WILDCARDS} times '**'"
        for line in patterns
        if line.split("/").count("**") > MAX_DEPTH_WILDCARDS
    ]
    if len(patterns) > MAX_PATTERNS:
        problems.append(f"{name}: {len(patterns)} patterns; at most {MAX_PATTERNS} are allowed")
    if problems:
        raise SlugignoreError(name, problems)
    return IgnoreRules(groups=_compile(patterns), name=name, lines=numbered)


def _no_file(name: str, path: Path) -> SlugignoreError:
    return SlugignoreError(name, (f"{name}: it is {kind_of(path)}, not a regular file",))


def _shown(line: str) -> str:
    return printable(line.encode("latin-1"))


@lru_cache(maxsize=MAX_PATTERNS)
def _compile_line(line: str) -> tuple[_Group, ...]:
    return _compile((line,))


def _compile(lines: Sequence[str]) -> tuple[_Group, ...]:
    runs: list[tuple[bool, list[str]]] = []
    for line in reversed(lines):  # the last line that matches decides, so it is asked first
        ignores, regex = _plain(line) or _by_pathspec(line)
        if ignores is None:
            continue
        if not runs or runs[-1][0] is not ignores:
            runs.append((ignores, []))
        runs[-1][1].append(regex)
    return tuple(_group(ignores, regexes) for ignores, regexes in runs)


def _plain(line: str) -> tuple[bool, str] | None:
    """What pathspec makes of most lines; to import it takes half as long as to stage an app."""
    plain = _PLAIN.fullmatch(line)
    if plain is None or _STARS.fullmatch(plain[2]):
        return None
    start = "^" if "/" in plain[2] else _ANY_DEPTH
    body = re.escape(plain[2].removeprefix("/")).replace(r"\*", _STAR)
    return not plain[1], start + body + _ENDS[bool(plain[3])][0]


def _by_pathspec(line: str) -> tuple[bool | None, str]:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    pattern = GitIgnoreSpecPattern(_exact(line))
    return (None, "") if pattern.regex is None else (pattern.include, pattern.regex.pattern)


def _exact(line: str) -> str:
    """``docs/**`` is everything inside docs, not docs itself; pathspec takes it for both."""
    stripped = line.rstrip()
    if stripped.endswith("/**"):
        return f"{stripped}/*"
    return f"{stripped}*/" if stripped.endswith("/**/") else line


def _group(ignores: bool, regexes: Sequence[str]) -> _Group:  # a fact, not a flag
    """A pattern for any depth is about a path's last name alone: much quicker to try."""
    names, paths = [], []
    for regex in regexes:
        body, end = _split(regex)
        name = body.removeprefix(_ANY_DEPTH)
        if name != body and "/" not in name.replace("[^/", ""):
            names.append(_linear(name) + end)
        else:
            paths.append(_linear(body) + end)
    return _Group(ignores=ignores, whole_path=_any_of(paths), last_name=_any_of(names))


def _split(regex: str) -> tuple[str, str]:
    if regex in _EVERYTHING:
        return f"{_ANY_DEPTH}[^/]+", _EVERYTHING[regex]
    for theirs, ours in _ENDS:
        if regex.endswith(theirs):
            return regex.removesuffix(theirs), ours
    return regex, ""


def _linear(body: str) -> str:
    """The same expression without backtracking from star to star.

    ``*a*a*a*a*b`` would try every way to place its letters. Within one name the first place that
    fits is as good as any later one, so what stands between two stars is matched once for all.
    """
    # A negated class does not match "/" in git.
    body = re.sub(r"\[\^(?!/)", "[^/", body)
    while _STAR * 2 in body:
        body = body.replace(_STAR * 2, _STAR)
    first, *between = body.split(_STAR)
    if not between:
        return body
    last = between.pop()
    return first + "".join(_once(part) for part in between) + _STAR + last


def _once(part: str) -> str:
    if "(" in part or "/" in part.replace("[^/", ""):
        return _STAR + part
    return f"(?>[^/]*?{part})"


def _any_of(regexes: Sequence[str]) -> re.Pattern[str] | None:
    if not regexes:
        return None
    return re.compile("|".join(f"(?:{regex})" for regex in regexes), re.S)
