"""Which shared libraries a program and its extension modules load, as the dynamic loader says.

ldd starts three programs for each file. The loader that would start the program is asked instead,
once, with all of its modules loaded beforehand: that is also how they are found when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, capture

LOADED = re.compile(r"\s+(\S+) => (not found|/\S.*?)(?: \(0x|$)")


def find_libraries(program: Path, modules: Sequence[Path]) -> tuple[dict[str, Path], list[Path]]:
    """The libraries that all of them load, by name; and the modules that lack one of theirs.

    The modules are in one directory.
    """
    found = asked_of_loader(program, modules)
    lacking: list[Path] = []
    if None in found.values():
        lacking = [one for one in modules if None in asked_of_loader(program, [one]).values()]
        found = asked_of_loader(program, [one for one in modules if one not in lacking])
    return {name: path for name, path in found.items() if path}, lacking


def asked_of_loader(program: Path, modules: Sequence[Path]) -> Mapping[str, Path | None]:
    """Every library by its name, and where it is; None where the loader finds nothing."""
    # Beside the modules, whose names hold neither the blank nor the colon a directory may have.
    beside = modules[0].parent if modules else program.parent
    preloaded = ":".join(f"./{module.name}" for module in modules)
    command = Command(
        argv=(str(program), "--version"),  # so the loader is told to list, and not to start it
        cwd=beside,
        env={"LD_TRACE_LOADED_OBJECTS": "1", "LD_PRELOAD": preloaded},
        timeout=60,
    )
    try:
        return parse_listing(capture(command))
    except CommandFailedError:
        if not modules:
            raise
        return {"a library that is broken": None}  # there the loader gives up, and names no other


def parse_listing(text: str) -> Mapping[str, Path | None]:
    """What the loader prints; what it has loaded from a place it was told is none of a name."""
    found = filter(None, map(LOADED.match, text.splitlines()))
    return {m[1]: None if m[2] == "not found" else Path(m[2]) for m in found}
