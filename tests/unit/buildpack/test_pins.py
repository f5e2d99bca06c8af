"""What uv is asked for where a virtualenv is made from the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.installers.base import Dependencies, Install
from buildpack.installers.requirements import FILES_FACT, requirement_texts
from buildpack.package_manager import PackageManager
from buildpack.pins import only_what_is_new, pinned
from buildpack.runtime.install import Runtime
from buildpack.tools import ToolBox
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

VERSION = PythonVersion(major=3, minor=13, patch=1)
INSTALLED = ("Django-5.2.dist-info", "python_dateutil-2.9.0.post0.dist-info")
PINS = "django==5.2\npython-dateutil==2.9.0.post0  # for dates\n"


def place(tmp_path: Path, **env: str) -> Install:
    return Install(
        uv=Path("/tools/uv"),
        venv=Venv(root=tmp_path / "venv", version=VERSION),
        app_dir=tmp_path,
        scratch_dir=tmp_path,
        cache_dir=tmp_path,
        env=env,
        runtime=Runtime(home=tmp_path, version=VERSION, provider="uv", build_id="b", reason=""),
        tools=ToolBox(directory=tmp_path, env={}),
    )


def asked(tmp_path: Path, text: str, **env: str) -> tuple[str, tuple[str, ...]]:
    """The requirements that uv is given, and its options."""
    whole = Dependencies(
        manager=PackageManager.PIP,
        source="requirements.txt",
        inputs={"requirements.txt": text.encode()},
        facts={FILES_FACT: "requirements.txt"},
        options=("--require-hashes",),
    )
    wanted = only_what_is_new(whole, INSTALLED, place(tmp_path, **env))
    return "".join(requirement_texts(wanted).values()), wanted.options


def test_what_is_pinned_and_installed_is_a_constraint(tmp_path: Path) -> None:
    line = "humanize==4.13.0 \\\n    --hash=sha256:aa\n"
    settled = tmp_path / "settled.txt"
    assert asked(tmp_path, f"# Mine\n{PINS}{line}") == (
        "humanize==4.13.0      --hash=sha256:aa\n",
        ("--require-hashes", "--constraint", str(settled)),
    )
    assert settled.read_text() == "django==5.2\npython-dateutil==2.9.0.post0\n"


def test_extras_are_asked_for_as_they_may_be_new(tmp_path: Path) -> None:
    text = PINS.replace("django", "django[argon2]")
    assert asked(tmp_path, text)[0] == "django[argon2]==5.2\n"


@pytest.mark.parametrize(
    "change",
    [
        "humanize\n", "humanize>=4\n", "humanize==4.*\n", "humanize==4; python_version > '3'\n",
        "-c constraints.txt\nhumanize==4\n", "--pre\nhumanize==4\n", "x @ https://e.example/x.whl\n",
    ],
)  # fmt: skip
def test_where_a_line_is_no_pin_all_are_asked_for(change: str, tmp_path: Path) -> None:
    assert asked(tmp_path, PINS + change) == (PINS + change, ("--require-hashes", "--exact"))


@pytest.mark.parametrize("text", ["django==5.2\nhumanize==4\n", "humanize==4\n"])
def test_where_one_is_no_longer_pinned_versions_are_chosen_anew(text: str, tmp_path: Path) -> None:
    assert asked(tmp_path, text)[1] == ("--require-hashes", "--exact", "--upgrade")


def test_another_version_of_one_asks_for_all(tmp_path: Path) -> None:
    text = PINS.replace("5.2", "5.1") + "humanize==4\n"
    assert asked(tmp_path, text) == (text, ("--require-hashes", "--exact"))


def test_constraints_of_the_build_ask_for_all(tmp_path: Path) -> None:
    _, options = asked(tmp_path, PINS + "humanize==4\n", PIP_CONSTRAINT="constraints.txt")
    assert options == ("--require-hashes", "--exact")


def test_pins_are_those_of_one_version_whatever_they_are_called_there() -> None:
    listed = [
        "Django==5.2",
        "flask",
        "ruamel.yaml[x] == 1.0",
        "a>=1",
        "b==1 ; python_version > '3'",
    ]
    assert pinned(listed) == {"django==5.2", "ruamel-yaml==1.0"}
