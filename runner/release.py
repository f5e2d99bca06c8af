"""Release: a slug plus config vars plus a version. Nothing starts without one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.values import changed, value
from slugc.slug import Slug

HOST_PORTS = "SLUG_RUN_HOST_PORTS"


@value
class Release:
    """What a container is started from."""

    version: int
    slug: Slug
    config_vars: Mapping[str, str]
    app_name: str = ""
    """of the app that was deployed to; empty where a slug is run without one"""
    host_ports: tuple[int, ...] = ()
    """of this machine, to be reached from inside"""

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
    host_ports = _host_ports(given) if HOST_PORTS in given else release.host_ports
    return changed(release, config_vars=merged, host_ports=host_ports)


def create_release(
    slug: Slug, config_vars: Mapping[str, str], *, version: int = 1, app_name: str = ""
) -> Release:
    """Bind a slug to config vars: the buildpack's defaults first, then what was set."""
    merged = MappingProxyType({**slug.metadata.config_vars, **config_vars})
    return Release(
        version=version,
        slug=slug,
        config_vars=merged,
        app_name=app_name,
        host_ports=_host_ports(config_vars),
    )


def _host_ports(given: Mapping[str, str]) -> tuple[int, ...]:
    """What a person has set. What the slug says does not count: it may be anybody's."""
    if HOST_PORTS not in given:
        return ()
    from runner.host_ports import read_host_ports  # few need it

    return read_host_ports(given[HOST_PORTS])
