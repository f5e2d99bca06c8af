"""Starts containers on the Docker engine for the tests, through the engine's own interface."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.engines.base import EngineRequest, Limits, Streams
from runner.engines.docker import DockerEngine
from runner.engines.docker.container import DockerContainer
from runner.engines.docker.owner import OWNER, is_dead, parse_owner, this_process
from runner.launch import container_spec
from runner.release import Release
from slugc.procfile import ProcessType
from slugc.slug import read_slug

TIMEOUT = 30.0

# Greets whoever connects. The stack image has no Python; Perl is essential in Debian.
GREETER = (
    "exec perl -MIO::Socket::INET -e '$| = 1;"
    "my $s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 5, ReuseAddr => 1) or die;"
    "while (my $c = $s->accept) { print $c qq(hello); close $c }'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One container to start."""

    command: str
    name: str = "web.1"
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    publish: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a container that has ended."""

    code: int | None
    output: str
    errors: str
    oom_killed: bool


def make_engine(
    slug: Path,
    *,
    limits: Limits | None = None,
    notices: list[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> DockerEngine:
    request = EngineRequest(
        release=Release(version=1, slug=read_slug(slug), config_vars={}),
        limits=limits or Limits(),
        env=os.environ if env is None else env,
        notify=(notices if notices is not None else []).append,
    )
    return DockerEngine(request)


def start(engine: DockerEngine, wanted: Wanted, streams: Streams) -> DockerContainer:
    name, _, ordinal = wanted.name.partition(".")
    # Set, the app's own start-up script has nothing to say about it on standard error.
    config_vars = {"WEB_CONCURRENCY": "1", **wanted.env}
    release = Release(version=1, slug=engine.slug, config_vars=config_vars)
    spec = container_spec(
        release,
        process_type=ProcessType(name),
        ordinal=int(ordinal),
        command=wanted.command,
        port=wanted.port,
    )
    return engine.start(spec, streams=streams, publish=wanted.publish)


@contextlib.contextmanager
def running(engine: DockerEngine, wanted: Wanted) -> Iterator[DockerContainer]:
    """A container whose output nobody reads, taken away at the end."""
    with Path(os.devnull).open("wb") as null:
        container = start(
            engine, wanted, Streams(stdin=None, stdout=null.fileno(), stderr=null.fileno())
        )
    try:
        yield container
    finally:
        container.remove()


def run(engine: DockerEngine, wanted: Wanted, *, stdin: bytes | None = None) -> Finished:
    """Start one container, wait for its end, take it away."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(stdin or b"")
        given.seek(0)
        streams = Streams(
            stdin=None if stdin is None else given.fileno(),
            stdout=output.fileno(),
            stderr=errors.fileno(),
        )
        container = start(engine, wanted, streams)
        try:
            code = wait(container)
            output.seek(0)
            errors.seek(0)
            return Finished(
                code=code,
                output=output.read().decode("utf-8", "replace"),
                errors=errors.read().decode("utf-8", "replace"),
                oom_killed=container.was_oom_killed(),
            )
        finally:
            container.remove()


def wait(container: DockerContainer, timeout: float = TIMEOUT) -> int:
    """The exit code, once there is one."""
    readable, _, _ = select.select([container.exit_fd], [], [], timeout)
    code = container.poll()
    assert readable, f"{container.id} still runs after {timeout} s"
    assert code is not None
    return code


def docker(*words: str) -> str:
    """Docker's own command, as a second opinion on what the engine did."""
    done = subprocess.run(["docker", *words], capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


def leftovers() -> Sequence[str]:
    """Containers and networks of runs of this process, or of processes that have ended.

    Not those of a run that goes on beside these tests.
    """
    here = this_process()
    shown = ("--no-trunc", "--filter", f"label={OWNER}")
    form = ("--format", '{{.ID}} {{.Label "' + OWNER + '"}}')
    listed = docker("ps", "--all", *shown, *form) + docker("network", "ls", *shown, *form)
    found = []
    for line in listed.splitlines():
        name, _, label = line.partition(" ")
        owner = parse_owner(label)
        if owner is not None and (owner == here or is_dead(owner, here)):
            found.append(name)
    return sorted(found)


def inspect(name: str) -> Mapping[str, object]:
    facts: list[dict[str, object]] = json.loads(docker("inspect", name))
    return facts[0]
