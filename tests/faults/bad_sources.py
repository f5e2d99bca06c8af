"""What tests of sources nobody should have share: builds of them, and what is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from slugc.sources.source import Source, SourceKind, stage_source
from tests.integration.build_support import Builder, Outcome, make_buildpack

MIB = 1024 * 1024


def nothing_building(open_dir: Path) -> Callable[..., Outcome]:
    """One build of a source with a buildpack that does nothing."""
    builder, pack = Builder(home=open_dir / "data"), make_buildpack(open_dir / "pack")

    def build(source: Path | str, *options: str) -> Outcome:
        return builder.build(source, "-b", pack, *options)

    return build


def staged(source: Path, tmp_path: Path) -> Path:
    target = tmp_path / "build"
    target.mkdir()
    where = Source(kind=SourceKind.DIRECTORY, location=str(source))
    stage_source(where, target, scratch=tmp_path / "scratch", env={}, ours=frozenset())
    return target


def said(outcome: Outcome) -> str:
    """What the build said, without the marks before each line."""
    return re.sub(r"(?m)^ !( {5})?", "", outcome.stderr)
