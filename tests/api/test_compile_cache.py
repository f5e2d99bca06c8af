"""The cache directory: shared, far away, missing or torn, it never makes a build wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.compiling import ROOT, build_env, compile_app, make_app, run_python, tree
from tests.integration.fake_index import make_wheel, serving

pytestmark = [pytest.mark.integration, pytest.mark.network]

BASE = {"requirements.txt": "itsdangerous==2.2.0\n-r more.txt\n", "more.txt": "blinker==1.9.0\n"}
INSTALLED = (
    "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
)
NOBODY = 65534


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cache(place: Path) -> Path:
    """A cache that has seen one build of BASE."""
    answer = compile_app(make_app(place / "first", **BASE), place / "shared")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return place / "shared"


def log_of(app: Path, cache: Path, **env: str) -> str:
    answer = compile_app(app, cache, **env)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_what_is_no_longer_required_is_gone_and_the_log_names_the_file(
    cache: Path, place: Path
) -> None:
    app = make_app(place / "removed", **{**BASE, "more.txt": ""})
    log = log_of(app, cache)
    assert "Since the last build: more.txt changed." in log
    assert run_python(app, "-c", INSTALLED).split() == ["itsdangerous"]
    assert run_python(place / "first", "-c", INSTALLED).split() == ["blinker", "itsdangerous"]


def test_what_is_installed_before_is_neither_fetched_nor_compiled_again(
    cache: Path, place: Path
) -> None:
    app = make_app(place / "added", **{**BASE, "more.txt": "blinker==1.9.0\nmarkupsafe==3.0.3\n"})
    before = {path.name for path in (cache / "bytecode").iterdir()}
    log = log_of(app, cache)
    added = {path.name for path in (cache / "bytecode").iterdir()} - before
    assert "more.txt changed" in log
    assert len(added) == 1, "only the new distribution is compiled"
    assert run_python(app, "-c", INSTALLED).split() == ["blinker", "itsdangerous", "markupsafe"]


def test_a_cache_can_be_cleared_by_a_config_var(place: Path) -> None:
    cache, env_dir = place / "cleared", place / "env"
    env_dir.mkdir()
    first = compile_app(make_app(place / "filled"), cache)
    assert first.returncode == 0, first.stderr
    (cache / "venvs" / "of-long-ago").mkdir()
    (cache / "node_modules").mkdir()
    (env_dir / "SLUGKIT_CLEAR_CACHE").write_text("1")
    again = compile_app(make_app(place / "emptied"), cache, str(env_dir))
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("       Clearing the cache, as SLUGKIT_CLEAR_CACHE says.\n")
    assert "Nothing has changed" not in again.stdout
    assert not (cache / "venvs" / "of-long-ago").exists()
    assert (cache / "node_modules").is_dir(), "another buildpack's"


def test_a_withdrawn_release_is_told_in_every_build(cache: Path, place: Path) -> None:
    make_wheel(place / "wheels", "gone")
    with serving(place / "wheels") as index:
        index.yanked["gone-1.0-py3-none-any.whl"] = "it broke"
        for name in ("told", "told-again"):
            app = make_app(place / name, **{"requirements.txt": "gone==1.0\n"})
            answer = compile_app(app, cache, UV_DEFAULT_INDEX=f"{index.url}/simple")
            assert answer.returncode == 0, answer.stderr
            assert " !       gone==1.0: it broke\n" in answer.stderr
    assert "Nothing has changed" in answer.stdout


def test_a_local_directory_that_is_installed_counts_as_an_input(cache: Path, place: Path) -> None:
    files = {
        "requirements.txt": "./lib\n",
        "lib/pyproject.toml": '[project]\nname = "ours"\nversion = "1"\n'
        '[tool.setuptools]\npy-modules = ["ours"]\n',
    }
    for number, word in enumerate(["one", "two", "one"]):
        app = make_app(place / f"local-{number}", **files, **{"lib/ours.py": f"WORD = '{word}'\n"})
        log = log_of(app, cache)
        assert run_python(app, "-c", "import ours; print(ours.WORD)") == f"{word}\n"
    assert "Since the last build: lib changed." in log
    assert "This has been built before: using the packages of an earlier build." in log


def test_a_cache_on_another_filesystem_serves_as_well(cache: Path, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="slugkit-test-") as far:
        assert Path(far).stat().st_dev != place.stat().st_dev
        for name in ("far-one", "far-two"):
            app = make_app(place / name, **BASE)
            log_of(app, Path(far) / "cache")
            assert run_python(app, "-c", INSTALLED).split() == ["blinker", "itsdangerous"]
        report = json.loads((Path(far) / "cache" / "build-data" / "python.json").read_text())
        assert report["cache_status"] == "reused"
    assert tree(place / "far-one") == tree(place / "far-two")


def test_an_upgraded_interpreter_is_copied_anew_not_linked_from_the_last_copy(
    cache: Path, place: Path
) -> None:
    note = next((cache / "runtimes").glob("*/runtime.json"))
    note.write_text(json.dumps({**json.loads(note.read_text()), "stamp": "of the last one"}))
    module = next(note.parent.glob("python/lib/python3.*/this.py"))
    module.unlink()
    module.write_text("# of the last one")
    app = make_app(place / "upgraded", **BASE)
    log_of(app, cache)
    assert tree(app) == tree(place / "first")


@pytest.mark.parametrize("what", ["", "/venvs", "/venvs/*/venv"])
def test_a_hook_may_delete_the_cache_or_a_part_of_it(what: str, cache: Path, place: Path) -> None:
    own = place / f"own{what.count('/')}"
    subprocess.run(["cp", "-a", str(cache), str(own)], check=True, timeout=60)
    hook = f'rm -r "$CACHE_DIR"{what}'
    app = make_app(own.with_name(f"{own.name}-first"), **BASE, **{"bin/post_compile": hook})
    log_of(app, own)
    app = make_app(own.with_name(f"{own.name}-second"), **BASE)
    log_of(app, own)
    assert run_python(app, "-c", INSTALLED).split() == ["blinker", "itsdangerous"]


def test_two_builds_share_one_cache_at_once(place: Path) -> None:
    apps = [
        make_app(place / "pair-one", **BASE),
        make_app(place / "pair-two", **{**BASE, "more.txt": ""}),
    ]
    running = [start(app, place / "pair-cache") for app in apps]
    for process in running:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
    assert run_python(apps[0], "-c", INSTALLED).split() == ["blinker", "itsdangerous"]
    assert run_python(apps[1], "-c", INSTALLED).split() == ["itsdangerous"]


def start(app: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(ROOT / "bin" / "compile"), str(app), str(cache)],
        env=build_env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def moments() -> Iterator[float]:
    """Seconds into a first build: the hook, tools, runtime, packages, bytecode, the end."""
    yield from (0.1, 0.4, 0.8, 1.2, 1.6, 2.0, 2.6)


def test_a_build_killed_at_any_moment_leaves_a_cache_that_works(cache: Path, place: Path) -> None:
    torn = place / "torn"
    for number, moment in enumerate(moments()):
        app = make_app(place / f"killed-{number}", **BASE)
        process = start(app, torn)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    app = make_app(place / "survivor", **BASE)
    log_of(app, torn)
    assert tree(app) == tree(place / "first")
    ours = [path for kind in ("runtimes", "venvs", "bytecode") for path in (torn / kind).iterdir()]
    assert [path.name for path in ours if path.name.startswith(".")] == []


def test_an_ordinary_user_builds_from_a_checkout_nobody_may_write(place: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    with tempfile.TemporaryDirectory(prefix="slugkit-user-") as directory:
        home = Path(directory)
        checkout = home / "buildpack"
        for part in ("bin", "buildpack"):
            shutil.copytree(
                ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        subprocess.run(["chmod", "-R", "a-w,a+rX", str(checkout)], check=True, timeout=30)
        app = make_app(home / "work" / "app", **BASE)
        subprocess.run(
            ["chown", "-R", f"{NOBODY}:{NOBODY}", str(home / "work")], check=True, timeout=30
        )
        home.chmod(0o755)
        answer = subprocess.run(
            [str(checkout / "bin" / "compile"), str(app), str(home / "work" / "cache")],
            env={**build_env(), "HOME": str(home / "work"), "PATH": "/usr/bin:/bin"},
            user=NOBODY, group=NOBODY, extra_groups=(), cwd="/",
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert run_python(app, "-c", INSTALLED).split() == ["blinker", "itsdangerous"]
        assert not list(checkout.rglob("__pycache__"))
