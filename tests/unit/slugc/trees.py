"""Built trees and what is said about them, for tests of packing and unpacking."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from slugc.procfile import ProcessType
from slugc.slug import BuildpackRecord, SlugFacts
from slugc.stack import Stack

STACK = Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64")
FACTS = SlugFacts(
    name="hello",
    stack=STACK,
    buildpacks=(
        BuildpackRecord(name="python", version="1.0", digest="sha256:" + "0" * 64, source="."),
    ),
    process_types={ProcessType("web"): "gunicorn app:app"},
    config_vars={"LANG": "C.UTF-8"},
    python_version="3.13.0",
    commit="c0ffee",
)

SMALL: Mapping[str, str] = {
    "Procfile": "web: gunicorn app:app\n",
    "app.py": "print('hello')\n",
    ".heroku/python/bin/python3.13": "#!elf",
    ".heroku/python/lib/os.py": "import sys\n" * 200,
    ".heroku/venv/lib/flask.py": "x = 1\n" * 300,
    ".heroku/venv/pyvenv.cfg": "relocatable = true\n",
    ".profile.d/python.sh": "PATH=$HOME/.heroku/venv/bin:$PATH\n",
}


def make_tree(root: Path, files: Mapping[str, str] = SMALL) -> Path:
    """A tree with these files; the interpreter executable, the virtualenv's link to it relative."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    python = root / ".heroku/python/bin/python3.13"
    if python.exists():
        python.chmod(0o755)
        (root / ".heroku/venv/bin").mkdir(parents=True, exist_ok=True)
        (root / ".heroku/venv/bin/python").symlink_to("../../python/bin/python3.13")
    return root


def contents(root: Path) -> dict[str, bytes | str]:
    """Every file, link and directory below ``root``: bytes, ``-> target`` or ``dir``."""
    found: dict[str, bytes | str] = {}
    for where, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(where, name)
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = f"-> {path.readlink()}"
            else:
                found[key] = "dir" if path.is_dir() else path.read_bytes()
    return found
