"""Same inputs, same bytes: another place, another user, another umask, a year later."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.package_index import find_file
from buildpack.support.download import fetch
from buildpack.tools import index_url, read_tool, tool_versions
from tests.api.compiling import make_app, tree
from tests.integration.platforms import Machine, checked, copy_buildpack

pytestmark = [pytest.mark.integration, pytest.mark.network]

WHEELS = (
    "blinker-1.9.0-py3-none-any.whl",
    "itsdangerous-2.2.0-py3-none-any.whl",
    "setuptools-80.9.0-py3-none-any.whl",
    "wheel-0.45.1-py3-none-any.whl",
)
APP = {
    "requirements.txt": "blinker==1.9.0\nitsdangerous==2.2.0\n-e ./mine\n./theirs\n",
    **{
        f"{name}/pyproject.toml": f'[project]\nname = "{name}"\nversion = "1"\n'
        f'[build-system]\nrequires = ["setuptools==80.9.0"]\n'
        'build-backend = "setuptools.build_meta"\n'
        f'[tool.setuptools]\npy-modules = ["{name}_module"]\n'
        for name in ("mine", "theirs")
    },
    "mine/mine_module.py": "WORDS = {'one', 'two', 'three'}\n",
    "theirs/theirs_module.py": "def answer():\n    return 42\n",
    "Procfile": "worker: python -m mine_module\n",
}
YEAR = "+366d"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything both builds need, so that neither asks the network."""
    directory = tmp_path_factory.mktemp("wheels")
    index = index_url(os.environ)
    for filename in (*WHEELS, *(read_tool(name).filename for name in tool_versions())):
        url = find_file(index, filename.partition("-")[0].replace("_", "-"), filename)
        assert url, filename
        (directory / filename).write_bytes(fetch(url)[0])
    return directory


@pytest.fixture
def places() -> Iterator[tuple[Path, Path]]:
    roots = [Path(tempfile.mkdtemp(prefix="slugkit-test-")) for _ in range(2)]
    for root in roots:
        root.chmod(0o755)
    yield roots[0], roots[1]
    for root in roots:
        shutil.rmtree(root)


def fake_clock() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "libfaketime is not installed (bin/run-tests installs it, as root)"
    return found[0]


def set_clock(machine: Machine, offset: str) -> None:
    """Every program of the machine reads the clock through libfaketime."""
    shutil.copytree("/etc", machine.path("/etc"), symlinks=True)
    machine.path("/etc/ld.so.preload").write_text(f"{fake_clock()}\n")
    machine.path("/etc/faketimerc").write_text(f"{offset}\n")


def debian_series() -> str:
    """The minor version of the machine's own Python; which one is the default changes with time."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    argv = ("/usr/bin/python3", "-c", code)
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def build(machine: Machine, build_dir: str, wheels: Path, umask: str) -> Path:
    machine.make("/tmp/cache", "/wheels", f"/home/{machine.uid}")
    make_app(machine.path(build_dir), **{**APP, ".python-version": debian_series()})
    shutil.copytree(wheels, machine.path("/wheels"), dirs_exist_ok=True)
    copy_buildpack(machine.path("/buildpack"))
    machine.give()
    argv = ("bash", "-c", f'umask {umask}; exec "$@"', "bash",
            "/buildpack/bin/compile", build_dir, "/tmp/cache")  # fmt: skip
    env = {
        "HOME": f"/home/{machine.uid}",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_NO_INDEX": "1",
        "PATH": "/usr/bin:/bin",
        "SLUGKIT_PYTHON_PROVIDER": "host",
    }
    checked(machine.run(argv, cwd="/", env=env))
    return machine.path(build_dir)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become two other users")
def test_another_place_user_umask_and_year_give_the_same_bytes(
    places: tuple[Path, Path], wheels: Path
) -> None:
    now, later = Machine(root=places[0], uid=32767), Machine(root=places[1], uid=32766)
    set_clock(later, YEAR)
    clock = later.run(("date", "+%s"), cwd="/", env={})
    assert int(checked(clock)) - now.root.stat().st_mtime > 360 * 24 * 3600
    first = build(now, "/tmp/build_1a2b3c", wheels, "022")
    second = build(later, "/srv/another/place", wheels, "077")
    assert tree(first / ".heroku") == tree(second / ".heroku")
    assert tree(first / ".profile.d") == tree(second / ".profile.d")
    assert names_of_builds(first) == []


def names_of_builds(app: Path) -> list[str]:
    """Files of the result that name a place or a user of the build."""
    telling = (b"build_1a2b3c", b"/tmp/cache", b"/home/32767", b"/wheels", b"/buildpack/")
    return [
        str(path.relative_to(app))
        for path in sorted((app / ".heroku").rglob("*"))
        if path.is_file() and any(word in path.read_bytes() for word in telling)
    ]
