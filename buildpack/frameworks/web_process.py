"""The `web` process of an app without a Procfile, where its files leave no doubt.

Apps are read, never imported. Where nothing is certain, or no server is installed that can serve
what was found, there is no default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from pathlib import Path

from buildpack.frameworks.django import find_manage_py, has_django
from buildpack.frameworks.django_web import find_django
from buildpack.frameworks.web_apps import FRAMEWORKS, WSGI, AppObject, find_app, has_module
from buildpack.support.errors import printable
from buildpack.support.values import value
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion


@value
class WebProcess:
    """A default `web` process type and what it was found in ("Flask in app.py")."""

    command: str
    reason: str


SOURCES = "src"
"""Where the modules of an app are, if they are not at its root."""


def find_web_process(build_dir: Path, venv: Venv, app_dir: str = "") -> WebProcess | None:
    """The web process of a built app; None where nothing is certain.

    ``app_dir`` is where in ``build_dir`` the app is, "" for all of it.
    """
    servers = installed_servers(venv)
    for app, directory, file in _candidates(build_dir / app_dir, venv):
        command = server_command(app, servers, _join(app_dir, directory))
        if command:
            place = printable(_join(app_dir, file))
            return WebProcess(command=command, reason=f"{app.framework} in {place}")
    return None


def why_no_web_process(build_dir: Path, venv: Venv, app_dir: str = "") -> str:
    """What an app with a web framework lacks for a default; "" for an app without one."""
    for app, _, file in _candidates(build_dir / app_dir, venv):
        server = "gunicorn" if app.interface == WSGI else "uvicorn"
        found = f"Found {app.framework} in {printable(_join(app_dir, file))}"
        return f"{found}, and no server for it: add {server} to your packages."
    if own := _with_own_server(venv):
        return f"{own[0]} is installed, which has a server of its own."
    if has_django(venv):
        return "Django is installed, and neither manage.py nor a wsgi.py says what to serve."
    known = (shown for name, (shown, _) in FRAMEWORKS.items() if has_module(venv, name))
    return next(
        (f"{shown} is installed, and none of the usual files makes an app." for shown in known), ""
    )


WITH_OWN_SERVER = {
    "streamlit": (
        "Streamlit",
        "streamlit run FILE.py --server.address 0.0.0.0 --server.port $PORT",
    ),
    "gradio": ("Gradio", "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python FILE.py"),
    "chainlit": ("Chainlit", "chainlit run FILE.py --host 0.0.0.0 --port $PORT"),
}
"""By import name. They bring Starlette or FastAPI along, which the app itself never sees."""


def _with_own_server(venv: Venv) -> tuple[str, str] | None:
    return next((found for name, found in WITH_OWN_SERVER.items() if has_module(venv, name)), None)


def example_for(venv: Venv) -> tuple[str, str]:
    """A server that suits the installed framework, and how it is started."""
    if own := _with_own_server(venv):
        return own
    found = [interface for name, (_, interface) in FRAMEWORKS.items() if has_module(venv, name)]
    if has_django(venv) or WSGI in found:
        return "gunicorn", "gunicorn --bind 0.0.0.0:$PORT MODULE:APP"
    return "uvicorn", "uvicorn --host 0.0.0.0 --port $PORT MODULE:APP"


def _candidates(root: Path, venv: Venv) -> Iterator[tuple[AppObject, str, str]]:
    """What could be served, the directory it is imported from, and the file that makes it."""
    if has_django(venv) and (manage_py := find_manage_py(root)):
        directory = str(Path(manage_py).parent)
        for app in find_django(root, manage_py):
            yield app, "" if directory == "." else directory, app.file
    else:
        for directory in ("", SOURCES):
            if found := find_app(root / directory, venv):
                yield found, directory, _join(directory, found.file)
                return


def _join(first: str, second: str) -> str:
    return "/".join(part for part in (first, second) if part)


SERVERS = ("gunicorn", "uvicorn", "hypercorn", "daphne", "waitress-serve")


def installed_servers(venv: Venv) -> frozenset[str]:
    return frozenset(name for name in SERVERS if (venv.bin_dir / name).exists())


def server_command(app: AppObject, servers: Set[str], directory: str) -> str | None:
    """The command line of the first installed server that can serve ``app``.

    ``directory`` is where its module is imported from, "" for the app's root.
    """
    target = f"'{app.target}()'" if app.is_factory else app.target
    cd = _quoted(directory)
    if app.interface == WSGI and "gunicorn" in servers:
        return f"gunicorn --bind 0.0.0.0:$PORT {f'--chdir {cd} ' if cd else ''}{target}"
    if app.interface == WSGI:
        return None if cd or "waitress-serve" not in servers else _waitress(app)
    factory = "--factory " if app.is_factory else ""
    if "uvicorn" in servers:
        where = f"--app-dir {cd} " if cd else ""
        return f"uvicorn --host 0.0.0.0 --port $PORT {where}{factory}{app.target}"
    if cd or app.is_factory:
        return None
    if "hypercorn" in servers:
        return f"hypercorn --bind 0.0.0.0:$PORT {app.target}"
    return f"daphne -b 0.0.0.0 -p $PORT {app.target}" if "daphne" in servers else None


def _waitress(app: AppObject) -> str:
    return f"waitress-serve --listen=*:$PORT {'--call ' if app.is_factory else ''}{app.target}"


def _quoted(directory: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9._/-]*", directory)
    return directory if plain else "'" + directory.replace("'", "'\\''") + "'"


def find_venv(build_dir: Path) -> Venv | None:
    """The virtualenv in a built app."""
    root = build_dir / ".heroku" / "venv"
    for site_packages in sorted(root.glob("lib/python3.*/site-packages")):
        minor = int(site_packages.parent.name.removeprefix("python3."))
        return Venv(root=root, version=PythonVersion(major=3, minor=minor, patch=0))
    return None
