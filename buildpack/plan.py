"""Every decision of the build, before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from buildpack.app import App
from buildpack.checks import check_no_venv, check_reserved_directories
from buildpack.installers import load_installer
from buildpack.installers.base import Dependencies
from buildpack.package_manager import PackageManager, determine_package_manager
from buildpack.settings import BuildSettings
from buildpack.sizes.trim import Trim
from buildpack.support.values import value
from buildpack.versions.last_version import LastVersion
from buildpack.versions.python_version import VersionPolicy
from buildpack.versions.version_resolver import Resolution, resolve_requested_version
from buildpack.versions.version_sources import read_version_sources

PASSWORD = re.compile(r"(://)[^/\s@]+@")

HOOKS = ("pre_compile", "post_compile")


@value
class BuildPlan:
    """What will be done."""

    python: Resolution
    dependencies: Dependencies
    hooks: tuple[str, ...]
    trim: tuple[Trim, ...] = ()

    @property
    def package_manager(self) -> PackageManager:
        return self.dependencies.manager

    def has_hook(self, name: str) -> bool:
        return name in self.hooks

    def listed(self) -> Sequence[str]:
        """What will be installed: as the app wrote it, or as its lock was read."""
        return self.dependencies.listed or self.dependencies.requirements.splitlines()

    def as_json(self) -> Mapping[str, object]:
        """For ``python3 -m buildpack plan DIR``."""
        return {
            "hooks": list(self.hooks),
            "choices": {
                **self.dependencies.facts,
                **({"trim": ",".join(self.trim)} if self.trim else {}),
            },
            "dependencies": [_shown(line) for line in self.listed()],
            "files": sorted(self.dependencies.inputs),
            "installed_paths": list(self.dependencies.local_paths),
            "installer_options": list(self.dependencies.options),
            "package_manager": str(self.package_manager),
            "package_manager_file": self.dependencies.source,
            **self.python.as_json(),
            "requires_python": [
                f"{limit.specifier} ({limit.origin})" for limit in self.dependencies.requires_python
            ],
        }


def _shown(requirement: str) -> str:
    """A requirement without its hashes, and without a password that its URL may hold."""
    return PASSWORD.sub(r"\1***@", requirement.partition(" --hash=")[0])


def plan_build(
    app: App,
    settings: BuildSettings,
    env: Mapping[str, str],
    policy: VersionPolicy,
    last: LastVersion | None = None,
) -> BuildPlan:
    """Read the app and decide. The order of the checks is the order a person would fix things."""
    check_reserved_directories(app)
    package_manager = determine_package_manager(app, settings)
    check_no_venv(app)
    dependencies = load_installer(package_manager).read(app, settings, env)
    sources = read_version_sources(app, dependencies, last, policy)
    return BuildPlan(
        python=resolve_requested_version(sources, policy),
        dependencies=dependencies,
        hooks=tuple(name for name in HOOKS if app.is_file(f"bin/{name}")),
        trim=settings.trim,
    )
