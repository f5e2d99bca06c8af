"""summary: sizes by package from RECORD, kept beside the virtualenv; times of the steps."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from buildpack.report import BuildData
from buildpack.sizes.summary import (
    MIB,
    WARN_ABOVE,
    EnvironmentSize,
    PackageSize,
    environment_size,
    measure,
    megabytes,
    show_sizes,
    show_times,
    summary_step,
)
from buildpack.support.output import Output
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion


def make_venv(root: Path) -> Venv:
    venv = Venv(root=root / "venv", version=PythonVersion(major=3, minor=13, patch=0))
    venv.site_packages.mkdir(parents=True)
    return venv


def install(venv: Venv, name: str, version: str, size: int, *, bytecode: int = 0) -> None:
    info = venv.site_packages / f"{name}-{version}.dist-info"
    info.mkdir()
    package = venv.site_packages / name / "__pycache__"
    package.mkdir(parents=True)
    (package / "__init__.cpython-313.pyc").write_bytes(b"x" * bytecode)
    (info / "RECORD").write_text(
        f"{name}/__init__.py,sha256=abc,{size}\n"
        f'"{name}/a,b.txt",sha256=abc,0\n'
        f"../../../bin/{name},sha256=abc,100\n"
        f"{name}-{version}.dist-info/RECORD,,\n"
    )


def speak(found: EnvironmentSize, data: BuildData | None = None) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    show_sizes(found, data or BuildData(), Output(out=out, err=err))
    return out.getvalue(), err.getvalue()


def packages(count: int, size: int) -> EnvironmentSize:
    return EnvironmentSize(
        packages=tuple(
            PackageSize(name=f"package-{n}", version="1.0", size=size) for n in range(count)
        )
    )


def test_a_package_is_as_large_as_its_record_says_and_its_bytecode_is(tmp_path: Path) -> None:
    venv = make_venv(tmp_path)
    install(venv, "small", "1.0", 1000)
    install(venv, "Large_One", "2.5.1", 9000, bytecode=5000)
    assert measure(venv.site_packages).packages == (
        PackageSize(name="large-one", version="2.5.1", size=14100),
        PackageSize(name="small", version="1.0", size=1100),
    )


def test_the_second_build_reads_what_the_first_has_measured(tmp_path: Path) -> None:
    venv = make_venv(tmp_path)
    install(venv, "small", "1.0", 1000)
    first = environment_size(venv, tmp_path)
    install(venv, "later", "1.0", 1000)
    assert environment_size(venv, tmp_path) == first
    assert first.warnings == ()
    (tmp_path / "sizes.json").write_text("broken")
    assert len(environment_size(venv, tmp_path).packages) == 2


def test_of_a_changed_virtualenv_only_what_came_is_measured(tmp_path: Path) -> None:
    venv = make_venv(tmp_path)
    install(venv, "kept", "1.0", 1000)
    install(venv, "went", "1.0", 1000)
    environment_size(venv, tmp_path)
    (tmp_path / "sizes.json").rename(tmp_path / "last-sizes.json")
    shutil.rmtree(venv.root)
    venv = make_venv(tmp_path)
    install(venv, "kept", "1.0", 7000)  # not so in earnest: to see that nobody looks
    install(venv, "came", "1.0", 3000)
    found = {package.name: package.size for package in environment_size(venv, tmp_path).packages}
    assert found == {"kept": 1100, "came": 3100}


def test_what_was_found_once_is_said_in_every_build(tmp_path: Path) -> None:
    venv = make_venv(tmp_path)
    install(venv, "torch", "2.9.0", 300 * MIB)
    install(venv, "nvidia_cublas_cu12", "12.9", 600 * MIB)
    first = environment_size(venv, tmp_path)
    shutil.rmtree(venv.root)
    again = environment_size(venv, tmp_path)
    assert again == first
    said = speak(again)[1]
    assert " !     Warning: 900 MB of your packages are for graphics cards\n" in said


def test_ten_packages_are_shown_and_the_total_of_all() -> None:
    data = BuildData()
    out, err = speak(packages(12, 3 * MIB), data)
    lines = out.splitlines()
    assert lines[0] == "       12 packages, 36.0 MB. The largest:"
    assert lines[1] == "         package-0 1.0     3.0 MB"
    assert len(lines) == 11
    assert err == ""
    assert (data.facts["dependencies_count"], data.facts["dependencies_size"]) == (12, 36 * MIB)


def test_the_build_data_tell_which_tools_are_among_the_packages() -> None:
    data = BuildData()
    one = PackageSize(name="setuptools", version="80.9.0", size=MIB)
    speak(EnvironmentSize(packages=(one, *packages(1, MIB).packages)), data)
    assert data.facts["setuptools_version"] == "80.9.0"
    assert "pip_version" not in data.facts


def test_an_app_without_packages_is_told_nothing() -> None:
    assert speak(EnvironmentSize(packages=())) == ("", "")


def test_one_package_is_one() -> None:
    assert speak(packages(1, 200 * MIB))[0] == (
        "       1 package, 200 MB:\n         package-0 1.0     200 MB\n"
    )


@pytest.mark.parametrize(
    ("size", "shown"),
    [(2048, "2 kB"), (MIB, "1.0 MB"), (99 * MIB, "99.0 MB"), (2000 * MIB, "2000 MB")],
)
def test_sizes_have_as_many_digits_as_a_person_reads(size: int, shown: str) -> None:
    assert megabytes(size) == shown


def test_too_much_is_a_warning_that_names_the_largest() -> None:
    assert speak(packages(4, WARN_ABOVE // 4))[1] == ""
    err = speak(packages(4, WARN_ABOVE // 4 + 1))[1]
    assert "Warning: The packages of your app take 1024 MB\n" in err
    assert "The largest are package-0, package-1, package-2." in err
    assert "torch" in err


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, "Done in 0.12 s."),
        (
            {"python_install_duration": 0.25, "dependencies_install_duration": 3.04,
             "cache_restore_duration": 0.01},
            "Done in 0.12 s (Python 0.2 s, packages 3.0 s).",
        ),
    ],
)  # fmt: skip
def test_the_last_line_says_which_steps_took_time(facts: dict[str, float], line: str) -> None:
    data, out = BuildData(), io.StringIO()
    data.facts.update(facts)
    show_times(data, 0.12, Output(out=out))
    assert out.getvalue() == f"       {line}\n"


def test_the_step_says_it_is_the_end(tmp_path: Path) -> None:
    out = io.StringIO()
    summary_step(make_venv(tmp_path), tmp_path, BuildData(), 1.0, Output(out=out))
    assert out.getvalue() == "-----> Build finished\n       Done in 1.0 s.\n"
