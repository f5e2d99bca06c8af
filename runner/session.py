"""The two things slug-run does with a slug: a formation you watch, and a one-off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.support.errors import ExitCode, SlugkitError, UsageError
from buildpack.support.output import Output, wants_color
from buildpack.support.values import changed
from runner.carrying import Audience, carry_formation, carry_one_off, plan_formation
from runner.engines.base import Address
from runner.formation import ContainerSpec
from runner.front import LOOPBACK, NO_CADDY_NOTICE, FrontKind, FrontPlan, formation_lines
from runner.release import Release, create_release, with_config_vars
from runner.requests import OneOffRequest, RunRequest, StartRequest
from runner.signals import StopSignals
from slugc.slug import Slug, read_slug

if TYPE_CHECKING:
    # Imported for real where they are used: a container starts sooner without waiting for them.
    from runner.holder import Holder
    from runner.logs import LogWriter
    from runner.policy import Outcome


class NoSlugError(SlugkitError):
    """No slug was named and there is none here."""

    exit_code = ExitCode.NO_INPUT
    id = "no-slug"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__(
            "There is no slug here",
            details=f"No file in {directory} ends in .slug.",
            resolution="Build one, or say where it is:\n\n"
            "    slugc build . -o app.slug\n"
            "    slug-run web --slug app.slug\n\n"
            "What was deployed runs with --app NAME.",
        )


class SeveralSlugsError(UsageError):
    """No slug was named and there are several here."""

    id = "several-slugs"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "There are several slugs here",
            details="\n".join(f"- {name}" for name in self.names),
            resolution=f"Say which one, or name an app:\n\n    --slug {self.names[0]}\n"
            "    --app NAME",
        )


def find_slug(named: Path | None, directory: Path) -> Path:
    """The slug to run: the one that was named, else the only one in ``directory``."""
    if named is not None:
        return directory / named
    found = sorted(path for path in directory.glob("*.slug") if path.is_file())
    if not found:
        raise NoSlugError(directory)
    if len(found) > 1:
        raise SeveralSlugsError([path.name for path in found])
    return found[0]


def run_formation(request: StartRequest, holder: Holder | None = None) -> Outcome:
    """Boot the formation and stay with it until it ends. ``holder`` is one that has begun."""
    release = prepare_release(request)
    plan = plan_formation(request, release)
    front = plan.front
    _say(f"Booting {release.title} ({_identity(release, request.engine.name)})")
    with StopSignals() as signals:

        def make_log() -> LogWriter:
            # Not before: the engine may refuse the slug, and nothing would answer there.
            _announce(request.engine.name, plan.specs, front)
            return _log_writer(request, plan.specs, signals)

        audience = Audience(
            make_log=make_log,
            notify=_output().notice,
            on_up=lambda addresses: _say_up(release.app, front, addresses),
            on_change=lambda _: None,
        )
        return carry_formation(request, plan, audience, signals, hold=signals.hold, holder=holder)


def run_one_off(request: OneOffRequest) -> int:
    """Run one command in a fresh container, and give its exit code."""
    from runner.one_off import own_streams

    request = _of_the_only_app(request)
    release = prepare_release(request)
    own = own_streams(tty=request.tty)
    _warn_of_host(request.engine.name)
    with StopSignals() as signals:

        def announce(spec: ContainerSpec) -> None:
            if not request.quiet:
                about = f"{release.title}, {_identity(release, request.engine.name)}"
                _say(f"Running `{spec.command}` in {spec.name} ({about})")
            signals.hold()

        return carry_one_off(
            request, release, own, signals, announce=announce, say=_say, notify=_output().notice
        )


def _of_the_only_app(request: OneOffRequest) -> OneOffRequest:
    """Where no slug is named, and none is here, it is the app that all other commands mean."""
    is_clear = request.app is not None or request.slug_file is not None
    if is_clear or any(request.cwd.glob("*.slug")):
        return request
    from runner.deploys.current import only_app

    return changed(request, app=only_app(request.env))


def prepare_release(request: RunRequest, notify: Callable[[str], None] | None = None) -> Release:
    """The slug, or what was deployed to the app, bound to the config given for this run."""
    warn = notify or _output().notice
    if request.app is not None:
        # SQLite and its like: only for who has apps
        from runner.deploys.current import current_release

        current = current_release(request.app, request.env)
        release = with_config_vars(current, _given_config_vars(request, warn))
    else:
        slug: Slug = read_slug(find_slug(request.slug_file, request.cwd))
        release = create_release(slug, _given_config_vars(request, warn))
    can_open = request.engine.name == "embedded"
    if can_open and any("://" in text for text in release.config_vars.values()):
        from runner.host_ports import loopback_notices

        for line in loopback_notices(release.config_vars, release.host_ports):
            warn(line)
    return release


def _given_config_vars(request: RunRequest, notify: Callable[[str], None]) -> Mapping[str, str]:
    if not request.env_files and not request.assignments:
        return {}
    from buildpack.support.env_file import read_env_file
    from runner.config_vars import merge_config_vars, parse_assignments

    named = [each for each in request.assignments if _is_env_file(request.cwd, each)]
    given = [each for each in request.assignments if each not in named]
    paths = [*request.env_files, *map(Path, named)]
    files = [read_env_file(request.cwd / path) for path in paths]
    return merge_config_vars(*files, parse_assignments(given), warn=notify)


def _is_env_file(cwd: Path, word: str) -> bool:
    """honcho's -e takes a file; a word without '=' is no assignment, so nobody is surprised."""
    return "=" not in word and (cwd / word).is_file()


def _log_writer(
    request: StartRequest, specs: Sequence[ContainerSpec], signals: StopSignals
) -> LogWriter:
    from runner.logs import LogWriter

    color = wants_color(sys.stdout, request.env) if request.color is None else request.color
    return LogWriter(
        descriptor=sys.stdout.fileno(),
        names=tuple(spec.name for spec in specs),
        color=color,
        prefix=request.prefix,
        interrupted=lambda: signals.first is not None,
    )


# What is said around the log goes to standard error, so that standard output is the log alone.


def _announce(engine: str, specs: Sequence[ContainerSpec], plan: FrontPlan) -> None:
    for line in formation_lines([spec.name for spec in specs], plan):
        _say(line)
    if plan.kind is FrontKind.ADDRESSES:
        _output().notice(NO_CADDY_NOTICE)
    _warn_of_host(engine)


def _warn_of_host(engine: str) -> None:
    if engine == "host":
        from runner.engines.host import WARNING

        _output().warning(WARNING)


def _say_up(app: str, plan: FrontPlan, addresses: Mapping[str, Address]) -> None:
    if plan.url is not None:
        _say(f"{app} is up at {plan.url}")
        return
    for name, address in addresses.items():
        host = "localhost" if address.host == LOOPBACK else address.host
        _say(f"{name} is up at http://{host}:{address.port}")


def _identity(release: Release, engine: str) -> str:
    checksum = release.slug.metadata.checksum.removeprefix("sha256:")
    return f"slug {checksum[:4]}…, {engine} engine"


def _say(text: str) -> None:
    from runner.logs import clean

    # Names and commands come from the slug, which may be anybody's.
    sys.stderr.write(f"{clean(text, color=False)}\n")
    sys.stderr.flush()


def _output() -> Output:
    return Output(out=sys.stderr)
