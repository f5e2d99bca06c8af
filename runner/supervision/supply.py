"""What a container is made from: its release's layers, and the values that describe it."""

from __future__ import annotations

from pathlib import Path

from buildpack.support.locks import open_locked
from buildpack.support.values import value
from runner.engines.embedded.lasting.files import FdStore
from runner.formation import WEB, ContainerSpec
from runner.launch import CONTAINER_PORT, container_spec
from runner.release import Release
from runner.sizes import Size, find_size
from runner.supervision.reconcile import Place
from slugc.slug import Slug
from slugc.stack import read_host_stack, require_stack
from slugc.store import Store, hex_of, note_use

USE = "use:"
_LOCK_PATIENCE = 60.0  # seconds; who removes a layer holds its lock for milliseconds


@value
class Material:
    """Everything one container is started from."""

    spec: ContainerSpec
    layers: tuple[Path, ...]
    size: Size


class Supply:
    """Gives the material for places of the current release."""

    def __init__(self, home: Path, fds: FdStore) -> None:
        self._store = Store(home / "store")
        self._fds = fds
        self._layers: tuple[int, tuple[Path, ...]] = (0, ())

    def material(self, release: Release, place: Place) -> Material:
        """Raises what unpacking a slug does, and what a slug for another stack does."""
        return Material(
            spec=place_spec(release, place),
            layers=self.layers(release),
            size=find_size(place.size),
        )

    def layers(self, release: Release) -> tuple[Path, ...]:
        """Its layers, unpacked and held. Raises as ``material`` does."""
        version, layers = self._layers
        if version != release.version or not layers:
            slug = release.slug
            require_stack(slug.metadata.stack, host=read_host_stack(), slug=slug.archive.name)
            self._hold(slug)
            self._layers = (release.version, self._store.ensure_layers(slug))
        return self._layers[1]

    def _hold(self, slug: Slug) -> None:
        """Nobody removes its layers, not even while one supervisor follows another."""
        self._store.create()
        for layer in slug.metadata.layers:
            name = f"{USE}{hex_of(layer.diff_id)}"
            if self._fds.get(name) is None:
                use = self._store.use_file(layer.diff_id)
                self._fds.store(name, open_locked(use, timeout=_LOCK_PATIENCE, shared=True))
                note_use(use)

    def let_go_except(self, slug: Slug, names: frozenset[str]) -> None:
        """Once nothing but ``slug`` runs: others' layers may be removed. ``names``: all kept."""
        needed = {f"{USE}{hex_of(layer.diff_id)}" for layer in slug.metadata.layers}
        for name in names - needed:
            if name.startswith(USE):
                self._fds.drop(name)


def place_spec(release: Release, place: Place) -> ContainerSpec:
    """What the container of a place is started with."""
    return container_spec(
        release,
        process_type=place.process_type,
        ordinal=place.ordinal,
        command=release.slug.metadata.process_types[place.process_type],
        port=CONTAINER_PORT if place.process_type == WEB else None,
    )


def record_spec(name: str, command: str, port: int | None) -> ContainerSpec:
    """What is known of a container that runs already."""
    process_type, _, ordinal = name.rpartition(".")
    from slugc.procfile import ProcessType

    return ContainerSpec(
        process_type=ProcessType(process_type),
        ordinal=int(ordinal),
        command=command,
        argv=(),
        env={},
        port=port,
    )
