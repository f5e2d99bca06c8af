"""Looks at what uv has put into a virtualenv: is it honest, does it tell secrets?

uv leaves out members of a wheel that lead out of the virtualenv, and says nothing; it compares
nothing with RECORD. Both are found here, before anything reads those files.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import posixpath
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

from buildpack.support import files
from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.venv import Venv


class HostileWheelError(SlugkitError):
    """A wheel that is not what its own list of files says."""

    exit_code = ExitCode.DATA
    id = "install::hostile-wheel"

    def __init__(self, package: str, problems: Sequence[str]) -> None:
        self.package, self.problems = package, tuple(problems)
        listing = "\n".join(f"  {problem}" for problem in problems[:10])
        super().__init__(
            f"The wheel of {package} is damaged or hostile",
            details=f"Its list of files (RECORD) does not hold:\n\n{listing}",
            resolution="Nothing of it was kept. Do not install this file anywhere before you know\n"
            "who made it; use another version, or another index.",
        )


def check_records(venv: Venv, checked: frozenset[str] = frozenset()) -> None:
    """Every file a wheel lists is inside the virtualenv, not one of the virtualenv's own, and has
    the size the list says.

    The content is covered by the hash of the whole wheel, where the app gives one. Those of the
    .dist-info directories ``checked`` are not looked at again.
    """
    root = str(venv.site_packages)  # once: it takes longer to put together than a file to look at
    for record in sorted(venv.site_packages.glob("*.dist-info/RECORD")):
        if record.parent.name in checked:
            continue
        problems = [text for row in _rows(record) if (text := _problem(venv, root, row))]
        if problems:
            name = record.parent.name.removesuffix(".dist-info").replace("-", " ")
            raise HostileWheelError(name, problems)


def _problem(venv: Venv, root: str, row: Sequence[str]) -> str:
    name = row[0]
    is_plain = not name.startswith(("/", ".")) and "/.." not in name
    if not is_plain:
        place = os.path.relpath(posixpath.join(root, name), venv.root)
        if name.startswith("/") or place == ".." or place.startswith("../"):
            return f"{printable(name)} is outside the virtualenv"
        if place in venv.own_files:  # uv refuses bin/python, but not pyvenv.cfg
            return f"{printable(name)} is the virtualenv's own"
    if len(row) < 3 or not row[2].isdecimal() or name.endswith(".dist-info/RECORD"):
        return ""
    try:
        size = os.lstat(f"{root}/{name}").st_size
    except OSError:
        return ""  # Listed and not there: untidy, as a number of honest wheels are.
    return "" if size == int(row[2]) else f"{printable(name)} has {size} bytes instead of {row[2]}"


def _rows(record: Path) -> Iterator[list[str]]:
    text = record.read_text("utf-8", "surrogateescape")
    return (row for row in csv.reader(io.StringIO(text)) if row)


def clean_direct_urls(venv: Venv) -> None:
    """Remove user names and passwords from what says where a package came from."""
    for path in sorted(venv.site_packages.glob("*.dist-info/direct_url.json")):
        try:
            found = json.loads(path.read_text("utf-8"))
            url = found["url"]
        except (ValueError, KeyError, TypeError):
            continue  # Not ours to judge: nothing reads it at run time.
        parts = urllib.parse.urlsplit(url)
        if "@" not in parts.netloc or parts.netloc.startswith("git@"):
            continue
        host = parts.netloc.rpartition("@")[2]
        found["url"] = urllib.parse.urlunsplit(parts._replace(netloc=host))
        _replace_recorded(path, json.dumps(found, sort_keys=True).encode())


def _replace_recorded(path: Path, content: bytes) -> None:
    record = path.parent / "RECORD"
    name = f"{path.parent.name}/{path.name}"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    rows = [
        [name, f"sha256={digest}", str(len(content))] if row[0] == name else row
        for row in _rows(record)
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    files.write_whole(path, content)
    files.write_whole(record, text.getvalue().encode("utf-8", "surrogateescape"))
