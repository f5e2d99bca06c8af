"""The slug compiler: turns a source directory into a slug by driving any classic buildpack.

For other programs: ``build_slug`` and ``Slug`` (docs/api.md). They are imported when they are asked
for, so that ``slugc --help`` imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing takes milliseconds
if TYPE_CHECKING:
    from slugc.api import (
        BuildpackRecord,
        BuiltSlug,
        Event,
        Layer,
        Slug,
        SlugEntry,
        SlugkitError,
        SlugMetadata,
        SlugPackage,
        build_slug,
    )

__all__ = (
    "BuildpackRecord",
    "BuiltSlug",
    "Event",
    "Layer",
    "Slug",
    "SlugEntry",
    "SlugMetadata",
    "SlugPackage",
    "SlugkitError",
    "build_slug",
)

if not TYPE_CHECKING:

    def __getattr__(name):  # PEP 562; a type checker would believe in any name
        if name in __all__:
            from slugc import api

            return getattr(api, name)
        raise AttributeError(f"module 'slugc' has no attribute '{name}'")

    def __dir__():  # as above
        return [*globals(), *__all__]
