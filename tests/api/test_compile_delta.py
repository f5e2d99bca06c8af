"""A virtualenv made from the last one is, byte for byte, what a fresh installation gives."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.locks import is_locked, open_locked
from tests.api.compiling import ROOT, build_env, compile_app, make_app, tree
from tests.integration.fake_index import make_sdist, serving

pytestmark = [pytest.mark.integration, pytest.mark.network]

Files = Mapping[str, str]
WHEELS: tuple[tuple[str, str, Files], ...] = (
    ("alpha", "1", {"alpha/__init__.py": "VALUE = 1\n", "alpha/old.py": "import os\n"}),
    ("alpha", "2", {"alpha/__init__.py": "VALUE = 2\n", "alpha/new/__init__.py": ""}),
    ("beta", "1", {"beta.py": "x = 'beta'\n", "shared/b.py": "b = 1\n", "beta.pth": "import beta"}),
    (
        "gamma",
        "1",
        {
            "gamma/data.txt": "g",
            "gamma_top.py": "",
            "gamma/tests/test_x.py": "t = 1\n",
            "shared/g.py": "",
        },
    ),
    ("clash", "1", {"beta.py": "x = 'clsh'\n", "clash/__init__.py": ""}),
    ("twin", "1", {"alpha/old.py": "import re\n", "twin.py": ""}),
    ("needs", "1", {"needs.py": "import alpha\n"}),
    ("hollow", "1", {"hollow/__init__.py": "", "hollow/empty/": ""}),
    ("fussy", "1", {"fussy.py": ""}),
    ("multi", "1", {"multi.py": ""}),
)
REQUIRES = {
    "needs": "Requires-Dist: alpha\n",
    "fussy": "Requires-Dist: alpha>1\n",
    "multi": "Provides-Extra: more\nRequires-Dist: beta; extra == 'more'\n",
}


def make_wheel(directory: Path, name: str, version: str, files: Files) -> None:
    info = f"{name}-{version}.dist-info"
    requires = REQUIRES.get(name, "")
    script = "[console_scripts]\n" + f"{name}-run = {name}:main\n"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": script,
    }
    recorded = {path: text for path, text in members.items() if not path.endswith("/")}
    rows = [f"{path},sha256={digest(text)},{len(text)}" for path, text in recorded.items()]
    members[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in members.items():
            wheel.writestr(path, text)


def digest(text: str) -> str:
    found = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Settings that install from our own wheels alone; the build's tools are fetched before."""
    place = tmp_path_factory.mktemp("wheels")
    for wheel in WHEELS:
        make_wheel(place, *wheel)
    return {"UV_FIND_LINKS": str(place), "UV_NO_INDEX": "1"}


