"""Env files as other tools read them, for files that were written for those.

``slug-run`` is our own grammar, the only one that refuses what it does not understand. The others
give what their tool would give, quirks included, and name the lines that it would skip without a
word. Read from honcho 2.0 (environ.py), foreman (env.rb), node-foreman, which is what `heroku
local` runs (envs.js), and Docker's ``--env-file``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from buildpack.support.env_file import EnvFileError, parse_env_file
from buildpack.support.errors import Problem
from buildpack.support.values import value
from runner.config.dialect_names import OURS


@value
class EnvFile:
    """What a file says, and the lines that its own tool would skip."""

    config_vars: Mapping[str, str]
    skipped: tuple[int, ...] = ()


@value
class _Line:
    """An assignment that a tool found in a line."""

    name: str
    value: str


class _UnreadableLineError(Exception):
    """A line that ends the tool itself."""


def parse_dialect(dialect: str, content: bytes, name: str) -> EnvFile:
    """``content`` as the tool ``dialect`` reads it. Raises EnvFileError."""
    if dialect == OURS:
        return EnvFile(config_vars=parse_env_file(content, name))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        raise _one_problem(name, line, "not UTF-8") from err
    if dialect == "json":
        return EnvFile(config_vars=_parse_json(text, name))
    return _parse_lines(text, name, LINE_READERS[dialect])


def _parse_lines(text: str, name: str, read: Callable[[str], _Line | None]) -> EnvFile:
    found: dict[str, str] = {}
    skipped, problems = [], []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            pair = read(line)
        except _UnreadableLineError as err:
            problems.append(Problem(line=number, column=1, what=str(err)))
            continue
        if pair is None:
            skipped.append(number)
        else:
            found[pair.name] = pair.value
    if problems:
        raise EnvFileError(name, tuple(problems))
    return EnvFile(config_vars=MappingProxyType(found), skipped=tuple(skipped))


def _read_honcho(line: str) -> _Line | None:
    import shlex

    try:
        tokens = list(shlex.shlex(line, posix=True))
    except ValueError as err:
        raise _UnreadableLineError("a quote is never closed; honcho ends here") from err
    if len(tokens) < 3 or tokens[1] != "=" or not re.match(r"[A-Za-z_]\w*", tokens[0], re.ASCII):
        return None
    joined = "".join(tokens[2:])
    return _Line(name=tokens[0], value=joined.replace("\\n", "\n").replace("\\t", "\t"))


def _read_foreman(line: str) -> _Line | None:
    found = re.fullmatch(r"([A-Za-z_0-9]+)=(.*)", line)
    if not found:
        return None
    name, text = found[1], found[2]
    if quoted := re.fullmatch(r"'(.*)'", text):
        text = quoted[1]
    elif quoted := re.fullmatch(r'"(.*)"', text):
        text = re.sub(r"\\(.)", r"\1", quoted[1].replace("\\n", "\n"))
    return _Line(name=name, value=text)


def _read_heroku_local(line: str) -> _Line | None:
    line = line.strip()
    if len(line) < 3:
        return None
    name, _, text = (part.strip() for part in line.partition("="))
    if text[:1] not in {"'", '"'}:
        return _Line(name=name, value=re.sub(r"\s*#.*$", "", text))
    end = text.find(text[0], 1)
    if end < 0:
        raise _UnreadableLineError("a quote is never closed; heroku local ends here")
    return _Line(name=name, value=text[1:end])


def _read_docker(line: str) -> _Line | None:
    """Everything after '=', as it is; a name alone would be taken from docker's environment."""
    name, equals, text = line.lstrip().partition("=")
    return _Line(name=name, value=text) if equals else None


LINE_READERS: Mapping[str, Callable[[str], _Line | None]] = {
    "honcho": _read_honcho,
    "foreman": _read_foreman,
    "heroku-local": _read_heroku_local,
    "docker": _read_docker,
}


def _parse_json(text: str, name: str) -> Mapping[str, str]:
    """One object of texts, as ``config -j`` and ``heroku config -j`` print it."""
    try:
        found = json.loads(text, object_pairs_hook=_only_once)
    except _TwiceError as err:
        raise _one_problem(name, 0, f"'{err}' stands there twice") from err
    except (ValueError, RecursionError) as err:
        line = getattr(err, "lineno", 0)
        raise _one_problem(name, line, "not JSON") from err
    if not isinstance(found, dict):
        raise _one_problem(name, 0, "not a JSON object")
    problems = tuple(_not_texts(found))
    if problems:
        raise EnvFileError(name, problems)
    return MappingProxyType(found)


class _TwiceError(Exception):
    """A name that stands twice in one object."""


def _only_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, each in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = each
    return found


def _not_texts(found: Mapping[str, object]) -> Iterator[Problem]:
    for name, each in found.items():
        if not isinstance(each, str):
            yield Problem(line=0, column=0, what=f"the value of '{name[:40]}' is not a text")


def _one_problem(name: str, line: int, what: str) -> EnvFileError:
    return EnvFileError(name, (Problem(line=line, column=1, what=what),))
