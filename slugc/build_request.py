"""The values a build starts from and gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.support.values import value
from slugc.archive.limits import DEFAULT_LIMITS, Limits
from slugc.buildpacks.choice import Choice
from slugc.sandbox.base import NetworkPolicy, SandboxKind
from slugc.sandbox.limits import BuildLimits
from slugc.slug import Slug, SlugFormat
from slugc.sources.left_out import LeftOut
from slugc.sources.source import Source
from slugc.sources.trusted import NOBODY, Trusted


@value
class BuildRequest:
    """One build, fully decided: every path absolute, every default settled."""

    source: Source
    app: str
    """what the app is called in messages, and what its cache is named after"""
    name: str
    """what the slug calls the app; empty when nobody said, so that the directory's name, which
    differs from copy to copy of the same source, does not change the bytes"""
    output: Path
    output_shown: str = ""
    """what the output is called, where its path says nothing"""
    data_dir: Path
    space_root: Path
    env: Mapping[str, str]
    """the environment of the person who builds"""
    trusted: Trusted = NOBODY
    """where a source may have fetched from with their rights"""
    buildpacks: Choice | None = None
    """those the person who builds names; without any, the source and what is installed decide"""
    config_vars: Mapping[str, str]
    sandbox: SandboxKind | None = None
    stack: str | None = None
    format: SlugFormat = SlugFormat.ZSTD
    obey_lock: bool = True
    """whether a buildpacks.lock in the source is to hold"""
    timeout: float
    detect_timeout: float
    fetch_timeout: float
    limits: Limits = DEFAULT_LIMITS
    warn_size: int = 300 * 1000 * 1000
    """bytes of the slug; where a person is told what makes it large"""
    strict_secrets: bool = False
    network: NetworkPolicy = NetworkPolicy.ON
    build_limits: BuildLimits = BuildLimits()
    keep_cache: bool = True
    allow_no_processes: bool = False


@value
class BuiltSlug:
    """A slug, and how it came about."""

    slug: Slug
    sandbox: SandboxKind
    unchanged: bool
    duration: float
    left_out: LeftOut = LeftOut()

    @property
    def size(self) -> int:
        return self.slug.archive.stat().st_size
