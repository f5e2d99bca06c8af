"""The build tools: pinned, hash-checked, kept in the cache directory, absent from the slug."""

from __future__ import annotations

import functools
import hashlib
import os
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildpack.support import files
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.locks import locked
from buildpack.support.urls import ChecksumError, without_password
from buildpack.support.values import value

if TYPE_CHECKING:
    from concurrent.futures import Future

DATA_FILE = Path(__file__).parent / "data" / "tools.toml"
DEFAULT_INDEX = "https://pypi.org/simple"
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
PIECE = 1 << 20
FIND_LINKS_VARIABLES = ("UV_FIND_LINKS", "PIP_FIND_LINKS")
AT_HAND = "SLUGKIT_TOOLS"
"""Programs to use instead of fetching them: absolute paths, with spaces between."""


@value
class Tool:
    """One pinned wheel."""

    name: str
    version: str
    filename: str
    sha256: str


class ToolBox:
    """Where tools are kept and where they may come from."""

    def __init__(self, *, directory: Path, env: Mapping[str, str]) -> None:
        self.directory, self.env = directory, env
        self.seconds = 0.0
        """spent on getting tools; of those fetched side by side, each counts"""
        self.coming: dict[str, Future[Path]] = {}
        self._at_hand: dict[str, Path | None] = {}

    def prefetch(self, *names: str) -> None:
        """Start fetching these programs at once, but those at hand; ``program`` waits for them."""
        from concurrent.futures import ThreadPoolExecutor

        missing = [name for name in names if self._look_at_hand(name) is None]
        if not missing:
            return
        pool = ThreadPoolExecutor(len(missing))
        for name in missing:
            self.coming[name] = pool.submit(self._fetch, name)
        pool.shutdown(wait=False)

    def ensure(self, name: str) -> Path:
        """The directory that holds the unpacked wheel of ``name``, fetched if need be."""
        return self.coming[name].result() if name in self.coming else self._fetch(name)

    def _fetch(self, name: str) -> Path:
        begun = time.monotonic()
        home = ensure_tool(read_tool(name), self.directory, self.env)
        self.seconds += time.monotonic() - begun
        return home

    def program(self, name: str) -> Path:
        """The executable that the wheel of ``name`` brings, or that very version at hand."""
        if (found := self._look_at_hand(name)) is not None:
            return found
        tool = read_tool(name)
        data_dir = f"{name.replace('-', '_')}-{tool.version}.data"
        return self.ensure(name) / data_dir / "scripts" / name

    def _look_at_hand(self, name: str) -> Path | None:
        if name not in self._at_hand:
            self._at_hand[name] = program_at_hand(name, self.env)
        return self._at_hand[name]


class NoToolForPlatformError(SlugkitError):
    """We have no pinned build of a tool for this processor."""

    id = "tools::platform"

    def __init__(self, name: str, machine: str) -> None:
        self.name, self.machine = name, machine
        super().__init__(
            f"The build tool {name} is not available for this machine",
            details=f"Its processor is '{machine}'; we have builds for x86_64 and aarch64.",
            resolution="Build on one of those.",
        )


class ToolUnavailableError(SlugkitError):
    """A tool is neither in the cache, nor in a find-links directory, nor on the index."""

    exit_code = ExitCode.TRY_AGAIN
    id = "tools::unavailable"

    def __init__(self, tool: Tool, index: str, reason: str) -> None:
        self.tool, self.index, self.reason = tool, without_password(index), reason
        super().__init__(
            f"Could not get the build tool {tool.name} {tool.version}",
            details=f"Package index: {self.index}\n{reason}",
            resolution="Check that the index can be reached from here. To use another\n"
            "index, set PIP_INDEX_URL; to work without one, put the file\n"
            f"    {tool.filename}\n"
            "into a directory and name it in PIP_FIND_LINKS.",
        )


@functools.cache
def _pinned() -> Mapping[str, Any]:
    import tomllib

    return tomllib.loads(DATA_FILE.read_text("utf-8"))


