"""Releases that were withdrawn ('yanked') when they were installed, as our buildpack notes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from buildpack.support.cyclonedx import json_object
from buildpack.support.names import normalized
from slugc.inspection.contents import SlugEntry

YANKED = "yanked.json"
"""Lies beside a virtualenv's pyvenv.cfg: each release, and its authors' reason."""

_SITE = re.compile(r"(?P<venv>.+)/lib/python[^/]+/site-packages(?=/)")


def find_yanked(
    kept: Mapping[str, bytes], files: Mapping[str, SlugEntry]
) -> Iterator[tuple[tuple[str, str], str]]:
    """Of each virtualenv: where its packages are, a release there, and why it was withdrawn."""
    notes = {path.rpartition("/")[0]: path for path in kept if path.endswith(f"/{YANKED}")}
    notes = {venv: path for venv, path in notes.items() if f"{venv}/pyvenv.cfg" in files}
    sites = {(found["venv"], found[0]) for path in files if notes and (found := _SITE.match(path))}
    for venv, site in sorted(sites):
        for release, why in json_object(kept.get(notes.get(venv, ""))).items():
            package, _, version = release.partition("==")
            yield (site, f"{normalized(package)}=={version}"), str(why)
