"""Every decision of the build, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildpack.app import App
from buildpack.checks import check_no_venv, check_reserved_directories
from buildpack.installers import load_installer
from buildpack.installers.base import Dependencies
from buildpack.package_manager import PackageManager, determine_package_manager
from buildpack.python_version import (
    RequestedPythonVersion,
    VersionOrigin,
    check_requested_version,
    default_series,
    read_known_versions,
)
from buildpack.settings import BuildSettings
from buildpack.version_file import (
    read_requested_python_version,
)

HOOKS = ("pre_compile", "post_compile")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What will be done. ``requested`` is None when the app leaves the version to us."""

    requested: RequestedPythonVersion | None
    dependencies: Dependencies
    hooks: tuple[str, ...]

    @property
    def package_manager(self) -> PackageManager:
        return self.dependencies.manager

    @property
    def origin(self) -> VersionOrigin:
        return self.requested.origin if self.requested else VersionOrigin.DEFAULT

    def has_hook(self, name: str) -> bool:
        return name in self.hooks

    def as_json(self) -> Mapping[str, object]:
        """For ``python3 -m buildpack plan DIR``."""
        default = default_series(read_known_versions())
        return {
            "hooks": list(self.hooks),
            "choices": dict(self.dependencies.facts),
            "dependencies": list(self.dependencies.listed)
            or self.dependencies.requirements.splitlines(),
            "files": sorted(self.dependencies.inputs),
            "installed_paths": list(self.dependencies.local_paths),
            "installer_options": list(self.dependencies.options),
            "package_manager": str(self.package_manager),
            "package_manager_file": self.dependencies.source,
            "python_version": str(self.requested) if self.requested else f"{default} or older",
            "python_version_origin": str(self.origin),
            "requires_python": [
                f"{limit.specifier} ({limit.origin})" for limit in self.dependencies.requires_python
            ],
        }


def plan_build(app: App, settings: BuildSettings, env: Mapping[str, str]) -> BuildPlan:
    """Read the app and decide. The order of the checks is the order a person would fix things."""
    check_reserved_directories(app)
    package_manager = determine_package_manager(app, settings)
    check_no_venv(app)
    requested = read_requested_python_version(app)
    if requested:
        check_requested_version(requested, read_known_versions())
    return BuildPlan(
        requested=requested,
        dependencies=load_installer(package_manager).read(app, settings, env),
        hooks=tuple(name for name in HOOKS if app.is_file(f"bin/{name}")),
    )
