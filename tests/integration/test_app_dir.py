"""SLUGKIT_APP_DIR end to end: an app in a subdirectory that uses what lies beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slugc.slug import read_slug
from tests.api.compiling import ROOT, build_env, compile_app, tree
from tests.integration.support import Kit, ask, free_port
from tests.stories import STORIES

pytestmark = [pytest.mark.integration, pytest.mark.network]

STORY = STORIES["monorepo_shared_library"]
APP_DIR = "services/api"


def compiled(app: Path, cache: Path) -> str:
    done = compile_app(app, cache, **STORY.env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_container(app: Path, command: str) -> str:
    """A command as every container starts it: HOME is the app, .profile.d is sourced."""
    script = f'for file in "$HOME"/.profile.d/*.sh; do . "$file"; done; {command}'
    done = subprocess.run(
        ("bash", "-c", script), cwd=app, env={"HOME": str(app), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(name: str, app: Path) -> str:
    argv = (str(ROOT / "bin" / name), str(app))
    done = subprocess.run(
        argv, env=build_env(**STORY.env), capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("monorepo")


@pytest.fixture(scope="module")
def log(place: Path) -> str:
    return compiled(STORY.copy_to(place / "app"), place / "cache")


def test_everything_happens_in_the_chosen_directory(place: Path, log: str) -> None:
    app = place / "app"
    assert program("detect", app) == "Python\n"
    for line in (
        "       Before the packages, in services/api\n",
        "-----> Installing the packages in services/api/requirements.txt\n",
        "        + flask==3.1.3\n",  # constrained by a file two levels up
        "        + gunicorn==23.0.0\n",
        "       After the packages, in services/api\n",
    ):
        assert line in log
    assert (app / APP_DIR / "built-by-hook.txt").read_text() == "made by shared\n"
    assert not (app / APP_DIR / ".heroku").exists()
    assert named(place, app) == ""
    assert sorted(path.name for path in app.iterdir()) == [
        ".heroku", ".profile.d", "constraints.txt", "libs", "requirements", "services",
    ]  # fmt: skip
    assert program("release", app) == (
        "---\ndefault_process_types:\n"
        '  web: "cd services/api && gunicorn api:app"\n'
        '  worker: "cd services/api && python worker.py"\n'
    )


def test_it_runs_from_anywhere_and_imports_what_lies_beside_it(place: Path, log: str) -> None:
    moved = place / "elsewhere" / "app"
    shutil.copytree(place / "app", moved, symlinks=True)
    code = "import api, shared; print(api.__file__, shared.__file__)"
    assert in_container(moved, f'python -B -c "{code}"; echo "$PYTHONPATH"') == (
        f"{moved}/services/api/api.py {moved}/libs/shared/shared/__init__.py\n"
        f"{moved}/services/api\n"
    )


def test_an_unchanged_build_is_the_same_and_a_change_beside_the_app_is_named(
    place: Path, log: str
) -> None:
    again = STORY.copy_to(place / "again")
    assert "Nothing has changed: using the packages of an earlier build.\n" in compiled(
        again, place / "cache"
    )
    assert tree(again) == tree(place / "app")
    other = STORY.copy_to(place / "other")
    (other / "constraints.txt").write_text("flask==3.1.2\ngunicorn==23.0.0\n")
    changed = compiled(other, place / "cache")
    assert "Since the last build: ../../constraints.txt changed.\n" in changed
    assert "        + flask==3.1.2\n" in changed
    where = in_container(other, 'python -B -c "import shared; print(shared.__file__)"')
    assert where == f"{other}/libs/shared/shared/__init__.py\n"


def test_a_lock_made_from_requirements_in_names_no_place(place: Path) -> None:
    app = STORY.copy_to(place / "unlocked")
    requirements = app / APP_DIR / "requirements.txt"
    requirements.rename(requirements.with_suffix(".in"))
    log = compiled(app, place / "cache")
    assert "-----> Installing the packages in services/api/requirements.in\n" in log
    lock = (app / ".heroku/venv/requirements.txt").read_text()
    assert "-e ../../libs/shared\n" in lock
    assert named(place, app) == ""


def named(place: Path, app: Path) -> str:
    """The files of a built app that say where it was built."""
    argv = ("grep", "-rlF", str(place), str(app))
    return subprocess.run(argv, capture_output=True, check=False, text=True, timeout=60).stdout


def test_what_leaves_the_source_is_refused(place: Path) -> None:
    app = STORY.copy_to(place / "refused")
    (place / "outside.txt").write_text("idna\n")
    requirements = "-r ../../../outside.txt\n-c /etc/passwd\n-e ../../..\nflask\n"
    (app / APP_DIR / "requirements.txt").write_text(requirements)
    done = compile_app(app, place / "cache", **STORY.env)
    assert done.returncode == 1
    for line in ("-r ../../../outside.txt", "-c /etc/passwd", "-e ../../.."):
        assert f": {line}\n !         This " in done.stderr
    assert done.stderr.count("is outside your app.\n") == 3


def test_failures_name_the_files_as_the_app_does(place: Path) -> None:
    app = STORY.copy_to(place / "unknown")
    (app / "requirements" / "web.txt").write_text("flask==3.1.3\nflask==2.0\n")
    done = compile_app(app, place / "cache", **STORY.env)
    assert done.returncode == 1
    assert str(place) not in done.stderr
    assert "flask==2.0" in done.stderr


def test_a_python_at_the_root_of_the_source_is_in_the_way(place: Path) -> None:
    app = STORY.copy_to(place / "reserved")
    (app / ".heroku" / "python").mkdir(parents=True)
    done = compile_app(app, place / "cache", **STORY.env)
    assert done.returncode == 1
    assert "Error: Your app already has .heroku/python\n" in done.stderr


@pytest.mark.embedded
def test_a_slug_of_it_boots_with_the_procfile_of_the_directory(kit: Kit, open_dir: Path) -> None:
    slug, port = open_dir / "api.slug", free_port()
    options = [word for name, value in STORY.env.items() for word in ("--env", f"{name}={value}")]
    kit.build(STORY.copy_to(open_dir / "app"), slug, *options)
    assert dict(read_slug(slug).metadata.process_types) == {
        "web": "cd services/api && gunicorn api:app",
        "worker": "cd services/api && python worker.py",
    }
    with kit.running(slug, "web", "--port", str(port), engine="embedded") as run:
        run.wait_for_http(port)
        assert ask(port).text == "Hello from api from api, made by shared\n"
    with kit.running(slug, "worker", engine="embedded") as run:
        run.wait_for_line("Hello from worker")


@pytest.mark.embedded
def test_a_procfile_at_the_root_wins_and_the_rest_is_added(kit: Kit, open_dir: Path) -> None:
    slug, app = open_dir / "api.slug", STORY.copy_to(open_dir / "app")
    (app / "Procfile").write_text("web: gunicorn --chdir libs/shared --workers 1 api:app\n")
    environment = {**kit.env, **STORY.env}  # as a variable of the machine, it counts as well
    argv = (*kit.slugc, "build", str(app), "--output", str(slug))
    done = subprocess.run(
        argv, cwd=kit.home, env=environment, check=False, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert dict(read_slug(slug).metadata.process_types) == {
        "web": "gunicorn --chdir libs/shared --workers 1 api:app",
        "worker": "cd services/api && python worker.py",
    }
    ran = kit.one_off(slug, "python", "-c", "import api; print(api.__file__)", engine="embedded")
    assert ran.stdout == "/app/services/api/api.py\n", ran.stderr


def test_the_plan_command_looks_there_as_well() -> None:
    argv = (sys.executable, "-m", "buildpack", "plan", str(STORY.directory))
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=build_env(**STORY.env, SLUGKIT_TRIM="types,tests"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    plan = json.loads(done.stdout)
    assert plan["choices"]["trim"] == "tests,types"
    assert plan["installed_paths"] == []  # an editable link: only its metadata decides
    assert plan["hooks"] == ["pre_compile", "post_compile"]
    assert {"../../constraints.txt", "../../requirements/web.txt"} <= set(plan["files"])
    assert "../../libs/shared/pyproject.toml" in plan["files"]
