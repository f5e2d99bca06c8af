"""frameworks, web_apps, django_web, release: the web process of an app without a Procfile."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from buildpack.frameworks.web_process import WebProcess, find_venv, find_web_process
from buildpack.release import default_process_types, release_yaml, web_process_step
from buildpack.report import BuildData
from buildpack.support.output import Output

GUNICORN = "gunicorn --bind 0.0.0.0:$PORT"
UVICORN = "uvicorn --host 0.0.0.0 --port $PORT"
FLASK = "from flask import Flask\n"
FASTAPI = "from fastapi import FastAPI\n"
STARLETTE = "from starlette.applications import Starlette\n"


def built_app(root: Path, *installed: str, **sources: str) -> Path:
    """A built app; ``installed`` are programs and packages, ``a__INIT`` is a/__init__.py."""
    venv = root / ".heroku" / "venv"
    site_packages = venv / "lib" / "python3.13" / "site-packages"
    (venv / "bin").mkdir(parents=True)
    for name in installed:
        (venv / "bin" / name).touch()
        (site_packages / name).mkdir(parents=True)
        (site_packages / name / "__init__.py").touch()
    write(root, **sources)
    return root


def write(root: Path, **sources: str) -> None:
    for name, source in sources.items():
        path = root / (name.replace("__", "/").replace("INIT", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def found(root: Path, app_dir: str = "") -> WebProcess | None:
    venv = find_venv(root)
    assert venv is not None
    return find_web_process(root, venv, app_dir)


def command(root: Path) -> str:
    process = found(root)
    return process.command if process else ""


MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n'


def django(root: Path, settings: str, *installed: str, **sources: str) -> Path:
    names = installed or ("gunicorn",)
    return built_app(
        root, "django", *names, manage=MANAGE, mysite__settings=settings, **sources
    )  # fmt: skip


def test_django_runs_what_its_settings_name(tmp_path: Path) -> None:
    root = django(tmp_path, 'WSGI_APPLICATION = "web.entry.handler"\n', web__entry="", x__wsgi="")
    assert found(root) == WebProcess(
        command=f"{GUNICORN} web.entry:handler", reason="Django in manage.py"
    )


def test_django_settings_that_import_others_are_followed(tmp_path: Path) -> None:
    root = built_app(
        tmp_path, "django", "gunicorn",
        manage=MANAGE.replace("mysite.settings", "mysite.settings.production"),
        mysite__settings__production="from .base import *\nDEBUG = False\n",
        mysite__settings__base='WSGI_APPLICATION = "mysite.wsgi.application"\n',
        mysite__settings__INIT="", mysite__wsgi="",
    )  # fmt: skip
    assert command(root) == f"{GUNICORN} mysite.wsgi:application"


def test_settings_that_import_each_other_come_to_an_end(tmp_path: Path) -> None:
    # Followed one by one, a hundred imports in each would be some 10 billion files.
    root = django(
        tmp_path,
        "from mysite.more import *\n" * 100,
        mysite__more="from .settings import *\n" * 100,
    )
    assert command(root) == ""


def test_django_below_the_root_runs_there(tmp_path: Path) -> None:
    root = built_app(
        tmp_path, "django", "gunicorn",
        site__manage=MANAGE, site__mysite__wsgi="",
        site__mysite__settings='WSGI_APPLICATION = "mysite.wsgi.application"\n',
    )  # fmt: skip
    assert found(root) == WebProcess(
        command=f"{GUNICORN} --chdir site mysite.wsgi:application",
        reason="Django in site/manage.py",
    )


def test_django_with_only_an_asgi_server_runs_its_asgi_application(tmp_path: Path) -> None:
    names = (
        f'{kind.upper()}_APPLICATION = "mysite.{kind}.application"' for kind in ("wsgi", "asgi")
    )
    root = django(tmp_path, "\n".join(names), "daphne", mysite__wsgi="", mysite__asgi="")
    assert command(root) == "daphne -b 0.0.0.0 -p $PORT mysite.asgi:application"
    (root / ".heroku" / "venv" / "bin" / "gunicorn").touch()
    assert command(root) == f"{GUNICORN} mysite.wsgi:application"


def test_django_whose_settings_say_nothing_runs_its_only_wsgi_module(tmp_path: Path) -> None:
    root = django(tmp_path, "import os\n", mysite__wsgi="")
    assert command(root) == f"{GUNICORN} mysite.wsgi:application"
    write(root, other__wsgi="")
    assert command(root) == ""


@pytest.mark.parametrize(
    "value", ["gone.wsgi.application", "application", "my;site.wsgi.a", "mysite.wsgi.$(id)", ""]
)
def test_a_setting_that_names_no_module_of_the_app_is_no_answer(value: str, tmp_path: Path) -> None:
    root = django(tmp_path, f'WSGI_APPLICATION = "{value}"\n', a__wsgi="", b__wsgi="")
    (root / "my;site").mkdir()
    (root / "my;site" / "wsgi.py").touch()
    assert command(root) == ""


@pytest.mark.parametrize(
    ("file", "source", "target"),
    [
        ("main", FLASK + "app = Flask(__name__)\n", "main:app"),
        ("wsgi", FLASK + "application = Flask(__name__)\n", "wsgi:application"),
        ("server", "import flask\nsite: flask.Flask = flask.Flask('x')\n", "server:site"),
        ("app", "from flask import Flask as F\nif True:\n    app = F(__name__)\n", "app:app"),
        # What `flask` finds first.
        ("app", FLASK + "admin = Flask('a')\napp = Flask('b')\n", "app:app"),
        # A factory needs no arguments.
        ("app", FLASK + "def create_app(x=None):\n    return Flask('x')\n", "'app:create_app()'"),
        ("app", "def make_app():\n    import flask\n    return flask.Flask('x')\n",
         "'app:make_app()'"),
        ("flaskr__INIT", FLASK + "def create_app(*, test=None):\n    return Flask('x')\n",
         "'flaskr:create_app()'"),
        # Made elsewhere, in a file whose name says what it is for.
        ("wsgi", "from flaskr import create_app\napp = create_app()\n", "wsgi:app"),
        ("wsgi", "from flaskr import app as application\n", "wsgi:application"),
        ("app", "from flaskr import create_app\napp = create_app()\n", "app:app"),
        # Wrapped, and still an app.
        ("app", FLASK + "app = Flask('x')\napp = Middleware(app)\n", "app:app"),
        ("app__INIT", FLASK + "app = Flask('x')\n", "app:app"),
    ],
)  # fmt: skip
def test_flask_apps_are_found_as_flask_finds_them(
    file: str, source: str, target: str, tmp_path: Path
) -> None:
    root = built_app(tmp_path, "flask", "gunicorn", **{file: source})
    assert command(root) == f"{GUNICORN} {target}"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("app", "app = Flask(__name__)\n"),  # not imported: whose is it?
        ("app", FLASK + "a = Flask('a')\nb = Flask('b')\n"),
        ("app", FLASK + "def create_app(config):\n    return Flask(config)\n"),
        ("app", FLASK + "def create_app():\n    return other()\n"),
        ("app", FLASK + "def f():\n    app = Flask('x')\n"),
        ("app", FLASK + "app = Flask('x')\napp = None\n"),
        ("app", "from flask import Flask\napp = Flask(\n"),
        ("tool", FLASK + "app = Flask('x')\n"),
        ("wsgi", "import os\n"),
    ],
)
def test_where_nothing_is_certain_there_is_no_default(
    file: str, source: str, tmp_path: Path
) -> None:
    assert command(built_app(tmp_path, "flask", "gunicorn", **{file: source})) == ""


@pytest.mark.parametrize(
    ("package", "file", "source", "words"),
    [
        ("fastapi", "main", FASTAPI + "app = FastAPI()\n", "main:app"),
        ("fastapi", "api", FASTAPI + "api = FastAPI()\n", "api:api"),
        ("fastapi", "app__main", "import fastapi\napp = fastapi.FastAPI()\n", "app.main:app"),
        ("fastapi", "main", FASTAPI + "def create_app() -> FastAPI:\n    return FastAPI()\n",
         "--factory main:create_app"),
        ("starlette", "main", STARLETTE + "app = Starlette(routes=[])\n", "main:app"),
        ("starlette", "asgi", "from site_ import application\n", "asgi:application"),
        ("starlette", "server",
         "import starlette.applications\nx = starlette.applications.Starlette()\n", "server:x"),
    ],
)  # fmt: skip
def test_asgi_apps_run_with_uvicorn(
    package: str, file: str, source: str, words: str, tmp_path: Path
) -> None:
    root = built_app(tmp_path, package, "uvicorn", **{file: source})
    assert command(root) == f"{UVICORN} {words}"


def test_with_two_frameworks_the_object_decides(tmp_path: Path) -> None:
    root = built_app(
        tmp_path, "fastapi", "starlette", "uvicorn", main=FASTAPI + "app = FastAPI()\n"
    )
    process = found(root)
    assert process is not None
    assert process.reason == "FastAPI in main.py"


@pytest.mark.parametrize(
    ("package", "server", "source", "expected"),
    [
        ("flask", "waitress-serve", FLASK + "app = Flask('x')\n",
         "waitress-serve --listen=*:$PORT app:app"),
        ("fastapi", "hypercorn", FASTAPI + "app = FastAPI()\n",
         "hypercorn --bind 0.0.0.0:$PORT app:app"),
        # A server of the other kind cannot serve it.
        ("fastapi", "gunicorn", FASTAPI + "app = FastAPI()\n", ""),
        ("flask", "uvicorn", FLASK + "app = Flask('x')\n", ""),
        ("flask", "pytest", FLASK + "app = Flask('x')\n", ""),
    ],
)  # fmt: skip
def test_the_server_is_one_that_is_installed_and_fits(
    package: str, server: str, source: str, expected: str, tmp_path: Path
) -> None:
    assert command(built_app(tmp_path, package, server, app=source)) == expected


def test_a_framework_that_is_not_installed_does_not_count(tmp_path: Path) -> None:
    assert command(built_app(tmp_path, "gunicorn", app=FLASK + "app = Flask('x')\n")) == ""


def test_a_module_that_a_package_hides_is_not_named(tmp_path: Path) -> None:
    root = built_app(tmp_path, "flask", "gunicorn", app=FLASK + "app = Flask('x')\n", app__INIT="")
    assert command(root) == ""


def test_nothing_of_the_app_is_run(tmp_path: Path) -> None:
    source = FLASK + f"open({str(tmp_path / 'ran')!r}, 'w')\napp = Flask('x')\n"
    assert command(built_app(tmp_path, "flask", "gunicorn", app=source)) == f"{GUNICORN} app:app"
    assert not (tmp_path / "ran").exists()


def test_an_app_in_a_subdirectory_runs_there(tmp_path: Path) -> None:
    root = built_app(tmp_path, "flask", "gunicorn", sub__app=FLASK + "app = Flask('x')\n")
    assert found(root, "sub") == WebProcess(
        command=f"{GUNICORN} --chdir sub app:app", reason="Flask in sub/app.py"
    )


def test_a_procfile_is_never_added_to(tmp_path: Path) -> None:
    root = built_app(tmp_path, "flask", "gunicorn", app=FLASK + "app = Flask('x')\n")
    assert default_process_types(root) == {"web": f"{GUNICORN} app:app"}
    (root / "Procfile").write_text("worker: python worker.py\n")
    assert default_process_types(root) == {}


def test_without_a_build_there_is_no_default(tmp_path: Path) -> None:
    write(tmp_path, app=FLASK + "app = Flask('x')\n")
    assert default_process_types(tmp_path) == {}


def test_the_build_shows_what_release_will_say(tmp_path: Path) -> None:
    root = built_app(tmp_path, "flask", "gunicorn", app=FLASK + "app = Flask('x')\n")
    out, data = io.StringIO(), BuildData()
    web_process_step(root, data, Output(out=out))
    assert out.getvalue() == (
        "-----> Default web process (Flask in app.py, and no Procfile)\n"
        f"       web: {GUNICORN} app:app\n"
        "       For another, add a Procfile to your app: it wins over this.\n"
    )
    assert data.facts == {"default_web_process": f"{GUNICORN} app:app"}


def step(root: Path) -> str:
    out = io.StringIO()
    web_process_step(root, BuildData(), Output(out=out))
    return out.getvalue()


@pytest.mark.parametrize(
    ("installed", "sources", "why"),
    [
        (("flask",), {"shop__INIT": FLASK + "app = Flask('x')\n"},
         "Found Flask in shop/__init__.py, and no server for it: add gunicorn to your packages."),
        (("flask", "gunicorn"), {"shop__web__start": FLASK + "app = Flask('x')\n"},
         "Flask is installed, and none of the usual files makes an app."),
        (("django", "gunicorn"), {"shop": ""},
         "Django is installed, and neither manage.py nor a wsgi.py says what to serve."),
    ],
)  # fmt: skip
def test_a_web_app_without_a_default_hears_what_is_missing(
    installed: tuple[str, ...], sources: dict[str, str], why: str, tmp_path: Path
) -> None:
    assert step(built_app(tmp_path, *installed, **sources)) == (
        "-----> No web process (the app has no Procfile)\n"
        f"       {why}\n"
        "       Say in a Procfile what to run. With gunicorn, for example:\n"
        "       web: gunicorn --bind 0.0.0.0:$PORT MODULE:APP\n"
    )


def test_the_example_of_a_procfile_is_for_the_framework_that_is_there(tmp_path: Path) -> None:
    root = built_app(tmp_path, "fastapi", "gunicorn", src__main=FASTAPI + "app = FastAPI()\n")
    assert step(root) == (
        "-----> No web process (the app has no Procfile)\n"
        "       Found FastAPI in src/main.py, and no server for it: add uvicorn to your packages.\n"
        "       Say in a Procfile what to run. With uvicorn, for example:\n"
        "       web: uvicorn --host 0.0.0.0 --port $PORT MODULE:APP\n"
    )


@pytest.mark.parametrize(
    ("module", "brings", "shown", "command"),
    [
        ("streamlit", "starlette", "Streamlit",
         "streamlit run FILE.py --server.address 0.0.0.0 --server.port $PORT"),
        ("gradio", "fastapi", "Gradio",
         "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python FILE.py"),
        ("chainlit", "fastapi", "Chainlit", "chainlit run FILE.py --host 0.0.0.0 --port $PORT"),
    ],
)  # fmt: skip
def test_what_serves_by_itself_is_not_taken_for_the_framework_it_brings(
    module: str, brings: str, shown: str, command: str, tmp_path: Path
) -> None:
    root = built_app(tmp_path, module, brings, "uvicorn", app=f"import {module}\n")
    assert step(root) == (
        "-----> No web process (the app has no Procfile)\n"
        f"       {shown} is installed, which has a server of its own.\n"
        f"       Say in a Procfile what to run. With {shown}, for example:\n"
        f"       web: {command}\n"
    )


def test_an_app_that_is_no_web_app_or_has_a_procfile_hears_nothing(tmp_path: Path) -> None:
    assert step(built_app(tmp_path, "six", app="")) == ""
    (tmp_path / "Procfile").write_text("worker: python app.py\n")
    write(tmp_path, app=FLASK + "app = Flask('x')\n")
    assert step(tmp_path) == ""


def test_a_procfile_by_another_name_is_told_even_where_there_is_a_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = built_app(tmp_path, "flask", "gunicorn", app=FLASK + "app = Flask('x')\n")
    (root / "Procfile.txt").touch()
    assert f"web: {GUNICORN} app:app" in step(root)
    assert capsys.readouterr().err == (
        "\n !     Warning: Your Procfile is not called Procfile\n !\n"
        " !         git mv Procfile.txt Procfile\n\n"
    )


def test_modules_in_src_are_run_from_there(tmp_path: Path) -> None:
    root = built_app(tmp_path, "fastapi", "uvicorn", src__shop__INIT="",
                     src__shop__main=FASTAPI + "app = FastAPI()\n")  # fmt: skip
    assert found(root) == WebProcess(
        command=f"{UVICORN} --app-dir src shop.main:app", reason="FastAPI in src/shop/main.py"
    )


def test_release_is_yaml() -> None:
    assert release_yaml({}) == "--- {}\n"
    assert release_yaml({"web": 'run "x"'}) == (
        '---\ndefault_process_types:\n  web: "run \\"x\\""\n'
    )
