"""script: the block of PEP 723, and which script counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import PythonRequirement
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    InvalidProjectError,
    LockOutOfSyncError,
    RequiredUvVersionError,
    SeveralScriptsError,
)
from buildpack.installers.script import NoScriptError, parse_metadata, read
from buildpack.settings import BuildSettings

SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#
#   "rich",
# ]
# ///
print("hello")
"""
LOCK = """\
version = 1
requires-python = ">=3.11"

[manifest]
requirements = [
    { name = "requests", specifier = "<3" },
    { name = "rich" },
]

[[package]]
name = "rich"
version = "14.0.0"
source = { registry = "https://index.example/simple" }
"""


def app_of(root: Path, **files: str) -> App:
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return App(root=root)


def test_the_block_says_what_is_installed(tmp_path: Path) -> None:
    app = app_of(tmp_path, run__py=SCRIPT, other__py="import run\n")
    dependencies = read(app, BuildSettings(), {})
    assert dependencies.source == "run.py"
    limit = PythonRequirement(specifier=">=3.11", origin="run.py (script block)")
    assert dependencies.requires_python == (limit,)
    assert dependencies.options == ()
    assert dependencies.warnings == (
        "run.py says which packages it needs, not all of their versions.\n\n"
        "A later build may install newer ones. To keep those that work, commit a\n"
        "lock file:\n\n    uv lock --script run.py\n    git add run.py.lock",
    )


def test_code_outside_the_block_decides_nothing(tmp_path: Path) -> None:
    before = read(app_of(tmp_path, run__py=SCRIPT), BuildSettings(), {}).inputs
    after = read(app_of(tmp_path, run__py=SCRIPT + "print(2)\n"), BuildSettings(), {}).inputs
    assert before == after
    other = read(app_of(tmp_path, run__py=SCRIPT.replace("<3", "<4")), BuildSettings(), {}).inputs
    assert other != before


def test_windows_line_ends_are_line_ends() -> None:
    assert parse_metadata("run.py", SCRIPT.replace("\n", "\r\n"))["dependencies"] == [
        "requests<3", "rich",
    ]  # fmt: skip


def test_a_lock_beside_the_script_is_used(tmp_path: Path) -> None:
    app = app_of(tmp_path, run__py=SCRIPT, run__py__lock=LOCK)
    dependencies = read(app, BuildSettings(), {})
    assert (dependencies.options, dependencies.warnings) == (("--locked",), ())
    assert sorted(dependencies.inputs) == ["run.py", "run.py.lock"]


def test_an_old_lock_names_what_differs(tmp_path: Path) -> None:
    script = SCRIPT.replace("requests<3", "requests<4")
    with pytest.raises(LockOutOfSyncError) as raised:
        read(app_of(tmp_path, run__py=script, run__py__lock=LOCK), BuildSettings(), {})
    assert raised.value.text() == (
        "run.py.lock does not match run.py\n\n"
        "Nothing was installed. What differs:\n\n"
        "  requests:\n    run.py:      requests<4\n    run.py.lock: requests<3\n\n"
        "Write the lock file again and commit it:\n\n"
        "    uv lock --script run.py\n    git add run.py.lock"
    )


def test_several_scripts_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    app = app_of(tmp_path, a__py=SCRIPT, b__py=SCRIPT)
    with pytest.raises(SeveralScriptsError) as raised:
        read(app, BuildSettings(), {})
    assert raised.value.text() == (
        "Several scripts of your app say what they need\n\n"
        "Each of these has a '# /// script' block:\n\n  a.py\n  b.py\n\n"
        "A slug has one set of packages. Say which script counts with config\n"
        "vars:\n\n    SLUGKIT_PACKAGE_MANAGER=script\n    SLUGKIT_REQUIREMENTS=a.py\n\n"
        "or list the packages of them all in a requirements.txt."
    )
    chosen = BuildSettings(requirements_files=("b.py",))
    assert read(app, chosen, {}).source == "b.py"


def test_no_script_with_a_block_is_an_error_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(NoScriptError) as raised:
        read(app_of(tmp_path, run__py="print(1)\n"), BuildSettings(), {})
    assert raised.value.text() == (
        "No script of your app says what it needs\n\n"
        "SLUGKIT_PACKAGE_MANAGER is 'script'. No *.py in the app's directory has\n"
        "a '# /// script' block (PEP 723).\n\n"
        "Write it with the script's dependencies, for example:\n\n"
        "    uv add --script main.py requests"
    )


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (SCRIPT.replace("# ///\nprint", "print"), 2, "this block has no end"),
        (SCRIPT.replace('#   "rich",', '  "rich",'), 2, "or a line in it that is no comment"),
        (SCRIPT.replace('<3",', "<3"), 5, "this is not TOML"),
        (SCRIPT + SCRIPT, 0, "it has more than one '# /// script' block."),
    ],
)
def test_a_broken_block_is_told_with_the_scripts_own_line(
    text: str, line: int, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BrokenFileError) as raised:
        read(app_of(tmp_path, run__py=text), BuildSettings(), {})
    assert raised.value.line == line
    assert reason in raised.value.text()


def test_every_mistake_in_the_block_is_told(tmp_path: Path) -> None:
    text = SCRIPT.replace("requests<3", "requests=<3").replace(">=3.11", "three")
    with pytest.raises(InvalidProjectError) as raised:
        read(app_of(tmp_path, run__py=text), BuildSettings(), {})
    places = [problem.partition(" ")[0] for problem in raised.value.problems]
    assert places == ["run.py:5:", "run.py:3:"]


def test_another_uv_is_explained(tmp_path: Path) -> None:
    text = SCRIPT.replace("# ///\nprint", '# [tool.uv]\n# required-version = "<0.1"\n# ///\nprint')
    with pytest.raises(RequiredUvVersionError) as raised:
        read(app_of(tmp_path, run__py=text), BuildSettings(), {})
    assert raised.value.origin == "run.py (script block)"
