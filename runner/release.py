"""Release: a slug plus config vars plus a version. Nothing starts without one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.values import value
from slugc.slug import Slug


@value
class Release:
    """What a container is started from."""

    version: int
    slug: Slug
    config_vars: Mapping[str, str]

    @property
    def app(self) -> str:
        """The app's name, as recorded in the slug."""
        return self.slug.metadata.name


def create_release(slug: Slug, config_vars: Mapping[str, str], *, version: int = 1) -> Release:
    """Bind a slug to config vars: the buildpack's defaults first, then what was set."""
    merged = {**slug.metadata.config_vars, **config_vars}
    return Release(version=version, slug=slug, config_vars=MappingProxyType(merged))
