"""Release: a slug plus config vars plus a version. Nothing starts without one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.values import changed, value
from slugc.slug import Slug


@value
class Release:
    """What a container is started from."""

    version: int
    slug: Slug
    config_vars: Mapping[str, str]
    app_name: str = ""
    """of the app that was deployed to; empty where a slug is run without one"""

    @property
    def app(self) -> str:
        """The app's name: as it was created, or as recorded in the slug."""
        return self.app_name or self.slug.metadata.name

    @property
    def title(self) -> str:
        """``polls v7``, or ``polls`` where there is no app."""
        return f"{self.app_name} v{self.version}" if self.app_name else self.app


def with_config_vars(release: Release, given: Mapping[str, str]) -> Release:
    """The same release with other config vars for one run: ``given`` beats its own."""
    merged = MappingProxyType({**release.config_vars, **given})
    return changed(release, config_vars=merged)


def create_release(
    slug: Slug, config_vars: Mapping[str, str], *, version: int = 1, app_name: str = ""
) -> Release:
    """Bind a slug to config vars: the buildpack's defaults first, then what was set."""
    merged = MappingProxyType({**slug.metadata.config_vars, **config_vars})
    return Release(version=version, slug=slug, config_vars=merged, app_name=app_name)
