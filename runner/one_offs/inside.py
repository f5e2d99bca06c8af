"""``slug-run exec``: one more process inside a container of an app that is left running."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.deploys.kept_slugs import KeptSlugs
from runner.engine_choice import determine_engine
from runner.engines.base import Limits
from runner.engines.embedded.entering.entered import Entrance, Inside
from runner.engines.embedded.lasting.files import RECORDS, RUN_FILE
from runner.engines.embedded.stored_filter import filter_program
from runner.engines.rundir import sockets_root
from runner.formation import ContainerSpec
from runner.launch import container_spec
from runner.one_off import OneOff, OwnStreams, own_streams
from runner.one_offs.notes import Notes
from runner.release import Release, create_release
from runner.signals import StopSignals
from runner.sizes import find_size
from runner.slot import ContainerState
from runner.supervision.asking import read_containers
from runner.supervision.client import is_supervised, supervisor_dir
from runner.supervision.errors import NoSuchContainerError, NotRunningError, NotUpNowError
from runner.supervision.records import Record, Records
from runner.terminal import terminal_env
from slugc.procfile import ProcessType

_READS = 5


class NotEnterableError(SlugkitError):
    """Containers of this engine cannot be entered yet."""

    exit_code = ExitCode.UNAVAILABLE
    id = "not-enterable"

    def __init__(self, name: str, engine: str) -> None:
        self.name, self.engine = name, engine
        super().__init__(
            f"{name} cannot be entered: the {engine} engine has no exec yet",
            resolution="Run the command in a container of its own instead:\n\n"
            "    slug-run run -- COMMAND",
        )


@value
class Target:
    """A running container, and what a process in it starts with."""

    inside: Inside
    version: int
    port: int | None


@value
class ExecRequest:
    """One command to run in there."""

    name: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    stop_timeout: float
    time_limit: float | None = None


def run_inside(opened: OpenedApp, request: ExecRequest) -> int:
    """Run the command, and give its exit code. Raises what ``find_target`` does."""
    engine = determine_engine(None, request.env)
    if engine.name != "embedded":
        raise NotEnterableError(request.name, engine.name)
    return run_in(opened, find_target(opened, request.name), request, own_streams())


def run_in(opened: OpenedApp, target: Target, request: ExecRequest, own: OwnStreams) -> int:
    """The same, in a container that was found. Raises what entering it does."""
    spec = _spec(_release(opened, target.version), target, request, own)
    entrance = Entrance(target.inside, filter_program(sockets_root(request.env)))
    with StopSignals() as signals:
        signals.hold()
        one_off = OneOff(
            engine=entrance,
            signals=signals,
            own=own,
            stop_timeout=request.stop_timeout,
            time_limit=request.time_limit,
        )
        return one_off.run(spec)


def find_target(opened: OpenedApp, name: str) -> Target:
    """The container called ``name``.

    Raises NotRunningError, NotUpNowError and NoSuchContainerError.
    """
    directory = app_dir(opened.data_dir, opened.app)
    found = dict(_detached(directory))
    if is_supervised(supervisor_dir(directory)):  # else nobody's containers live
        found |= _supervised(opened.data_dir, supervisor_dir(directory))
    if name in found:
        return found[name]
    for each in read_containers(opened) or ():
        if each["name"] == name:
            raise NotUpNowError(opened.app.name, name, str(each["state"]))
    if not found:
        raise NotRunningError(opened.app.name)
    raise NoSuchContainerError(opened.app.name, name, tuple(found))


def _supervised(data_dir: Path, directory: Path) -> Mapping[str, Target]:
    """Those of the formation; of two of one name the one that stays."""
    records = sorted(_read_records(data_dir, directory), key=_staying_last)
    return {record.name: target for record in records if (target := _target(record)) is not None}


def target_of(opened: OpenedApp, key: str) -> Target:
    """The container of the formation that the supervisor knows by ``key``.

    Raises NoSuchContainerError.
    """
    directory = supervisor_dir(app_dir(opened.data_dir, opened.app))
    records = _read_records(opened.data_dir, directory)
    for record in records:
        if record.key == key and (target := _target(record)) is not None:
            return target
    raise NoSuchContainerError(opened.app.name, key, tuple(each.name for each in records))


def _target(record: Record) -> Target | None:
    """None while nobody knows its first process."""
    if record.token.init is None:
        return None
    inside = Inside(
        name=record.name,
        init=record.token.init,
        groups={key: Path(path) for key, path in record.token.groups.items()},
        limits=find_size(record.size).limits,
    )
    return Target(inside=inside, version=record.version, port=record.port)


def _staying_last(record: Record) -> tuple[bool, float]:
    return record.state is not ContainerState.STOPPING, record.began


def _read_records(data_dir: Path, directory: Path) -> Sequence[Record]:
    """What the supervisor wrote down, also while it is being started again."""
    for _ in range(_READS):
        try:
            run = str(json.loads((directory / RUN_FILE).read_text())["id"])
        except FileNotFoundError:
            return ()
        with contextlib.suppress(FileNotFoundError):  # one ended between two looks of ours
            return tuple(Records(data_dir / "run" / run / RECORDS).read())
    return ()


def _detached(directory: Path) -> Mapping[str, Target]:
    found: dict[str, Target] = {}
    living, _ = Notes(directory).read()
    for note in living:
        if note.init is not None:
            inside = Inside(
                name=note.name,
                init=note.init,
                groups={key: Path(path) for key, path in note.groups.items()},
                limits=Limits(memory=note.memory, pids=note.pids, quota=note.quota),
            )
            found[note.name] = Target(inside=inside, version=note.version, port=None)
    return found


def _release(opened: OpenedApp, version: int) -> Release:
    """What the container runs, which need not be what is current."""
    record = opened.state.release(opened.app, version)
    assert record.slug is not None
    slug = KeptSlugs(opened.data_dir).read(record.slug, of=f"{opened.app.name} {record.label}")
    return create_release(slug, record.config_vars, version=version, app_name=opened.app.name)


def _spec(release: Release, target: Target, request: ExecRequest, own: OwnStreams) -> ContainerSpec:
    process_type, _, ordinal = request.name.rpartition(".")
    words = request.words or ("bash",)
    return container_spec(
        release,
        process_type=ProcessType(process_type),
        ordinal=int(ordinal),
        command=words[0] if len(words) == 1 else shlex.join(words),
        port=target.port,
        terminal_env=terminal_env(own.stdout, request.env) if own.terminal else None,
    )
