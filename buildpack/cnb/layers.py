"""The layers of a build: their directories are given, their TOML files say what they are for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.cnb.toml import toml_table
from buildpack.support import files


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTypes:
    """Who sees a layer: the running app, later buildpacks, the next build."""

    launch: bool = False
    build: bool = False
    cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersDir:
    """CNB_LAYERS_DIR of one buildpack."""

    root: Path

    def write(self, name: str, types: LayerTypes, metadata: Mapping[str, str]) -> None:
        """Declare the layer ``name``; without this file the lifecycle ignores its directory."""
        text = toml_table(
            "[types]",
            {"launch": types.launch, "build": types.build, "cache": types.cache},
        )
        if metadata:
            text += "\n" + toml_table("[metadata]", metadata)
        files.write_atomically(self.root / f"{name}.toml", text)

    def metadata(self, name: str) -> Mapping[str, object]:
        """What an earlier build wrote about the layer; {} when there was none."""
        try:
            table = tomllib.loads((self.root / f"{name}.toml").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        found = table.get("metadata", {})
        return found if isinstance(found, dict) else {}
