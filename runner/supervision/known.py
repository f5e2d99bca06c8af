"""What a supervisor knows of its app: what is wanted of it, and what its release says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from runner.app_json.manifest import Manifest, read_manifest
from runner.formation import WEB
from runner.health import UpChecks
from runner.supervision.reconcile import Place, Strategy
from runner.supervision.strategies import make_strategies
from runner.supervision.supply import Material, Supply
from runner.supervision.wanted import Wanted, read_wanted, state_stamp
from slugc.procfile import ProcessType


class NotKnownError(SlugkitError):
    """state.db cannot be read, so nobody knows what a container is made from."""

    exit_code = ExitCode.TRY_AGAIN
    id = "not-known"

    def __init__(self) -> None:
        super().__init__("It cannot be read what is wanted", resolution="See the lines above.")


class Known:
    """As it was read last. ``say`` hears what of it cannot be understood."""

    def __init__(
        self, home: Path, number: int, *, supply: Supply, say: Callable[[str], None]
    ) -> None:
        self._home, self._number, self._supply, self._say = home, number, supply, say
        self.wanted: Wanted | None = None
        self.is_certain = False
        """whether it could ever be read"""
        self.manifest = Manifest()
        self._stamp: object = None

    @property
    def is_unwanted(self) -> bool:
        """Whether the app is not to be kept running any more."""
        return self.is_certain and self.wanted is None

    def has_changed(self) -> bool:
        return state_stamp(self._home) != self._stamp

    def read(self) -> None:
        """Raises what reading state.db does; what is known then stays."""
        self._stamp = state_stamp(self._home)
        self.wanted = read_wanted(self._home, self._number)
        self.is_certain = True
        self._read_manifest()

    def doubt(self) -> None:
        """It could not all be gone by: it has changed, whatever the file says."""
        self._stamp = None

    def app_is_gone(self) -> None:
        self.wanted, self.is_certain = None, True

    def _read_manifest(self) -> None:
        """What cannot be read is told, and says nothing."""
        self.manifest = Manifest()
        release = None if self.wanted is None else self.wanted.release
        try:
            if release is not None:
                self.manifest = read_manifest(self._supply.layers(release))
        except SlugkitError as err:
            self._say(f"{err.brief}. {err.details}".strip())

    def up_checks(self, process_type: ProcessType, version: int) -> UpChecks | None:
        """What a container of that release is asked; None: only of another one is it known."""
        release = None if self.wanted is None else self.wanted.release
        if release is None or release.version != version:
            return None
        return UpChecks(
            liveness=self.manifest.liveness.get(process_type, ()),
            readiness=self.manifest.readiness.get(process_type, ()),
        )

    def material(self, place: Place) -> Material:
        """What a place's container is started from. Raises NotKnownError."""
        if self.wanted is None or self.wanted.release is None:
            raise NotKnownError
        return self._supply.material(self.wanted.release, place)

    def strategies(self, *, has_front: bool) -> Mapping[ProcessType, Strategy]:
        """How containers are replaced: what was said with a command goes before the app's word."""
        assert self.wanted is not None
        settings = self.wanted.settings
        overlap = {**self.manifest.overlap, **settings.overlap}
        if not has_front:
            overlap[WEB] = False  # the port that answers can be one container's only
        types = {place.process_type for place in self.wanted.places}
        return make_strategies(settings.strategy, types, overlap)
