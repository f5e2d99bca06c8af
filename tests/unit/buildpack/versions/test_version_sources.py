"""version_sources: everything that says something about the Python version, with its place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import Dependencies, PythonRequirement
from buildpack.package_manager import PackageManager
from buildpack.versions.last_version import LastVersion, read_last_version, write_last_version
from buildpack.versions.python_version import PythonVersion, VersionSource, read_policy
from buildpack.versions.version_errors import (
    InvalidLockVersionError,
    InvalidRequiresPythonError,
    InvalidTomlError,
)
from buildpack.versions.version_sources import find_toml_key, read_version_sources

POLICY = read_policy({}, date(2026, 11, 22))
PIPFILE_LOCK = """\
{
    "_meta": {
        "requires": {
            "python_full_version": "3.12.4",
            "python_version": "3.12"
        }
    }
}
"""


def dependencies(
    *limits: PythonRequirement,
    source: str = "requirements.txt",
    inputs: Mapping[str, bytes] | None = None,
    version: str = "",
) -> Dependencies:
    return Dependencies(
        manager=PackageManager.PIP,
        source=source,
        inputs=inputs or {},
        requires_python=limits,
        python_version=version,
    )


def read(
    root: Path,
    found: Dependencies,
    files: Mapping[str, str] | None = None,
    last: LastVersion | None = None,
) -> tuple[VersionSource, ...]:
    for name, text in (files or {}).items():
        (root / name).write_text(text)
    return read_version_sources(App(root=root), found, last, POLICY)


def test_every_source_is_read_in_the_order_in_which_it_counts(tmp_path: Path) -> None:
    lock = 'lock-version = "2.1"\n\n[metadata]\npython-versions = ">=3.10,<4"\n'
    found = read(
        tmp_path,
        dependencies(
            PythonRequirement(
                specifier=">=3.10,<4", origin="poetry.lock (metadata.python-versions)"
            ),
            inputs={"poetry.lock": lock.encode()},
        ),
        {
            ".python-version": "# ours\n3.12\n",
            "runtime.txt": "python-3.12\n",
            "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.11"\n',
        },
        LastVersion(series="3.11", default="3.11"),
    )
    assert [f"{source.place}: {source.value}" for source in found] == [
        ".python-version:2: 3.12",
        "runtime.txt:1: python-3.12",
        "pyproject.toml:3 (requires-python): >=3.11",
        "poetry.lock:4 (metadata.python-versions): >=3.10,<4",
        "last build: 3.11",
    ]


def test_a_limit_in_a_script_or_in_setup_py_has_its_line_too(tmp_path: Path) -> None:
    script = b'#!/usr/bin/env python3\n# /// script\n# requires-python = ">=3.12"\n# ///\n'
    inputs = {"greet.py": script, "setup.py": b"setup(python_requires='>=3.10')\n"}
    limits = (
        PythonRequirement(specifier=">=3.12", origin="greet.py (script block)"),
        PythonRequirement(specifier=">=3.10", origin="setup.py (python_requires)"),
        PythonRequirement(specifier=">=3.11,<4", origin="poetry.lock"),
    )
    found = read(tmp_path, dependencies(*limits, inputs=inputs))
    assert [source.place for source in found] == [
        "greet.py:3 (script block)",
        "setup.py:1 (python_requires)",
        "poetry.lock",
    ]


def test_nothing_said_is_no_source(tmp_path: Path) -> None:
    assert read(tmp_path, dependencies(), {"pyproject.toml": "[tool.black]\n"}) == ()


@pytest.mark.parametrize(
    ("version", "place"),
    [
        ("3.12.4", "Pipfile.lock:4 (python_full_version)"),
        ("3.12", "Pipfile.lock:5 (python_version)"),
    ],
)
def test_the_version_in_a_pipfile_lock_has_its_line(
    version: str, place: str, tmp_path: Path
) -> None:
    inputs = {"Pipfile.lock": PIPFILE_LOCK.encode()}
    (found,) = read(tmp_path, dependencies(source="Pipfile.lock", inputs=inputs, version=version))
    assert (found.place, str(found.requested)) == (place, version)


def test_a_version_in_a_pipfile_lock_that_is_none(tmp_path: Path) -> None:
    inputs = {"Pipfile.lock": b'{"_meta": {"requires": {\n"python_version": "3"\n}}}'}
    with pytest.raises(InvalidLockVersionError) as caught:
        read(tmp_path, dependencies(source="Pipfile.lock", inputs=inputs, version="3"))
    assert caught.value.text() == (
        "The Python version in your Pipfile.lock is not valid\n\n"
        "Pipfile.lock:2: python_version is '3'\n\n"
        "It must be a number like 3.13, or 3.13.1 with a patch release. Change it\n"
        'in your Pipfile, for example to python_version = "3.13", and then run:\n\n'
        "    pipenv lock"
    )


def test_a_limit_that_its_package_manager_names_too_is_said_once(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        dependencies(
            PythonRequirement(specifier=">=3.11", origin="pyproject.toml (requires-python)")
        ),
        {"pyproject.toml": '[project]\nrequires-python = ">=3.11"\n'},
    )
    assert [source.place for source in found] == ["pyproject.toml:2 (requires-python)"]


def test_every_wrong_clause_of_every_limit_is_named_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequiresPythonError) as caught:
        read(
            tmp_path,
            dependencies(PythonRequirement(specifier="latest", origin="uv.lock (requires-python)")),
            {"pyproject.toml": '[project]\nrequires-python = "^3.11, <<4, >=3.10"\n'},
        )
    assert caught.value.text() == (
        "The limit of the Python version is not valid\n\n"
        "pyproject.toml:2 (requires-python): ^3.11, <<4, >=3.10\n"
        "  not valid: '^3.11'\n"
        "  not valid: '<<4'\n"
        "uv.lock (requires-python): latest\n"
        "  not valid: 'latest'\n\n"
        "It is a list of comparisons (PEP 440), separated by commas:\n\n"
        "    '^3.11' is written >=3.11,<4\n\n"
        '    requires-python = ">=3.11,<4"'
    )


def test_a_limit_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequiresPythonError) as caught:
        read(tmp_path, dependencies(), {"pyproject.toml": "[project]\n\nrequires-python = 3.11\n"})
    assert caught.value.wrong == {"pyproject.toml:3": ("3.11", ("3.11",))}
    assert "'3.11' is written ==3.11.*" in caught.value.resolution


@pytest.mark.parametrize(
    ("text", "details"),
    [
        (
            '[project]\nrequires-python = >=3.11\n',
            "pyproject.toml:2:19: Invalid value\n\n    requires-python = >=3.11",
        ),
        (
            "[project]\nname = 'x'\n<<<<<<< HEAD\n",
            "pyproject.toml:3:1: Invalid statement\n\n    <<<<<<< HEAD\n\n"
            "It looks like an unresolved merge conflict.",
        ),
        (
            "[project",
            "pyproject.toml:1:9: Expected ']' at the end of a table declaration\n\n    [project",
        ),
    ],
)  # fmt: skip
def test_a_syntax_error_of_toml_has_its_line_and_column(
    text: str, details: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidTomlError) as caught:
        read(tmp_path, dependencies(), {"pyproject.toml": text})
    assert caught.value.text() == (
        f"Your pyproject.toml is not valid TOML\n\n{details}\n\n"
        "Correct that place. The format is described at https://toml.io."
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[project]\nrequires-python = '>=3'\n", 2),
        ("[tool.x]\nrequires-python = 1\n[ project ]\n'requires-python'='>=3'", 4),
        ("project.requires-python = '>=3'", 1),
        ("project = {requires-python = '>=3'}", 0),
    ],
)
def test_where_a_key_stands(text: str, line: int) -> None:
    assert find_toml_key(text, "project.requires-python") == line


def test_the_last_build_is_remembered_as_a_minor_version(tmp_path: Path) -> None:
    assert read_last_version(tmp_path) is None
    write_last_version(tmp_path, PythonVersion(major=3, minor=12, patch=4), "3.14")
    assert read_last_version(tmp_path) == LastVersion(series="3.12", default="3.14")


def test_the_default_is_that_of_the_first_build_with_this_version(tmp_path: Path) -> None:
    for minor, default in ((12, "3.13"), (12, "3.14")):
        write_last_version(tmp_path, PythonVersion(major=3, minor=minor, patch=4), default)
    assert read_last_version(tmp_path) == LastVersion(series="3.12", default="3.13")
    write_last_version(tmp_path, PythonVersion(major=3, minor=14, patch=0), "3.14")
    assert read_last_version(tmp_path) == LastVersion(series="3.14", default="3.14")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"series": "x", "default": ""}', "\udc80"])
def test_what_is_no_memory_of_ours_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "last-python.json").write_text(content, errors="surrogateescape")
    assert read_last_version(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "series"), [("python-3.12.7\n", "3.12"), ("3.11.9", "3.11"), ("pypy3.6", None)]
)
def test_an_app_that_comes_from_heroku_keeps_its_version(
    content: str, series: str | None, tmp_path: Path
) -> None:
    (tmp_path / ".heroku").mkdir()
    (tmp_path / ".heroku" / "python-version").write_text(content)
    assert read_last_version(tmp_path) == (
        LastVersion(series=series, default=series) if series else None
    )
