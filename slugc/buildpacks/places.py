"""Where buildpacks lie below the data directory, and their lock in a source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slugc.buildpacks.spec import BuildpackSpec, Known

LOCK_FILE = "buildpacks.lock"

STORE = "buildpacks"
"""every buildpack a build has used, by its digest"""
INSTALLED = "installed-buildpacks"
"""those that are installed, by their digest"""
FILE = f"{INSTALLED}/list.json"
"""which they are, and in which order they are asked"""


def installed_specs(data_dir: Path) -> tuple[BuildpackSpec, ...]:
    """What a build asks when nobody names a buildpack, less our own, which comes last."""
    if not (data_dir / FILE).exists():
        return ()
    from slugc.buildpacks.installed import read_installed  # most machines have none

    return tuple(one.spec for one in read_installed(data_dir))


def known_names(data_dir: Path, env: Mapping[str, str]) -> Known:
    """What a bare name leads to on this machine."""
    from slugc.buildpacks.registry import REGISTRY_VARIABLE, Registry  # few builds name any

    return Registry(installed_specs(data_dir), env.get(REGISTRY_VARIABLE, ""))
