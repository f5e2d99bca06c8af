"""``slugc verify --rebuild``: builds the source once more and compares, byte for byte.

Nothing of an earlier build is used: the data directory, with its store, caches and buildpacks, is
a new one that is gone afterwards.
"""

from __future__ import annotations

import contextlib
import filecmp
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildpack.support.deletion import remove_tree
from buildpack.support.values import value
from slugc.build_command import make_request
from slugc.builder import build_slug
from slugc.inspection.difference import Difference, compare, given_name
from slugc.plain_build import DEFAULTS
from slugc.privileges import data_dir
from slugc.progress import Progress
from slugc.scratch import opened_scratch
from slugc.slug import Slug

_TRIES, _PAUSE = 100, 0.1


@value
class Rebuild:
    """How a second build compares."""

    same_bytes: bool
    difference: Difference | None
    """None where the bytes are the same"""
    checksum: str


def rebuild(
    slug: Slug,
    source: str,
    options: Mapping[str, object],
    *,
    env: Mapping[str, str],
    cwd: Path,
    progress: Progress,
) -> Rebuild:
    """Build ``source`` as ``slug`` says it was built, and compare the two."""
    with _scratch_dir(data_dir(env)) as scratch:
        (scratch / "out").mkdir(mode=0o700)
        # An app nobody named is called after its file.
        output = scratch / "out" / slug.archive.name
        given = {**DEFAULTS, **_as_before(slug), **options, "output": str(output), "no_cache": True}
        fresh = {**env, "SLUGKIT_HOME": str(scratch / "home")}
        request = make_request(source, given, env=fresh, cwd=cwd)
        built = build_slug(request, progress).slug
        same = filecmp.cmp(slug.archive, built.archive, shallow=False)
        found = None if same else compare(slug, built)
        return Rebuild(same_bytes=same, difference=found, checksum=built.metadata.checksum)


@contextlib.contextmanager
def _scratch_dir(home: Path) -> Iterator[Path]:
    with opened_scratch(home) as scratch:
        path = scratch / "rebuild"
        path.mkdir(mode=0o711)  # builds run as a user who has to get through
        try:
            yield path
        finally:
            _remove(path)


def _remove(path: Path) -> None:
    """Together with the helper that a build leaves behind to empty its old trees, which may take
    a file from under our hands."""
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            remove_tree(path)
            return
        time.sleep(_PAUSE)
    remove_tree(path)


def _as_before(slug: Slug) -> Mapping[str, object]:
    """The options that the slug tells of; config vars it does not."""
    metadata = slug.metadata
    return {
        "name": given_name(slug) or None,
        "buildpacks": tuple(record.source for record in metadata.buildpacks),
        "slug_format": slug.format.value,
        "allow_no_processes": not metadata.process_types,
    }