@pytest.fixture(scope="module")
def fresh_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with everything in it but virtualenvs."""
    place = tmp_path_factory.mktemp("fresh")
    answer = compile_app(make_app(place / "app"), place / "cache")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return place / "cache"


def without_venvs(cache: Path, fresh_cache: Path) -> Path:
    """A new cache with the tools and runtimes of that one."""
    cache.mkdir()
    for part in ("tools", "runtimes"):
        (cache / part).symlink_to(fresh_cache / part)
    return cache


def build(place: Path, name: str, cache: Path, requirements: str, env: Mapping[str, str]) -> str:
    app = make_app(place / name, **{"requirements.txt": requirements})
    answer = compile_app(app, cache, **env)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


CASES = {
    "add": ("alpha==1", "alpha==1 beta==1", "Installed 1 package"),
    "remove": ("alpha==1 beta==1 gamma==1", "alpha==1 gamma==1", "Uninstalled 1 package"),
    "upgrade": ("alpha==1 beta==1", "alpha==2 beta==1", "Installed 1 package"),
    "downgrade": ("alpha==2 gamma==1", "alpha==1 gamma==1", "Installed 1 package"),
    "exchange": ("beta==1", "gamma==1", "Uninstalled 1 package"),
    "everything goes": ("alpha==1 beta==1", "", ""),
    "add what needs one of them": ("alpha==1", "alpha==1 needs==1", "Installed 1 package"),
    "add what brings another": ("beta==1", "beta==1 needs==1", "Installed 2 packages"),
    "add an extra": ("alpha==1 multi==1", "alpha==1 multi[more]==1", "Installed 1 package"),
    # An installation anew would choose alpha 2.
    "no longer pinned": ("alpha==1", "needs==1", "Installed 2 packages"),
    # Files that two distributions bring: only an installation anew knows whose are kept.
    "clash comes": ("beta==1", "beta==1 clash==1", "Installed 2 packages"),
    "clash goes": ("beta==1 clash==1", "beta==1", "Installed 1 package"),
    "leaves another's file": ("alpha==1 twin==1", "twin==1", "Installed 1 package"),
    # No RECORD names an empty directory.
    "leaves a directory": ("alpha==1 hollow==1", "alpha==1", "Installed 1 package"),
}

INSTALLED_ANEW = {"clash comes", "clash goes", "leaves another's file", "leaves a directory"}


@pytest.mark.parametrize("offered", [False, True], ids=["alone", "last build offered"])
@pytest.mark.parametrize("case", CASES)
def test_it_equals_a_fresh_installation(
    tmp_path: Path, fresh_cache: Path, env: Mapping[str, str], case: str, *, offered: bool
) -> None:
    """With the last build's tree offered, as slugc does, that becomes the new virtualenv."""
    last = {"PREVIOUS_BUILD_DIR": str(tmp_path / "first")} if offered else {}
    before, after, said = (part.replace(" ", "\n") for part in CASES[case])
    ours, anew = (without_venvs(tmp_path / name, fresh_cache) for name in ("ours", "anew"))
    build(tmp_path, "first", ours, before, {**env, **last})
    first = tree(tmp_path / "first" / ".heroku" / "venv")
    log = build(tmp_path, "delta", ours, after, {**env, **last})
    assert said.replace("\n", " ") in log
    build(tmp_path, "fresh", anew, after, env)
    fresh = tree(tmp_path / "fresh" / ".heroku" / "venv")
    assert tree(tmp_path / "delta" / ".heroku" / "venv") == fresh
    is_moved = offered and case not in INSTALLED_ANEW
    assert (tmp_path / "first" / ".heroku" / "venv").exists() is not is_moved
    assert is_moved or tree(tmp_path / "first" / ".heroku" / "venv") == first
    build(tmp_path, "back", ours, before, env)
    assert tree(tmp_path / "back" / ".heroku" / "venv") == first


def test_what_does_not_fit_the_pinned_ones_is_refused_as_ever(
    tmp_path: Path, fresh_cache: Path, env: Mapping[str, str]
) -> None:
    cache = without_venvs(tmp_path / "cache", fresh_cache)
    build(tmp_path, "first", cache, "alpha==1\n", env)
    app = make_app(tmp_path / "second", **{"requirements.txt": "alpha==1\nfussy==1\n"})
    answer = compile_app(app, cache, **env)
    assert answer.returncode == 1
    assert "Your requirements cannot be installed together" in answer.stderr


def test_another_index_gives_its_own_file_of_the_same_version(
    tmp_path: Path, fresh_cache: Path
) -> None:
    cache = without_venvs(tmp_path / "cache", fresh_cache)
    for name in ("one", "two"):
        (tmp_path / f"index-{name}").mkdir()
        make_wheel(tmp_path / f"index-{name}", "alpha", "1", {"alpha.py": f"FROM = '{name}'\n"})
        requirements = f"--find-links {tmp_path}/index-{name}\nalpha==1\n"
        build(tmp_path, name, cache, requirements, {"UV_NO_INDEX": "1"})
        (module,) = (tmp_path / name / ".heroku" / "venv").rglob("alpha.py")
        assert module.read_text() == f"FROM = '{name}'\n"


def test_another_hash_gives_its_own_file_of_the_same_version(
    tmp_path: Path, fresh_cache: Path
) -> None:
    cache, index = without_venvs(tmp_path / "cache", fresh_cache), tmp_path / "index"
    index.mkdir()
    for name in ("one", "two"):
        make_wheel(index, "alpha", "1", {"alpha.py": f"FROM = '{name}'\n"})
        made = index / "alpha-1-py3-none-any.whl"
        wheel = made.rename(index / f"alpha-1-{len(name)}{name}-py3-none-any.whl")
        hashed = f"alpha==1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
        build(tmp_path, name, cache, hashed, {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(index)})
        (module,) = (tmp_path / name / ".heroku" / "venv").rglob("alpha.py")
        assert module.read_text() == f"FROM = '{name}'\n"


