"""How tests run bin/compile: as anybody's pipeline would, with a cache of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.environment import given

ROOT = Path(__file__).resolve().parents[2]
FLASK_APP = ROOT / "fixtures" / "flask_hello"
SETTINGS = (
    "TMPDIR", "PIP_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "PYENV_ROOT",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy",
)  # fmt: skip


def build_env(**more: str) -> dict[str, str]:
    """The user's index and certificates, this Python, and the interpreters of this machine."""
    base_python = Path(sys.base_prefix) / "bin"
    home = os.environ.get("HOME", "/")
    return {
        "PATH": f"{base_python}:/usr/bin:/bin",
        "HOME": home,
        "SLUGKIT_PYTHON_PROVIDER": "host",
        **given(*SETTINGS),
        **more,
    }


def compile_app(app: Path, cache: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "bin" / "compile"), str(app), str(cache), *args],
        env=build_env(**env),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def built(source: Path, app: Path, cache: Path, **env: str) -> Path:
    shutil.copytree(source, app)
    answer = compile_app(app, cache, **env)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return app


def make_app(root: Path, **files: str) -> Path:
    root.mkdir(parents=True)
    for name, text in {"requirements.txt": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def tree(root: Path) -> Mapping[str, tuple[str, str]]:
    """Every entry: its kind and mode, and the digest of its content or where it points."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = (oct(path.stat().st_mode), digest)
        else:
            found[name] = ("directory", "")
    return found


def run_python(app: Path, *args: str) -> str:
    return subprocess.run(
        [str(app / ".heroku" / "venv" / "bin" / "python"), *args],
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def in_plain_text(stderr: str) -> str:
    """The error as its words, without the marks at the beginning of the lines."""
    last = stderr[stderr.rindex(" !     Error: ") :]
    return "\n".join(line[7:] for line in last.rstrip("\n").splitlines())
