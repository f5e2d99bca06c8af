"""What is wanted of an app, read from state.db and the slug of its current release."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import SlugkitError
from buildpack.support.values import NOTHING, value
from runner.deploys.kept_slugs import KeptSlugs
from runner.formation import WEB
from runner.front import DEFAULT_PORT, LOOPBACK
from runner.release import Release, create_release
from runner.router_log.rules import RequestRules
from runner.sizes import DEFAULT_SIZE
from runner.state.database import parsing
from runner.state.rollouts import Failure, Rollout, RolloutState
from runner.state.state import State, opened_state
from runner.state.values import App, ReleaseRecord, WantedCount
from runner.supervision.reconcile import Place
from runner.supervision.strategies import StrategyName
from slugc.procfile import ProcessType


@value
class Settings:
    """How an app is kept running: what ``start -d`` was told."""

    port: int = DEFAULT_PORT
    bind: str = LOOPBACK
    boot_timeout: float = 60.0
    stop_timeout: float = 30.0
    drain_timeout: float = 30.0
    """seconds for requests under way, before a web container is told to stop"""
    health: str = ""
    """what is asked of web containers (``parse_health``); empty: what the app says itself"""
    strategy: StrategyName = StrategyName.ROLLING
    overlap: Mapping[str, bool] = NOTHING
    """by process type: whether old and new may run at the same time; what the app says else"""
    metrics: bool = False
    """whether Heroku's runtime metrics are written to the log"""
    disk: int | None = None
    """bytes that a container may write under /app; None: as many as the disk holds"""
    router_log: bool = True
    request_timeout: float | None = 30.0
    """seconds a web container may take to begin an answer"""

    @property
    def rules(self) -> RequestRules:
        return RequestRules(timeout=self.request_timeout, log=self.router_log)

    def as_json(self) -> Mapping[str, object]:
        return {
            "port": self.port,
            "bind": self.bind,
            "boot_timeout": self.boot_timeout,
            "stop_timeout": self.stop_timeout,
            "drain_timeout": self.drain_timeout,
            "health": self.health,
            "strategy": str(self.strategy),
            "overlap": dict(self.overlap),
            "metrics": self.metrics,
            "disk": self.disk,
            "router_log": self.router_log,
            "request_timeout": self.request_timeout,
        }


def parse_settings(found: Mapping[str, object]) -> Settings:
    """The settings that ``as_json`` was called on; what is missing has its default."""
    with parsing():
        strategy = StrategyName(str(found.get("strategy", "rolling")))
        return Settings(**{**found, "strategy": strategy})  # type: ignore[arg-type]  # as ``as_json`` gave them


@value
class Wanted:
    """Everything a supervisor goes by."""

    app: App
    release: Release | None
    """None while there is nothing that could run"""
    places: tuple[Place, ...]
    settings: Settings
    rollout: Rollout | None = None
    """under way: ``release`` is what it brings up"""


def state_stamp(data_dir: Path) -> object:
    """Changes whenever state.db does."""
    found = []
    for name in ("state.db", "state.db-wal"):
        with contextlib.suppress(FileNotFoundError):
            status = (data_dir / name).stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def read_wanted(data_dir: Path, number: int) -> Wanted | None:
    """What is wanted of the app with that number; None if it is not to be kept running."""
    with opened_state(data_dir) as state:
        app = next((each for each in state.apps() if each.number == number), None)
        settings = None if app is None else state.supervision(app)
        if app is None or settings is None:
            return None
        rollout, release = _read_rollout(state, data_dir, app)
        if rollout is None:
            release = read_release(state, data_dir, app)
        else:
            settings = {**settings, **rollout.settings}
        counts = state.formation(app)
        return Wanted(
            app=app,
            release=release,
            places=() if release is None else wanted_places(release, counts),
            settings=parse_settings(settings),
            rollout=rollout,
        )


def _read_rollout(
    state: State, data_dir: Path, app: App
) -> tuple[Rollout, Release] | tuple[None, None]:
    """The rollout under way with its release; one that nobody could bring up fails here."""
    rollouts = RolloutState(state, app)
    rollout = rollouts.current()
    if rollout is None:
        return None, None
    try:
        record = state.release(app, rollout.version)
        return rollout, _with_slug(record, data_dir, app)
    except SlugkitError as err:
        rollouts.fail(rollout.version, Failure(name="", text=f"could not be read: {err.brief}"))
        return None, None


def read_release(state: State, data_dir: Path, app: App) -> Release | None:
    """The current release with its slug; None if it has none. Raises SlugGoneError."""
    current = state.current(app)
    if current is None or current.slug is None:
        return None
    return _with_slug(current, data_dir, app)


def _with_slug(record: ReleaseRecord, data_dir: Path, app: App) -> Release:
    assert record.slug is not None
    slug = KeptSlugs(data_dir).read(record.slug, of=f"{app.name} {record.label}")
    return create_release(slug, record.config_vars, version=record.version, app_name=app.name)


def wanted_places(release: Release, counts: Mapping[ProcessType, WantedCount]) -> tuple[Place, ...]:
    """Every container of the formation, web first. What the slug lacks keeps its count in vain."""
    types = release.slug.metadata.process_types
    found = [count for count in counts.values() if count.process_type in types]
    found.sort(key=lambda count: (count.process_type != WEB, count.process_type))
    return tuple(
        Place(
            process_type=count.process_type,
            ordinal=ordinal,
            version=release.version,
            size=count.size or DEFAULT_SIZE,
        )
        for count in found
        for ordinal in range(1, count.quantity + 1)
    )
