"""What the app should run if its Procfile does not say: a web server, where we can tell which."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from buildpack.django import has_django
from buildpack.python_version import PythonVersion
from buildpack.venv import Venv

ENTRY_FILES = ("app.py", "main.py", "server.py", "wsgi.py", "asgi.py")
FLASK_APP = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:flask\.)?Flask\(", re.MULTILINE)
ASGI_APP = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:fastapi\.)?FastAPI\(", re.MULTILINE)


def default_process_types(build_dir: Path) -> Mapping[str, str]:
    """The process types of a built app; empty when nothing is certain."""
    venv = find_venv(build_dir)
    if venv is None:
        return {}
    command = _web_command(build_dir, venv)
    return {"web": command} if command else {}


def find_venv(build_dir: Path) -> Venv | None:
    """The virtualenv in a built app."""
    root = build_dir / ".heroku" / "venv"
    for site_packages in sorted(root.glob("lib/python3.*/site-packages")):
        minor = int(site_packages.parent.name.removeprefix("python3."))
        return Venv(root=root, version=PythonVersion(major=3, minor=minor, patch=0))
    return None


def _web_command(build_dir: Path, venv: Venv) -> str | None:
    has_gunicorn = (venv.bin_dir / "gunicorn").exists()
    has_uvicorn = (venv.bin_dir / "uvicorn").exists()
    if has_django(venv) and (build_dir / "manage.py").is_file():
        return _django_command(build_dir, has_gunicorn=has_gunicorn)
    if has_gunicorn and (found := _find_app(build_dir, FLASK_APP)):
        return f"gunicorn --bind 0.0.0.0:$PORT {found}"
    if has_uvicorn and (found := _find_app(build_dir, ASGI_APP)):
        return f"uvicorn --host 0.0.0.0 --port $PORT {found}"
    return None


def _django_command(build_dir: Path, *, has_gunicorn: bool) -> str | None:
    modules = sorted(path.parent.name for path in build_dir.glob("*/wsgi.py"))
    if has_gunicorn and len(modules) == 1:
        return f"gunicorn --bind 0.0.0.0:$PORT {modules[0]}.wsgi"
    return None


def _find_app(build_dir: Path, pattern: re.Pattern[str]) -> str | None:
    for name in ENTRY_FILES:
        path = build_dir / name
        if path.is_file():
            match = pattern.search(path.read_text("utf-8", "replace"))
            if match:
                return f"{path.stem}:{match[1]}"
    return None


def release_yaml(process_types: Mapping[str, str]) -> str:
    """The answer of ``bin/release``. A JSON string is a YAML string, with its escapes."""
    if not process_types:
        return "--- {}\n"
    lines = [f"  {name}: {json.dumps(command)}" for name, command in process_types.items()]
    return "\n".join(["---", "default_process_types:", *lines, ""])
