"""The Procfile, and what a buildpack adds to it: the process types of a slug."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.procfile import (
    MAX_BYTES,
    MAX_TYPES,
    PROCFILE,
    ProcessType,
    ProcfileError,
    ProcfileUnreadableError,
    is_process_type,
    parse_procfile,
    read_procfile,
)

__all__ = (
    "MAX_BYTES",
    "MAX_TYPES",
    "PROCFILE",
    "ProcessType",
    "ProcfileError",
    "ProcfileUnreadableError",
    "is_process_type",
    "merge_process_types",
    "parse_procfile",
    "read_procfile",
)


def merge_process_types(
    declared: Mapping[ProcessType, str] | None, defaults: Mapping[ProcessType, str]
) -> Mapping[ProcessType, str]:
    """Heroku's rule: the buildpack's default types fill in what the Procfile lacks."""
    return MappingProxyType({**defaults, **(declared or {})})
