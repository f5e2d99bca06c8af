"""Release: a slug plus config vars plus a version. Nothing starts without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slugc.slug import Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a container is started from."""

    version: int
    slug: Slug
    config_vars: Mapping[str, str]

    @property
    def app(self) -> str:
        """The app's name, as recorded in the slug."""
        return self.slug.metadata.name