BUILD = """\
import zipfile
info = "built-1.0.dist-info/"
with zipfile.ZipFile(f"{directory}/built-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("built.py", f"PREFIX = {sys.base_prefix!r}")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "".join(f"{name},,\\n" for name in wheel.namelist()))
return "built-1.0-py3-none-any.whl"
"""


def test_nothing_is_built_with_the_python_of_the_build_machine(
    tmp_path: Path, fresh_cache: Path, env: Mapping[str, str]
) -> None:
    """What is built remembers its Python: here one that builds without any other package."""
    cache = without_venvs(tmp_path / "cache", fresh_cache)
    make_sdist(Path(env["UV_FIND_LINKS"]), "built", build=BUILD)
    build(tmp_path, "first", cache, "alpha==1\n", env)
    build(tmp_path, "second", cache, "alpha==1\nbuilt==1.0\n", env)
    (module,) = (tmp_path / "second" / ".heroku" / "venv").rglob("built.py")
    assert module.read_text().startswith(f"PREFIX = '{cache}/venvs/")


def test_killed_at_any_moment_it_still_equals_a_fresh_installation(
    tmp_path: Path, fresh_cache: Path, env: Mapping[str, str]
) -> None:
    """A comment makes each round a change of its own, so that none finds the work done."""
    cache, rounds = without_venvs(tmp_path / "cache", fresh_cache), 8
    build(tmp_path, "first", cache, "alpha==1\ngamma==1\n", env)
    begun = time.monotonic()
    build(tmp_path, "timed", cache, "# timed\nalpha==2\nbeta==1\n", env)
    whole = time.monotonic() - begun
    for number in range(rounds):
        build(tmp_path, f"before-{number}", cache, "alpha==1\ngamma==1\n", env)
        app = make_app(tmp_path / f"torn-{number}", **{"requirements.txt": after(number)})
        process = subprocess.Popen(
            [str(ROOT / "bin" / "compile"), str(app), str(cache)],
            env=build_env(**env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(whole * (number + 1) / (rounds + 1))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        build(tmp_path, f"again-{number}", cache, after(number), env)
    anew = without_venvs(tmp_path / "anew", fresh_cache)
    build(tmp_path, "fresh", anew, after(0), env)
    fresh = tree(tmp_path / "fresh" / ".heroku" / "venv")
    for number in range(rounds):
        assert tree(tmp_path / f"again-{number}" / ".heroku" / "venv") == fresh


@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_killed_build_has_left_at_work_writes_nothing_into_the_next(
    tmp_path: Path, fresh_cache: Path, env: Mapping[str, str], is_first: bool
) -> None:
    """Its uv waits for a wheel; it has the place where uv works until then, and keeps it.

    The first build installs while the Python is copied, a later one what differs from the last.
    """
    cache, lock, place = (
        tmp_path / "cache" / name for name in ("", "head-start.lock", "head-start")
    )
    asked, answered = threading.Event(), threading.Event()

    def late(_path: str, _authorization: str) -> None:
        if not asked.is_set():
            asked.set()
            answered.wait(60)

    with serving(Path(env["UV_FIND_LINKS"])) as index:
        settings = {"UV_DEFAULT_INDEX": f"{index.url}/simple"}
        if is_first:
            cache.mkdir()
            (cache / "tools").symlink_to(fresh_cache / "tools")
        else:
            without_venvs(cache, fresh_cache)
            build(tmp_path, "before", cache, "alpha==1\n", settings)
        index.rules["/files/alpha-2"] = late
        app = make_app(tmp_path / "torn", **{"requirements.txt": "alpha==2\n"})
        process = subprocess.Popen(
            [str(ROOT / "bin" / "compile"), str(app), str(cache)], env=build_env(**settings),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            assert asked.wait(60)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=60)
            before = tree(place)
            assert is_locked(lock)
            build(tmp_path, "again", cache, "alpha==2\n", settings)
            assert is_locked(lock)
            assert tree(place) == before
        finally:
            answered.set()
        os.close(open_locked(lock, timeout=60))  # nobody holds it once that uv has ended
        fresh = without_venvs(tmp_path / "anew", fresh_cache)
        build(tmp_path, "fresh", fresh, "alpha==2\n", settings)
    trees = [tree(tmp_path / name / ".heroku" / "venv") for name in ("again", "fresh")]
    assert trees[0] == trees[1]


def after(number: int) -> str:
    return f"# {number}\nalpha==2\nbeta==1\n"
