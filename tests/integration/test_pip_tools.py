"""requirements.in: locked by pip-tools, kept, offered, installed; equal to what pip-sync makes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from buildpack.installers import pip_tools
from buildpack.installers.base import Installer
from buildpack.installers.diagnosis.network_errors import IndexUnreachableError
from buildpack.installers.yanked import read_yanked
from buildpack.support.deletion import remove_tree
from buildpack.support.errors import SlugkitError
from buildpack.tools import ToolBox
from tests.integration.fake_index import Answer, FakeIndex, make_wheel, serving
from tests.integration.installing import Workbench, installed, network_env

pytestmark = [pytest.mark.integration, pytest.mark.network]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """One cache for all tests here: pip-tools is installed once."""
    directory = tmp_path_factory.mktemp("pip-tools")
    (directory / "app").mkdir()
    tools = ToolBox(directory=tmp_path_factory.mktemp("tools"), env=network_env())
    return Workbench(
        directory=directory,
        tools=tools,
        env=network_env(),
        installer=cast("Installer", pip_tools),
    )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FakeIndex]:
    with serving(tmp_path / "wheels") as served:
        yield served


@pytest.fixture(autouse=True)
def _empty_app(bench: Workbench) -> Iterator[None]:
    before = bench.env
    yield
    bench.env = before
    for path in bench.app.root.iterdir():
        path.unlink()


def locks(bench: Workbench) -> set[Path]:
    return set((bench.directory / "cache" / "locks").glob("*/requirements.txt"))


def test_a_lock_is_made_once_offered_and_installed_as_pip_sync_would(bench: Workbench) -> None:
    bench.write(
        requirements_in="-c limits.txt\nflask\n",
        limits_txt="click<8.2\nflask==3.1.0\n",
        pyproject_toml='[tool.pip-tools]\nannotation-style = "line"\n',
    )

    place = bench.install()

    (lock,) = locks(bench)
    assert "    .heroku/venv/requirements.txt" in bench.log
    assert (place.venv.root / "requirements.txt").read_text() == lock.read_text()
    assert (
        "    pip-compile --generate-hashes --allow-unsafe -o requirements.txt requirements.in"
        in (bench.log)
    )
    text = lock.read_text()
    pins = set(re.findall(r"^[\w-]+==\S+", text, re.MULTILINE))
    assert installed(place) == pins
    assert "flask==3.1.0" in pins
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text
    assert str(bench.directory) not in text
    assert pins == by_pip_sync(bench, lock)

    again = bench.install()

    assert installed(again) == pins
    assert locks(bench) == {lock}
    assert bench.log[0].startswith("Nothing has changed in what requirements.in asks for")
    assert sorted(path.name for path in bench.app.root.iterdir()) == [
        "limits.txt", "pyproject.toml", "requirements.in",
    ]  # fmt: skip


def by_pip_sync(bench: Workbench, lock: Path) -> set[str]:
    """What pip-sync, of the same pip-tools, puts into an empty virtualenv."""
    (tool,) = (bench.directory / "cache" / "pip-tools").glob("*/venv/bin/python")
    target = bench.directory / "synced"
    uv = bench.tools.program("uv")
    subprocess.run((uv, "venv", "-q", "--seed", str(target)), env=bench.env, check=True, timeout=60)
    seeded = pins_in(target)  # pip itself, with what it needs
    argv = (tool, "-m", "piptools", "sync", "-q", "--python-executable", f"{target}/bin/python")
    env = {**bench.env, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run((*argv, str(lock)), env=env, check=True, timeout=120)
    return pins_in(target) - seeded


def pins_in(venv: Path) -> set[str]:
    found = (info.name.removesuffix(".dist-info") for info in venv.glob("lib/*/*/*.dist-info"))
    pairs = (name.rpartition("-") for name in found)
    return {f"{name.lower().replace('_', '-')}=={version}" for name, _, version in pairs}


def test_a_password_is_not_in_the_lock(bench: Workbench, index: FakeIndex) -> None:
    make_wheel(index.directory, "private", requires=["inner"])
    make_wheel(index.directory, "inner")
    address = index.url.replace("://", "://reader:hunter2-secret@")
    bench.env = {**bench.env, "PRIVATE": address}
    before = locks(bench)
    bench.write(
        requirements_in="--index-url ${PRIVATE}/simple\n"
        "private @ ${PRIVATE}/files/private-1.0-py3-none-any.whl\n"
    )

    place = bench.install()

    (lock,) = locks(bench) - before
    assert {entry.partition(" ")[0] for entry in installed(place)} == {"private==1.0", "inner==1.0"}
    assert "private @ ${PRIVATE}/files/private-1.0-py3-none-any.whl" in lock.read_text()
    assert "hunter2" not in lock.read_text() + "\n".join(bench.log)


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("no-such-package-of-slugkit\n", "install::no-matching-distribution"),
        ("flask==3.1.0\nwerkzeug==2.0.0\n", "install::conflict"),
    ],
)
def test_what_cannot_be_resolved_is_told_in_the_same_words_as_for_pip(
    text: str, error_id: str, bench: Workbench
) -> None:
    bench.write(requirements_in=text)
    before = locks(bench)
    with pytest.raises(SlugkitError) as caught:
        bench.install()
    assert caught.value.id == error_id
    assert locks(bench) == before


def test_an_index_that_is_down_is_not_a_missing_package(bench: Workbench) -> None:
    bench.env = {**bench.env, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    bench.write(requirements_in="flask\n")
    with pytest.raises(IndexUnreachableError):
        bench.install()


@pytest.mark.parametrize("how", ["yanked", "file", "release"])
def test_a_lock_whose_packages_were_withdrawn_is_made_anew(
    how: str, bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "steady", requires=["inner"])
    make_wheel(index.directory, "inner")
    wheel = make_wheel(index.directory, "inner", "2.0", requires=["more"])
    make_wheel(index.directory, "more")
    bench.write(requirements_in=f"--index-url {index.url}/simple\nsteady\n")
    assert installed(bench.install()) == {"steady==1.0", "inner==2.0", "more==1.0"}

    remove_tree(bench.directory / "cache" / "uv")  # what uv has, it may install again
    if how == "yanked":
        index.yanked[wheel.name] = "it broke"
    elif how == "file":
        index.rules[f"/files/{wheel.name}"] = lambda *_: gone(wheel)
    else:
        wheel.unlink()
    place = bench.install()

    assert installed(place) == {"steady==1.0", "inner==1.0"}
    assert "inner==1.0" in (place.venv.root / "requirements.txt").read_text()
    what = "inner==2.0" if how == "yanked" else "one of its packages"
    assert f"Resolving anew, as the index has withdrawn {what}." in bench.log
    assert read_yanked(place.venv) == {}
    again = bench.install()
    assert installed(again) == {"steady==1.0", "inner==1.0"}
    assert not any(line.startswith("Resolving anew") for line in bench.log)


def test_a_lock_is_not_made_anew_because_the_index_is_down(
    bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "steady")
    bench.env = {**bench.env, "PIP_RETRIES": "0"}
    bench.write(requirements_in=f"--index-url {index.url}/simple\nsteady\n")
    before = locks(bench)
    bench.install()
    (lock,) = locks(bench) - before
    text = lock.read_bytes()

    remove_tree(bench.directory / "cache" / "uv")
    index.rules["/simple/steady/"] = lambda *_: Answer(status=503)
    with pytest.raises(IndexUnreachableError):
        bench.install()

    assert lock.read_bytes() == text
    assert not any(line.startswith("Resolving anew") for line in bench.log)
    del index.rules["/simple/steady/"]
    assert installed(bench.install()) == {"steady==1.0"}


def gone(wheel: Path) -> Answer:
    """Nor is it listed from now on."""
    wheel.unlink(missing_ok=True)
    return Answer(status=404)


def test_a_withdrawn_release_that_is_asked_for_is_resolved_once(
    bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "wanted")
    index.yanked["wanted-1.0-py3-none-any.whl"] = "it broke"
    bench.write(requirements_in=f"--index-url {index.url}/simple\nwanted==1.0\n")
    bench.install()
    place = bench.install()
    assert read_yanked(place.venv) == {"wanted==1.0": "it broke"}
    assert bench.log[0].endswith("using its last lock.")
    assert not any(line.startswith("Resolving anew") for line in bench.log)
