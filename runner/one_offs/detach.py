"""``slug-run run --detach``: starts a one-off's owner, away from the terminal and the session."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from buildpack.support.errors import ExitCode, SlugkitError, UsageError
from buildpack.support.machine import MACHINE_ERRORS, MachineError, refused_by_machine
from buildpack.support.output import Output
from runner.app_lock import app_dir
from runner.app_option import opened_app
from runner.engines.base import EngineRequest
from runner.launch import container_spec, one_off_command
from runner.logbook.place import log_dir
from runner.one_off import one_off_ordinal
from runner.one_offs.owner import Detached, own
from runner.one_offs.standing import settle_dead
from runner.requests import OneOffRequest, one_off_request
from runner.session import prepare_release
from slugc.procfile import ProcessType

TIME_LIMIT = "1d"  # Heroku's, for a one-off that nobody watches


class DetachedSlugError(UsageError):
    """A slug file has no log, and nobody would see what it says."""

    id = "detached-slug"

    def __init__(self) -> None:
        super().__init__(
            "--slug cannot be used with --detach",
            details="A detached one-off is of an app: its output goes to the app's log.",
            resolution="Deploy the slug, or stay with it:\n\n"
            "    slug-run deploy app.slug\n    slug-run run --slug app.slug -- COMMAND",
        )


class DetachedStartError(SlugkitError):
    """What the owner has to say of why it could not start the one-off."""

    id = "detached-start"

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.exit_code = ExitCode(found["exit_code"])  # type: ignore[misc]  # that of the owner's error
        super().__init__(found["brief"], details=found["details"], resolution=found["resolution"])


def run_detached(options: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> str:
    """Start the one-off; what to print."""
    if options["slug_file"] is not None:
        raise DetachedSlugError
    with opened_app(options["app"], env) as opened:
        app, home, who = opened.app, opened.data_dir, opened.who
    limit = options["time_limit"] or TIME_LIMIT
    request = one_off_request({**options, "app": app.name, "time_limit": limit}, env, cwd)
    directory, log = app_dir(home, app), log_dir(home, app)
    settle_dead(directory, log)
    detached = _detached(request, who=who, directory=directory, log=log)
    start_away(lambda started: own(detached, started))
    name, chosen = detached.spec.name, f" --app {app.name}" if options["app"] else ""
    return (
        f"Running on {app.name}... done, {name}\n"
        f"Use `slug-run logs{chosen} --dyno {name} --tail` to follow it."
    )


def _detached(request: OneOffRequest, *, who: str, directory: Path, log: Path) -> Detached:
    release = prepare_release(request)
    spec = container_spec(
        release,
        process_type=ProcessType("run"),
        ordinal=one_off_ordinal(),
        command=one_off_command(request.words, release.slug.metadata.process_types),
    )
    return Detached(
        spec=spec,
        engine=request.engine,
        request=EngineRequest(
            release=release,
            limits=request.limits,
            env=request.env,
            notify=_silent if request.quiet else Output().notice,
        ),
        version=release.version,
        app_dir=directory,
        log_dir=log,
        who=who,
        stop_timeout=request.stop_timeout,
        time_limit=request.time_limit,
    )


def _silent(_: str) -> None:
    """For who asked to be told nothing."""


def start_away(task: Callable[[Callable[[], None]], object]) -> None:
    """Run ``task`` in a process of its own; returns when it calls what it is given.

    Raises DetachedStartError when it cannot.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _leave(task, writer)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader, "rb") as answer:
        found = json.loads(answer.readline() or b'{"brief": ""}')
    if found:
        unknown = {
            "brief": "The one-off ended without an answer",
            "details": "",
            "resolution": "",
            "exit_code": int(ExitCode.BUG),
        }
        raise DetachedStartError(found if found["brief"] else unknown)


def _leave(task: Callable[[Callable[[], None]], object], writer: int) -> None:
    """The first child only makes the second one nobody's."""
    try:
        os.setsid()
        if os.fork() == 0:
            _live(task, writer)
    finally:
        os._exit(0)


def _live(task: Callable[[Callable[[], None]], object], writer: int) -> None:
    def answer(found: Mapping[str, object]) -> None:
        # Nobody there to be told: then nobody would know of the one-off, and it ends.
        os.write(writer, json.dumps(found).encode() + b"\n")

    def started() -> None:
        answer({})
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2, writer):
            os.dup2(nothing, number)
        os.close(nothing)

    os.closerange(3, writer)  # whatever else the shell had open is not for us to hold
    os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    try:
        task(started)
    except BaseException as err:  # whatever it is: there is nobody else to tell
        answer(describe_failure(err))


def describe_failure(err: BaseException) -> Mapping[str, object]:
    """What the command says of it, and its exit code."""
    if (cause := refused_by_machine(err)) is not None:
        advice = "Make room or lift the limit, then try again."
        told: BaseException = MachineError(cause, who="slug-run", advice=advice)
        code = int(MACHINE_ERRORS[cause.errno or 0])
    else:
        told, code = err, int(err.exit_code) if isinstance(err, SlugkitError) else 70
    if not isinstance(told, SlugkitError):
        text = "".join(traceback.format_exception(told))
        return {"brief": "Internal error", "details": text, "resolution": "", "exit_code": code}
    return {
        "brief": told.brief,
        "details": told.details,
        "resolution": told.resolution,
        "exit_code": code,
    }
