"""slugc for other programs: build a slug, look into one. docs/api.md is its guide.

Import these names from ``slugc``. Whatever cannot be done raises a SlugkitError.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from buildpack.support.errors import SlugkitError, UsageError, printable
from buildpack.support.machine import MachineError, refused_by_machine
from buildpack.support.values import NOTHING, value
from slugc import builder
from slugc.build_command import make_request
from slugc.config_vars import ConfigVarError
from slugc.inspection.contents import SlugEntry, read_contents
from slugc.inspection.packages import SlugPackage, read_packages
from slugc.inspection.verification import verify_slug_file
from slugc.plain_build import DEFAULT_TIMEOUT, DEFAULTS, current_dir
from slugc.progress_events import Event, EventProgress, OnEvent
from slugc.slug import BuildpackRecord, Layer, SlugMetadata, read_slug
from slugc.slug import Slug as SlugFile

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

AnyPath = str | os.PathLike[str]
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sandbox": ("embedded", "docker", "none"),
    "network": ("on", "isolated", "off", "host"),
    "slug_format": ("slug", "tgz"),
}


class Slug:
    """A slug file. Opening it reads its index alone; ``verify`` reads all of it."""

    __slots__ = ("_slug",)

    def __init__(self, slug: SlugFile) -> None:
        self._slug = slug

    @classmethod
    def open(cls, path: AnyPath) -> Slug:
        """The slug at ``path``. Raises a SlugkitError if there is none, or it is cut short."""
        return cls(read_slug(Path(path).absolute()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Slug):
            return NotImplemented
        return (self.path, self.checksum) == (other.path, other.checksum)

    def __hash__(self) -> int:
        return hash((self.path, self.checksum))

    def __repr__(self) -> str:
        return f"Slug({str(self.path)!r})"

    def __fspath__(self) -> str:
        """It stands for its file: ``runner.start(slug)``, ``shutil.copy(slug, ...)``."""
        return str(self.path)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._slug.archive

    @property
    def metadata(self) -> SlugMetadata:
        """Everything it says about itself: name, stack, Python, commit, buildpacks, layers."""
        return self._slug.metadata

    @property
    def checksum(self) -> str:
        """What identifies it: ``sha256:`` and 64 digits, the same for the same content."""
        return self.metadata.checksum

    @property
    def process_types(self) -> Mapping[str, str]:
        """The commands it can run, by process type."""
        return cast("Mapping[str, str]", self.metadata.process_types)

    @property
    def config_vars(self) -> Mapping[str, str]:
        """The buildpack's defaults; none of those that were given for the build."""
        return self.metadata.config_vars

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers, lowest first: the parts of the app that change on their own."""
        return self.metadata.layers

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def packages(self) -> tuple[SlugPackage, ...]:
        """What is installed in it, largest first: Python distributions, packages of npm, gems
        and Composer, the runtime."""
        return read_packages(self._slug)

    def files(self) -> tuple[SlugEntry, ...]:
        """Every file, link and directory, with paths relative to the app."""
        return read_contents(self._slug).entries

    def verify(self) -> None:
        """Compare every byte with its digest and judge every path; raises what is wrong."""
        verify_slug_file(self._slug)

    def extract(self, directory: AnyPath) -> Path:
        """Unpack the app into ``directory``, which is new or empty, and appears whole or not at
        all. Digests are compared first; nothing is written outside it."""
        from slugc.transfer.directory import write_tree
        from slugc.transfer.outputs import new_directory

        target = Path(directory).absolute()
        with new_directory(target, force=False) as temporary:
            write_tree(self._slug, temporary)
        return target

    def sbom(self) -> dict[str, Any]:
        """What is in it as a CycloneDX 1.6 document."""
        from slugc.supply_chain.sbom import slug_sbom

        document: dict[str, Any] = json.loads(slug_sbom(self._slug))
        return document


@value
class BuiltSlug:
    """A slug, and how it came about."""

    slug: Slug
    unchanged: bool
    """whether the output was this very slug already"""
    sandbox: str
    """where the build ran: embedded, docker or none"""
    duration: float
    """in seconds"""
    left_out: Mapping[str, str] = NOTHING
    """paths of the source that are not in the slug, each with the reason; at most 200"""

    @property
    def path(self) -> Path:
        """Where the slug lies."""
        return self.slug.path


def build_slug(  # noqa: PLR0913  # all but the first are named, and may be left out
    source: AnyPath,
    *,
    output: AnyPath | None = None,
    name: str | None = None,
    buildpacks: Iterable[AnyPath] = (),
    config_vars: Mapping[str, str] = NOTHING,
    sandbox: Literal["embedded", "docker", "none"] | None = None,
    network: Literal["on", "isolated", "off", "host"] = "on",
    stack: str | None = None,
    format: Literal["slug", "tgz"] = "slug",  # noqa: A002  # the option's name
    memory: str | None = None,
    cpus: float | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    cache_dir: AnyPath | None = None,
    keep_cache: bool = True,
    allow_no_processes: bool = False,
    on_event: OnEvent | None = None,
    env: Mapping[str, str] | None = None,
) -> BuiltSlug:
    """Build ``source`` into a slug, as ``slugc build`` does; each name is that of its option.

    ``on_event`` is given each event as it happens (docs/slugc.md, Events), mostly from the calling
    thread, never from two at once; what it raises ends the build. ``env`` stands for the
    environment (os.environ), of which a build sees little. Nothing is printed.
    """
    options = {
        **DEFAULTS,
        "output": None if output is None else os.fspath(output),
        "name": name,
        "buildpacks": tuple(os.fspath(each) for each in buildpacks),
        "env": _assignments(config_vars),
        "sandbox": sandbox,
        "network": network,
        "stack": stack,
        "slug_format": format,
        "memory": memory,
        "cpus": None if cpus is None else float(cpus),
        "timeout": float(timeout),
        "cache_dir": None if cache_dir is None else os.fspath(cache_dir),
        "no_cache": not keep_cache,
        "allow_no_processes": allow_no_processes,
    }
    _require_known(options)
    if isinstance(buildpacks, str | os.PathLike):
        raise UsageError("buildpacks is a list: build_slug(..., buildpacks=[SPEC])")
    around = dict(os.environ) if env is None else env
    request = make_request(os.fspath(source), options, env=around, cwd=current_dir())
    with _usual_modes(), _machine_told():
        built = builder.build_slug(request, EventProgress(on_event or _unheard))
    return BuiltSlug(
        slug=Slug(built.slug),
        unchanged=built.unchanged,
        sandbox=built.sandbox.value,
        duration=built.duration,
        left_out=built.left_out.reasons,
    )


def _assignments(config_vars: Mapping[str, object]) -> tuple[str, ...]:
    """As ``--env`` takes them, where a name ends at the first '='; and texts, not their likes: of
    None nobody wants 'None'."""
    problems = [f"'{printable(name)}' is not a name" for name in config_vars if "=" in name]
    problems += [
        f"the value of '{printable(name)}' is not a text"
        for name, text in config_vars.items()
        if not isinstance(text, str)
    ]
    if problems:
        raise ConfigVarError(problems)
    return tuple(f"{name}={text}" for name, text in config_vars.items())


def _require_known(options: Mapping[str, object]) -> None:
    for name, choices in _CHOICES.items():
        if options[name] is not None and options[name] not in choices:
            found = printable(str(options[name]))
            shown = "format" if name == "slug_format" else name
            raise UsageError(f"{shown} cannot be '{found}': it is one of {', '.join(choices)}")


def _unheard(_event: Event) -> None:
    """The default for ``on_event``."""


@contextlib.contextmanager
def _machine_told() -> Iterator[None]:
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as err:
        if (refusal := refused_by_machine(err)) is not None:
            raise MachineError(refusal) from err
        raise


class _Umask:
    """The whole process has one: the first build that runs sets it, the last one puts it back."""

    lock = threading.Lock()
    builds = 0
    before = 0


@contextlib.contextmanager
def _usual_modes() -> Iterator[None]:
    """What a build makes can be read by whom it runs as, whatever the caller's own files are."""
    with _Umask.lock:
        if not _Umask.builds:
            _Umask.before = os.umask(0o022)
        _Umask.builds += 1
    try:
        yield
    finally:
        with _Umask.lock:
            _Umask.builds -= 1
            if not _Umask.builds:
                os.umask(_Umask.before)
