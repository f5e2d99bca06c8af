"""What an app says in its app.json about being replaced: health checks, and what may overlap.

Dokku's ``healthchecks`` (https://dokku.com/docs/appendices/file-formats/app-json/), and ``overlap``
in Heroku's ``formation``. Whatever else is in the file is others' business.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import printable
from buildpack.support.values import NOTHING, value
from runner.app_json.document import AppJsonError, Place, Remark, parse_document, read_app_json
from runner.formation import WEB
from runner.health import Check

MOST_CHECKS = 20
LONGEST = 3600.0  # seconds, of anything
_KINDS = ("startup", "liveness", "readiness")
_UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")  # in an argument; half a character, too
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_KNOWN = {"type", "name", "description", "path", "port", "listening", "attempts", "timeout", "wait",
          "content", "command", "uptime", "initialDelay", "httpHeaders", "scheme", "warn",
          "onFailure"}  # fmt: skip


@value
class Manifest:
    """What app.json says, as far as it is understood."""

    checks: Mapping[str, tuple[Check, ...]] = NOTHING
    """of a start, by process type"""
    liveness: Mapping[str, tuple[Check, ...]] = NOTHING
    """of containers that are up, by process type"""
    readiness: Mapping[str, tuple[Check, ...]] = NOTHING
    """whether they are to get requests, by process type"""
    overlap: Mapping[str, bool] = NOTHING
    """by process type: whether old and new may run at the same time"""
    notes: tuple[Remark, ...] = ()
    """what is left out, for the person who deploys"""


class AppJsonChecksError(AppJsonError):
    """The app's own checks cannot be understood."""

    id = "app-json-checks"
    headline = "The health checks in app.json cannot be used"
    example = '"healthchecks": {"web": [{"type": "startup", "path": "/healthz", "attempts": 5}]}'
    keys = ("healthchecks", "overlap")


def read_manifest(layers: Sequence[Path]) -> Manifest:
    """That of the app whose unpacked layers these are. Raises AppJsonChecksError."""
    return parse_manifest(read_app_json(layers, AppJsonChecksError))


def parse_manifest(content: bytes) -> Manifest:
    """Raises AppJsonChecksError with all that is wrong."""
    found = parse_document(content, AppJsonChecksError)
    reader = _Reader()
    checks = reader.checks(found.get("healthchecks"))
    overlap = reader.overlap(found.get("formation"))
    if reader.problems:
        raise AppJsonChecksError(reader.problems)
    return Manifest(
        checks={name: each["startup"] for name, each in checks.items()},
        liveness={name: each["liveness"] for name, each in checks.items()},
        readiness={name: each["readiness"] for name, each in checks.items()},
        overlap=overlap,
        notes=tuple(reader.notes),
    )


