"""A virtualenv whose links and scripts survive being moved."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from buildpack.support import files
from buildpack.support.values import value
from buildpack.versions.python_version import PythonVersion

CONFIG = "pyvenv.cfg"


@value
class Venv:
    """An environment beside its runtime: ``../python`` from ``root`` is the runtime's home."""

    root: Path
    version: PythonVersion

    @property
    def bin_dir(self) -> Path:
        return self.root / "bin"

    @property
    def python(self) -> Path:
        return self.bin_dir / "python"

    @property
    def python_links(self) -> tuple[str, ...]:
        """Names of the interpreter in ``bin_dir``."""
        return ("python", "python3", f"python{self.version.series}")

    @property
    def own_files(self) -> frozenset[str]:
        """What it is made with. No package may bring one of these, nor take one along."""
        return frozenset({CONFIG, *(f"bin/{name}" for name in self.python_links)})

    @property
    def site_packages(self) -> Path:
        return self.root / "lib" / f"python{self.version.series}" / "site-packages"


def create_venv(root: Path, version: PythonVersion, *, home: Path) -> Venv:
    """Make the directories and links that ``python -m venv`` would, all of them relative.

    While packages are installed the environment names its runtime's ``home``: uv needs it to make
    the environments in which source distributions are built. ``neutralize`` removes it.
    """
    venv = Venv(root=root, version=version)
    venv.bin_dir.mkdir(parents=True)
    venv.site_packages.mkdir(parents=True)
    venv.python.symlink_to(f"../../python/bin/python{version.series}")
    for name in venv.python_links[1:]:
        (venv.bin_dir / name).symlink_to("python")
    _write_config(venv, f"home = {home}\n")
    return venv


def _write_config(venv: Venv, home_line: str) -> None:
    # "relocatable" makes uv write scripts that find their Python wherever both have been moved.
    files.write_whole(
        venv.root / CONFIG,
        f"{home_line}include-system-site-packages = false\n"
        f"relocatable = true\nversion = {venv.version}\n",
    )


NAMES_THE_BUILD = frozenset({"uv_cache.json", "uv_build.json"})
"""Files uv leaves in a .dist-info about the machine it ran on."""


def neutralize(venv: Venv, names: Sequence[str] = ("*.dist-info",)) -> None:
    """Remove what differs between two installs of the same distributions: all, or those named."""
    # Without a home line Python follows bin/python to the runtime beside us, wherever that is.
    _write_config(venv, "")
    records = [r for name in names for r in venv.site_packages.glob(f"{name}/RECORD")]
    for record in sorted(records):
        removed = {name for name in NAMES_THE_BUILD if (record.parent / name).exists()}
        direct_url = record.parent / "direct_url.json"
        if direct_url.exists() and "file://" in direct_url.read_text("utf-8"):
            removed.add(direct_url.name)
        for name in removed:
            (record.parent / name).unlink()
        drop_from_record(record, frozenset(f"{record.parent.name}/{name}" for name in removed))
    for lock in (venv.root / ".lock", venv.root / ".gitignore", venv.root / "CACHEDIR.TAG"):
        lock.unlink(missing_ok=True)


def record_again(venv: Venv, changed: Sequence[Path]) -> None:
    """Note in each RECORD the digests of the files we changed: pip checks them, and so do we."""
    digests = {path.name: _record_row(path) for path in changed}
    for record in sorted(venv.site_packages.glob("*.dist-info/RECORD")) if digests else ():
        rows = _read_record(record)
        again = [digests.get(row[0], row) for row in rows]
        if again != rows:
            _write_record(record, again)


def _record_row(path: Path) -> list[str]:
    """A file's line in RECORD (packaging.python.org, "Recording installed projects")."""
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [path.name, f"sha256={digest}", str(len(content))]


def drop_from_record(record: Path, removed: frozenset[str]) -> None:
    """Leave ``removed`` files out of a RECORD, and put the rest in order."""
    rows = _read_record(record)
    kept = sorted(row for row in rows if row[0] not in removed)
    if kept != rows:
        _write_record(record, kept)


def _read_record(record: Path) -> list[list[str]]:
    text = record.read_text("utf-8", "surrogateescape")
    return [row for row in csv.reader(io.StringIO(text)) if row]


def _write_record(record: Path, rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    # A new file, never a write into the old one: that may be a hard link into uv's cache.
    files.write_whole(record, text.getvalue().encode("utf-8", "surrogateescape"))
