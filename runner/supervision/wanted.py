"""What is wanted of an app, read from state.db and the slug of its current release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.support.values import value
from runner.deploys.kept_slugs import KeptSlugs
from runner.formation import WEB
from runner.front import DEFAULT_PORT, LOOPBACK
from runner.release import Release, create_release
from runner.router_log.rules import RequestRules
from runner.sizes import DEFAULT_SIZE
from runner.state.state import State, opened_state
from runner.state.values import App, WantedCount
from runner.supervision.reconcile import Place
from slugc.procfile import ProcessType


@value
class Settings:
    """How an app is kept running: what ``start -d`` was told."""

    port: int = DEFAULT_PORT
    bind: str = LOOPBACK
    boot_timeout: float = 60.0
    stop_timeout: float = 30.0
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
            "metrics": self.metrics,
            "disk": self.disk,
            "router_log": self.router_log,
            "request_timeout": self.request_timeout,
        }


def parse_settings(found: Mapping[str, object]) -> Settings:
    """The settings that ``as_json`` was called on; what is missing has its default."""
    return Settings(**found)  # type: ignore[arg-type]  # as ``as_json`` gave them


@value
class Wanted:
    """Everything a supervisor goes by."""

    app: App
    release: Release | None
    """None while there is nothing that could run"""
    places: tuple[Place, ...]
    settings: Settings


def read_wanted(data_dir: Path, number: int) -> Wanted | None:
    """What is wanted of the app with that number; None if it is not to be kept running."""
    with opened_state(data_dir) as state:
        app = next((each for each in state.apps() if each.number == number), None)
        settings = None if app is None else state.supervision(app)
        if app is None or settings is None:
            return None
        release = read_release(state, data_dir, app)
        counts = state.formation(app)
    places = () if release is None else wanted_places(release, counts)
    return Wanted(app=app, release=release, places=places, settings=parse_settings(settings))


def read_release(state: State, data_dir: Path, app: App) -> Release | None:
    """The current release with its slug; None if it has none. Raises SlugGoneError."""
    current = state.current(app)
    if current is None or current.slug is None:
        return None
    slug = KeptSlugs(data_dir).read(current.slug, of=f"{app.name} {current.label}")
    return create_release(slug, current.config_vars, version=current.version, app_name=app.name)


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