class _Reader:
    """Reads, and remembers what is wrong and what is left out."""

    def __init__(self) -> None:
        self.problems: list[Remark] = []
        self.notes: list[Remark] = []

    def checks(self, found: object) -> Mapping[str, Mapping[str, tuple[Check, ...]]]:
        """By process type and kind."""
        if found is None:
            return {}
        if not isinstance(found, dict):
            self._wrong(("healthchecks",), "is not an object.")
            return {}
        return {name: self._list(name, each) for name, each in found.items()}

    def overlap(self, found: object) -> Mapping[str, bool]:
        types = found if isinstance(found, dict) else {}
        result: dict[str, bool] = {}
        for name, entry in types.items():
            said = entry.get("overlap") if isinstance(entry, dict) else None
            if isinstance(said, bool):
                result[name] = said
            elif said is not None:
                self._wrong(("formation", name, "overlap"), "is neither true nor false.")
        return result

    def _list(self, name: str, found: object) -> Mapping[str, tuple[Check, ...]]:
        place = ("healthchecks", name)
        made: dict[str, tuple[Check, ...]] = dict.fromkeys(_KINDS, ())
        if not isinstance(found, list) or len(found) > MOST_CHECKS:
            self._wrong(place, f"is not a list of at most {MOST_CHECKS} checks.")
            return made
        for index, each in enumerate(found):
            kind, check = self._check((*place, index), each, is_web=name == WEB)
            if check is not None:
                made[kind] = (*made[kind], check)
        return made

    def _check(self, place: Place, found: object, *, is_web: bool) -> tuple[str, Check | None]:
        if not isinstance(found, dict):
            self._wrong(place, "is not an object.")
            return "", None
        for key in sorted(found.keys() - _KNOWN):
            self._wrong((*place, key), "is not known.")
        kind = str(found.get("type", "startup"))
        if kind not in _KINDS:
            self._wrong((*place, "type"), f"is none of {', '.join(_KINDS)}.")
            return kind, None
        if (why := _unsupported(found, kind, is_web=is_web)) is not None:
            self._left_out(place, why)
            return kind, None
        return kind, self._made(place, found)

    def _made(self, place: Place, found: Mapping[str, object]) -> Check:
        path = self._text(place, found, "path")
        if path and (not path.startswith("/") or not path.isprintable() or " " in path):
            self._wrong((*place, "path"), "is not a path that begins with /.")
        attempts = self._number(place, found, "attempts", 3)
        if attempts < 1:
            self._wrong((*place, "attempts"), "is less than 1.")
        headers = self._headers(place, found.get("httpHeaders"))
        if found.get("scheme") not in (None, "http", "HTTP"):
            self._left_out((*place, "scheme"), "containers speak HTTP")
        return Check(
            name=printable(self._text(place, found, "name"), limit=60),
            command=self._command(place, found.get("command")),
            path=path,
            host=headers.pop("host", "localhost"),
            headers=headers,
            content=self._text(place, found, "content"),
            uptime=self._number(place, found, "uptime", 0),
            attempts=int(attempts),
            timeout=max(0.1, self._number(place, found, "timeout", 5)),
            wait=self._number(place, found, "wait", 5),
            initial_delay=self._number(place, found, "initialDelay", 0),
            is_warning=found.get("warn") is True,
        )

    def _headers(self, place: Place, found: object) -> dict[str, str]:
        headers: dict[str, str] = {}
        for each in found if isinstance(found, list) else ():
            name, text = (each.get("name"), each.get("value")) if isinstance(each, dict) else (0, 0)
            if (
                isinstance(name, str)
                and isinstance(text, str)
                and _HEADER.fullmatch(name)
                and text.isascii()
                and text.isprintable()
            ):
                headers[name.lower()] = text
            else:
                self._wrong((*place, "httpHeaders"), "is not a list of name and value.")
        return headers

    def _command(self, place: Place, found: object) -> str:
        """A shell command line; of a list each word is one argument."""
        if found is None:
            return ""
        given = found if isinstance(found, list) else [found]
        words = [word for word in given if isinstance(word, str)]
        if len(words) < len(given):
            self._wrong((*place, "command"), "is neither a text nor a list of texts.")
            return ""
        if any(_UNSPEAKABLE.search(word) for word in words):
            self._wrong((*place, "command"), "has a character that no program can be given.")
        return shlex.join(words) if isinstance(found, list) else words[0]

    def _text(self, place: Place, found: Mapping[str, object], key: str) -> str:
        text = found.get(key, "")
        if isinstance(text, str):
            return text
        self._wrong((*place, key), "is not a text.")
        return ""

    def _number(self, place: Place, found: Mapping[str, object], key: str, default: float) -> float:
        number = found.get(key, default)
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if is_number and 0 <= number <= LONGEST:  # type: ignore[operator]  # a number: just seen
            return float(number)  # type: ignore[arg-type]  # as above
        self._wrong((*place, key), f"is not a number from 0 to {LONGEST:g}.")
        return default

    def _wrong(self, place: Place, text: str) -> None:
        self.problems.append(Remark(place=place, what=text))

    def _left_out(self, place: Place, why: str) -> None:
        self.notes.append(Remark(place=place, what=f"is left out: {why}."))


def _unsupported(found: Mapping[str, object], kind: str, *, is_web: bool) -> str | None:
    """Why a check is not asked; None if it is."""
    if kind == "readiness" and not is_web:
        return "only web gets requests, so only web is asked whether it is ready"
    if kind != "startup" and not (found.get("path") or found.get("command")):
        return f"a {kind} check needs a path or a command"
    if found.get("command"):
        return "a check has a path or a command, not both" if found.get("path") else None
    port = found.get("port")
    if found.get("path") and port not in (None, 5000):  # Dokku's default, whatever PORT is
        return f"it asks port {port}, and web has only $PORT"
    if not is_web and (found.get("path") or found.get("listening")):
        return "it asks a port, and only web has one"
    return None
