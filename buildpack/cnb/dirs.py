"""What a CNB lifecycle gives bin/build: where the app is, where layers go, what the user set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildpack.support.errors import UsageError

CACHE_LAYER = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class CnbDirs:
    """``platform_dir`` holds env/, one file for each config var."""

    app_dir: Path
    layers_dir: Path
    platform_dir: Path
    buildpack_dir: Path

    @property
    def cache_dir(self) -> Path:
        return self.layers_dir / CACHE_LAYER

    @property
    def env_dir(self) -> Path | None:
        """The config vars, in the classic API's form: one file each."""
        directory = self.platform_dir / "env"
        return directory if directory.is_dir() else None


def read_dirs(argv: Sequence[str], env: Mapping[str, str], app_dir: Path, root: Path) -> CnbDirs:
    """The directories, from variables or from the arguments of ``bin/build LAYERS PLATFORM PLAN``.

    API 0.10 gives both.
    """
    layers = env.get("CNB_LAYERS_DIR") or (argv[0] if argv else "")
    platform = env.get("CNB_PLATFORM_DIR") or (argv[1] if argv[1:] else "")
    if not layers or not platform or len(argv) > 3:
        raise UsageError(
            "Usage: bin/build LAYERS_DIR PLATFORM_DIR BUILD_PLAN",
            resolution="It is started in the app's directory, by a CNB lifecycle.",
        )
    return CnbDirs(
        app_dir=app_dir,
        layers_dir=Path(layers).absolute(),
        platform_dir=Path(platform).absolute(),
        buildpack_dir=root,
    )


def unlink_cache(dirs: CnbDirs) -> None:
    """Before anything is written: a cache that is a link was put there by build code.

    What it leads to is not ours to write to, not even a lock or bytecode.
    """
    if dirs.cache_dir.is_symlink():
        dirs.cache_dir.unlink()
