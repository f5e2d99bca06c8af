"""Finds buildpacks, pins them by content, and keeps a copy that no build can write to."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from buildpack.support.command import (
    Command,
    CommandFailedError,
    CommandNotFoundError,
    CommandTimeoutError,
    capture,
)
from buildpack.support.errors import printable_path
from buildpack.support.files import publishing_dir
from buildpack.support.values import value
from buildpack.version import __version__
from slugc.buildpacks.check import check_programs
from slugc.buildpacks.errors import BuildpackBrokenError, BuildpackGoneError
from slugc.buildpacks.places import INSTALLED
from slugc.buildpacks.spec import BuildpackKind, BuildpackSpec, own_root
from slugc.progress import unwatched
from slugc.slug import BuildpackRecord
from slugc.sources.fetching import FETCH_TIMEOUT, fetch_archive, fetch_git, parse_git_url, unpack
from slugc.sources.trusted import NOBODY, Trusted
from slugc.store import note_use

# What our own buildpack is made of, in a checkout and in an installed slugc alike, so that both
# have the same digest.
OWN_PROGRAMS = ("detect", "compile", "release", "report", "test-compile")
OWN_PACKAGE = "buildpack"

NOT_PART_OF_IT = frozenset({".git", "__pycache__"})
EXPORT = "export"
"""What the classic API lets a buildpack leave, for those after it: of one build, not of all."""
MAX_FILES = 50_000  # Heroku's largest have some 3,000
MAX_BYTES = 1024**3
_COMPILE_MODULES = Path(__file__).parent / "compile_modules.py"
_COMPILER_MEMORY = 512 * 1024 * 1024  # a module of a megabyte takes a tenth of it


@value
class Buildpack:
    """A buildpack at hand: a directory nobody writes to, and what identifies it."""

    root: Path
    source: str
    version: str
    digest: str

    def record(self, name: str) -> BuildpackRecord:
        """What the slug says about it; ``name`` is what its bin/detect answered."""
        return BuildpackRecord(
            name=name, version=self.version, digest=self.digest, source=self.source
        )


def fetch_buildpack(  # noqa: PLR0913  # all but the first are named
    spec: BuildpackSpec,
    *,
    store: Path,
    scratch: Path,
    env: Mapping[str, str],
    path: str,
    has_programs: bool = True,
    timeout: float = FETCH_TIMEOUT,
    watch: Callable[[int], None] = unwatched,
    trusted: Trusted = NOBODY,
) -> Buildpack:
    """Bring the buildpack into ``store``, by its content.

    ``path`` finds the builds' python3 and, if a build ``has_programs`` of this machine, the
    interpreters of the buildpack's. ``timeout`` is for what is fetched, and ``watch`` is told how
    many bytes of a tarball have come. ``trusted`` is whom to ask with the user's rights, beside
    what they have named.
    """
    if spec.kind is BuildpackKind.INSTALLED:
        return _installed(spec, store)
    top, version = _bring(spec, scratch, env, timeout, watch, trusted)
    own = spec.kind is BuildpackKind.OWN
    files = list(_own_files(top) if own else _files_of(top, spec.label))
    check_programs(top, spec.label, path=path if has_programs and not own else None)
    digest = _digest(top, files, spec.label)
    kept = store / digest
    if not note_use(kept):
        _keep(top, files, kept, path=path, compiled=top if own else None)
    return Buildpack(root=kept, source=spec.source, version=version, digest=f"sha256:{digest}")


def _bring(
    spec: BuildpackSpec,
    scratch: Path,
    env: Mapping[str, str],
    timeout: float,
    watch: Callable[[int], None],
    trusted: Trusted,
) -> tuple[Path, str]:
    """Where the buildpack is on this machine, and its version if it has one."""
    match spec.kind:
        case BuildpackKind.OWN:
            return own_root(), __version__
        case BuildpackKind.GIT:
            url = parse_git_url(spec.location)
            allowed = trusted.naming(url.url) if spec.is_named else trusted
            return scratch, fetch_git(url, scratch, env=env, timeout=timeout, trusted=allowed)
        case BuildpackKind.TARBALL if "://" in spec.location:
            allowed = trusted.naming(spec.location) if spec.is_named else trusted
            top = fetch_archive(
                spec.location, scratch, timeout=timeout, watch=watch, trusted=allowed
            )
            return top, ""
        case BuildpackKind.TARBALL:
            with Path(spec.location).open("rb") as stream:
                return unpack(stream, scratch, shown=spec.location), ""
        case _:
            return Path(spec.location), ""


def _installed(spec: BuildpackSpec, store: Path) -> Buildpack:
    kept = store.with_name(INSTALLED) / spec.location
    if not kept.is_dir():
        raise BuildpackGoneError(spec.name, spec.origin)
    digest = f"sha256:{spec.location}"
    return Buildpack(root=kept, source=spec.origin, version=spec.version, digest=digest)


def _own_files(top: Path) -> Iterator[str]:
    yield from (f"bin/{name}" for name in OWN_PROGRAMS if (top / "bin" / name).exists())
    yield from (f"{OWN_PACKAGE}/{name}" for name in _files_of(top / OWN_PACKAGE, OWN_PACKAGE))


def _files_of(top: Path, label: str) -> Iterator[str]:
    """Every file and link below ``top``, less history, caches and virtualenvs."""
    count = 0
    for directory, below, names in os.walk(top):
        below[:] = sorted(
            name
            for name in below
            if name not in NOT_PART_OF_IT and not (Path(directory) / name / "pyvenv.cfg").exists()
        )
        count += len(names)
        if count > MAX_FILES:
            raise BuildpackBrokenError(label, [f"it holds more than {MAX_FILES:,} files"])
        inside = Path(directory).relative_to(top)
        links = [name for name in below if (Path(directory) / name).is_symlink()]
        found = (os.fspath(inside / name) for name in sorted((*names, *links)))
        yield from (name for name in found if name != EXPORT)


def _digest(top: Path, files: Sequence[str], label: str) -> str:
    """sha256 over names, modes and content: the same wherever the buildpack lies."""
    whole = hashlib.sha256()
    size = 0
    for name in sorted(files, key=os.fsencode):
        path = top / name
        try:
            status = path.lstat()
            size += status.st_size
            kind, part = _identity(path, status, size)
        except (OSError, ValueError) as err:
            what = getattr(err, "strerror", None) or err
            raise BuildpackBrokenError(label, [f"{printable_path(name)}: {what}"]) from err
        whole.update(b"\0".join((os.fsencode(name), kind, part.encode())) + b"\n")
    return whole.hexdigest()


def _identity(path: Path, status: os.stat_result, size: int) -> tuple[bytes, str]:
    """What a file is, and the digest of its content. Raises ValueError with what is wrong."""
    if stat.S_ISLNK(status.st_mode):
        return b"link", hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if size > MAX_BYTES:
        raise ValueError(f"with this file it is larger than {MAX_BYTES >> 20:,} MiB")
    kind = b"program" if status.st_mode & stat.S_IXUSR else b"file"
    with path.open("rb") as file:
        return kind, hashlib.file_digest(file, "sha256").hexdigest()


def _keep(top: Path, files: Sequence[str], kept: Path, *, path: str, compiled: Path | None) -> None:
    with publishing_dir(kept) as temporary:
        temporary.chmod(0o755)
        for name in files:
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (top / name).is_symlink():
                target.symlink_to((top / name).readlink())
            else:
                shutil.copyfile(top / name, target)
                target.chmod(0o755 if (top / name).stat().st_mode & stat.S_IXUSR else 0o644)
        if any(name.endswith(".py") for name in files):
            _compile_python(temporary, path, compiled)


def _compile_python(root: Path, path: str, compiled: Path | None) -> None:
    """Bytecode beside the copy's modules: 150 ms less at every later start of a phase.

    What lies in ``compiled`` beside the same modules is taken over, if that is our own.
    """
    python = shutil.which("python3", path=path)
    if python is None:
        return  # a build without python3 has no use for it, and says so itself
    # What a stranger wrote is parsed outside of any sandbox, which can take all memory there is.
    limited = ("prlimit", f"--data={_COMPILER_MEMORY}", "--")
    places = (os.fspath(place) for place in (root, compiled) if place)
    argv = (*limited, python, "-I", "-S", os.fspath(_COMPILE_MODULES), *places)
    try:
        capture(Command(argv=argv, cwd=root, env={"PATH": path}, timeout=60))
    except (CommandFailedError, CommandNotFoundError, CommandTimeoutError):
        return  # a module for another Python, or a monstrous one: its buildpack starts without
