"""What of an app's requirements is settled by what is installed, so that uv need not ask for it.

To resolve, uv asks the index for each package, also for those that are installed. Where every
requirement is a pin, those that are installed as pinned are the answer of an earlier build, and
agree with each other. What is new is then asked for with them as constraints: if it fits them, the
whole would give the same; if not, the whole has no answer, which installing in earnest tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from buildpack.installers.base import Dependencies, Install
from buildpack.installers.requirements import requirement_texts
from buildpack.installers.uv_environment import installer_env
from buildpack.support.names import normalized
from buildpack.support.values import changed

PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^\]]*\])?\s*==\s*(?P<version>[^\s*,;]+)"
    r"(?:\s+--hash=\S+)*"
)
Pins = list["re.Match[str]"]


def only_what_is_new(
    dependencies: Dependencies, installed: Iterable[str], install: Install
) -> Dependencies:
    """What uv has to be asked for, in an environment of the .dist-info directories ``installed``.

    Where all must be asked for, uv removes what is no longer required; and where something
    installed is not pinned, it chooses versions as in an empty virtualenv.
    """
    lines = list(_lines(dependencies))
    found = [match for line in lines if (match := PINNED.fullmatch(line))]
    versions = _versions(installed)
    is_all_pinned = len(found) == len(lines) and "UV_CONSTRAINT" not in installer_env(install.env)
    if is_all_pinned and (new := _new(found, versions)):
        settled = install.scratch_dir / "settled.txt"
        settled.write_text("".join(f"{match[0]}\n" for match in found if match not in new))
        text = "".join(f"{match[0]}\n" for match in new)
        options = (*dependencies.options, "--constraint", str(settled))
        return changed(dependencies, requirements=text, options=options)
    is_chosen = versions.keys() <= {normalized(match["name"]) for match in found}
    options = ("--exact",) if is_chosen else ("--exact", "--upgrade")
    return changed(dependencies, options=(*dependencies.options, *options))


def _lines(dependencies: Dependencies) -> Iterator[str]:
    for text in requirement_texts(dependencies).values():
        for line in text.replace("\\\n", " ").splitlines():
            if requirement := re.split(r"(?:^|\s)#", line)[0].strip():
                yield requirement


def pinned(requirements: Iterable[str]) -> frozenset[str]:
    """``name==version`` of each requirement that is a pin."""
    found = filter(None, map(PINNED.fullmatch, requirements))
    return frozenset(f"{normalized(match['name'])}=={match['version']}" for match in found)


def _versions(installed: Iterable[str]) -> Mapping[str, str]:
    words = (name.removesuffix(".dist-info").partition("-") for name in installed)
    return {normalized(name): version for name, _, version in words}


def _new(found: Pins, versions: Mapping[str, str]) -> Pins:
    """Those that are not installed, and those with extras, which may be others than before; none
    where something is installed that no pin asks for."""
    same = [match for match in found if versions.get(normalized(match["name"])) == match["version"]]
    if {normalized(match["name"]) for match in same} != versions.keys():
        return []
    return [match for match in found if match not in same or match["extras"]]
