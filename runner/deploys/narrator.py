"""What a deploy says while it goes: lines for a person, or events as NDJSON for a program."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from buildpack.support.errors import SlugkitError
from buildpack.support.output import Output
from buildpack.support.urls import without_passwords
from runner.logs import clean


@dataclass(slots=True, kw_only=True)
class Narrator:
    """Progress goes to standard error and the result to standard output; with ``as_json`` all
    of it goes to standard output, an event a line, and the last one is ``result``."""

    as_json: bool = False
    quiet: bool = False
    app: str = ""
    out: TextIO | None = None
    err: TextIO | None = None

    def step(self, event: str, message: str, *, release: str = "") -> None:
        """Something that is about to be done, or was."""
        if self.as_json:
            self._event(event, message, release)
        elif not self.quiet:
            self._write(self.err or sys.stderr, message)

    def container(self, event: Mapping[str, object]) -> None:
        """What a container does, as the supervisor tells it: up, stopping, stopped, crashed."""
        if self.as_json:
            known = {name: event[name] for name in ("name", "seconds", "code") if name in event}
            said = str(event.get("text", event.get("event", "")))
            self._event(f"container-{event.get('event')}", said, "", known)
        elif not self.quiet:
            from runner.supervision.telling import tell_event

            tell_event(event, self.err)

    def result(
        self, message: str, *, release: str = "", more: Mapping[str, object] | None = None
    ) -> None:
        """What came of it all."""
        if self.as_json:
            self._event("result", message, release, {"ok": True, **(more or {})})
        else:
            self._write(self.out or sys.stdout, message)

    @contextlib.contextmanager
    def telling_errors(self, exit_codes: list[int]) -> Iterator[None]:
        """With ``as_json`` errors are told as JSON; ``exit_codes`` gets theirs."""
        try:
            yield
        except SlugkitError as err:
            if not self.as_json:
                raise
            self.failure(err)
            exit_codes.append(int(err.exit_code))

    def failure(self, error: SlugkitError) -> None:
        """An error that does not end the command."""
        if self.as_json:
            self._put({"error": {"app": self.app, **error_document(error)}})
        else:
            stream = self.err or sys.stderr
            Output(out=stream, err=stream).error(error)

    def _event(
        self, event: str, message: str, release: str, more: Mapping[str, object] | None = None
    ) -> None:
        known = {"app": self.app, "release": release}
        self._put(
            {
                "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": event,
                **{name: text for name, text in known.items() if text},
                "message": without_passwords(message),
                **(more or {}),
            }
        )

    def _put(self, document: Mapping[str, object]) -> None:
        stream = self.out or sys.stdout
        stream.write(json.dumps(document) + "\n")
        stream.flush()

    def _write(self, stream: TextIO, message: str) -> None:
        # Names and commands come from the slug, which may be anybody's.
        stream.write(clean(without_passwords(message), color=False) + "\n")
        stream.flush()


def error_line(error: SlugkitError, *, code: int) -> str:
    """The line that an error is, for programs; ``code`` is what the command ends with."""
    return json.dumps({"error": {**error_document(error), "code": code}}) + "\n"


def error_document(error: SlugkitError) -> Mapping[str, object]:
    """An error as programs read it; as every text, without passwords of URLs."""
    return {
        "code": int(error.exit_code),
        "id": error.id,
        "message": without_passwords(error.brief),
        "details": without_passwords(error.details),
        "hint": without_passwords(error.resolution),
    }