def tool_versions() -> Mapping[str, str]:
    """Name and version of every pinned tool."""
    return {name: entry["version"] for name, entry in _pinned().items()}


def read_tool(name: str) -> Tool:
    """The pinned wheel of ``name`` for this machine."""
    entry = _pinned()[name]
    machine = os.uname().machine
    wheel = entry["wheels"].get("any") or entry["wheels"].get(machine)
    if wheel is None:
        raise NoToolForPlatformError(name, machine)
    return Tool(
        name=name, version=entry["version"], filename=wheel["filename"], sha256=wheel["sha256"]
    )


def program_at_hand(name: str, env: Mapping[str, str]) -> Path | None:
    """What AT_HAND names, if it is the version that is pinned; None, and it is fetched."""
    paths = (Path(word) for word in env.get(AT_HAND, "").split() if word.startswith("/"))
    program = next((x for x in paths if x.name == name and os.access(x, os.X_OK)), None)
    if program is None:
        return None
    from buildpack.support.command import Command, capture

    command = Command(argv=(str(program), "--version"), cwd=Path("/"), env={}, timeout=10)
    try:
        words = capture(command).split()
    except (SlugkitError, OSError):  # of another processor, or not what it is called: fetched
        return None
    return program if words[1:2] == [_pinned()[name]["shows"]] else None


def ensure_tool(tool: Tool, directory: Path, env: Mapping[str, str]) -> Path:
    """Unpack the tool below ``directory`` unless it is there already."""
    home = directory / f"{tool.name}-{tool.version}-{tool.sha256[:8]}"
    if home.is_dir():
        return home
    wheel = directory / tool.filename
    # Two builds with one cache: the second would find the wheel gone that the first took away.
    with locked(directory / f"{tool.name}.lock"):
        if home.is_dir():
            return home
        try:
            _obtain(tool, wheel, env)
            _unpack(wheel, home)
        finally:
            wheel.unlink(missing_ok=True)
    return home


def _obtain(tool: Tool, wheel: Path, env: Mapping[str, str]) -> None:
    for local in _find_links_dirs(env):
        candidate = local / tool.filename
        if candidate.is_file():
            content = candidate.read_bytes()  # once: what is checked is what is used
            found = hashlib.sha256(content).hexdigest()
            if found != tool.sha256:
                raise ChecksumError(str(candidate), tool.sha256, found)
            files.write_atomically(wheel, content)
            return
    # Imported when there is something to fetch: that is 20 ms less for every other build.
    from buildpack.package_index import find_file
    from buildpack.support.download import download

    index = index_url(env)
    try:
        url = find_file(index, tool.name, tool.filename)
        if url is None:
            raise ToolUnavailableError(tool, index, f"The index has no file {tool.filename}.")
        download(url, wheel, sha256=tool.sha256)
    except (ChecksumError, ToolUnavailableError):
        raise
    except SlugkitError as err:
        raise ToolUnavailableError(tool, index, err.details or err.brief) from err


def index_url(env: Mapping[str, str]) -> str:
    """The package index: the user's if one is set, else the public one."""
    return next((env[name] for name in INDEX_VARIABLES if env.get(name)), DEFAULT_INDEX)


def _find_links_dirs(env: Mapping[str, str]) -> Sequence[Path]:
    words = [
        w for name in FIND_LINKS_VARIABLES for w in env.get(name, "").replace(",", " ").split()
    ]
    paths = (urllib.parse.urlsplit(w).path if w.startswith("file:") else w for w in words)
    return [Path(path) for path in paths if path.startswith("/")]


def _unpack(wheel: Path, home: Path) -> None:
    import zipfile

    # The wheel's bytes are pinned by hash, so its member names are as trusted as our own source.
    with files.publishing_dir(home) as temporary, zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            target = temporary / info.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as member, target.open("wb") as file:
                # Large pieces: a thread that inflates small ones keeps the others from running.
                while piece := member.read(PIECE):
                    file.write(piece)
            if info.external_attr >> 16 & 0o111:
                target.chmod(0o755)
