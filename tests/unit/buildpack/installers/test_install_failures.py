"""Failures for what was asked for: what uv really printed (0.13.9), and which error it becomes."""

from __future__ import annotations

import time

import pytest

from buildpack.installers.diagnosis.errors import (
    HashMismatchError,
    InstallFailedError,
    NoMatchingDistributionError,
    NoSuchVersionError,
    OutOfMemoryError,
    VersionConflictError,
)
from buildpack.installers.diagnosis.failures import classify_failure
from buildpack.installers.diagnosis.package_errors import (
    BadMetadataError,
    NoWheelError,
    PreReleaseOnlyError,
    PythonExcludedError,
    YankedError,
)
from buildpack.installers.diagnosis.source_builds import SourceBuildError
from buildpack.installers.installed import HostileWheelError
from buildpack.installers.vendored import NotVendoredError
from tests.unit.buildpack.installers.failure_words import classify, none_left, unsolvable

NO_PACKAGE = """\
error: No solution found when resolving dependencies
  cause: Because flask-nonexistent-zzz was not found in the package registry and you require \
flask-nonexistent-zzz==1.0, we can conclude that your requirements are unsatisfiable."""


NO_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of flask==99.1.0 and you require flask==99.1.0, we can \
conclude that your requirements are unsatisfiable."""


CONFLICT = """\
error: No solution found when resolving dependencies
  cause: Because flask==3.1.0 depends on werkzeug>=3.1 and you require flask==3.1.0, we can \
conclude that you require werkzeug>=3.1.
         And because you require werkzeug==2.0.0, we can conclude that your requirements are \
unsatisfiable."""


HASH = """\
Resolved 7 packages in 168ms
error: Failed to download `flask==3.1.0`
  cause: Hash mismatch for `flask==3.1.0`

         Expected:
           sha256:0000

         Computed:
           sha256:d667"""


def test_a_package_that_does_not_exist() -> None:
    error = classify(NO_PACKAGE)
    assert isinstance(error, NoMatchingDistributionError)
    assert error.package == "flask-nonexistent-zzz"
    assert error.text() == (
        "No package on the index matches 'flask-nonexistent-zzz'\n\n"
        "Because flask-nonexistent-zzz was not found in the package registry\n"
        "and you require flask-nonexistent-zzz==1.0, we can conclude that your\n"
        "requirements are unsatisfiable.\n\n"
        "Check its name and version in your requirements. If the package\n"
        "is private, set PIP_EXTRA_INDEX_URL to the index that has it."
    )


def test_a_version_that_does_not_exist() -> None:
    error = classify(NO_VERSION)
    assert isinstance(error, NoSuchVersionError)
    assert (error.package, error.id) == ("flask", NoMatchingDistributionError.id)
    assert error.text() == (
        "The index has no version of flask that is ==99.1.0\n\n"
        "Because there is no version of flask==99.1.0 and you require\n"
        "flask==99.1.0, we can conclude that your requirements are\n"
        "unsatisfiable.\n\n"
        "Ask for one of the versions that there are:\n\n"
        "    pip index versions flask"
    )


UNNAMED_BUILD = """\
error: The build backend returned an error
  cause: Call to `setuptools.build_meta:__legacy__.get_requires_for_build_wheel` failed (exit \
status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 14, in <module>
             requires = get_requires_for_build({})
           File "/cache/uv/builds-v0/.tmpX/lib/python3.13/site-packages/setuptools/build_meta.py", \
line 333, in get_requires_for_build_wheel
             return self._get_build_requires(config_settings, requirements=[])
                    ~~~~~~~~~~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           File "<string>", line 3
             setup(name="tally", version="1.0"
                  ^
         SyntaxError: '(' was never closed
"""


def test_a_directory_of_the_app_that_cannot_be_built() -> None:
    error = classify(UNNAMED_BUILD)
    assert isinstance(error, SourceBuildError)
    assert error.text() == (
        "A package in a directory of your app could not be built from source\n\n"
        "Traceback (most recent call last):\n"
        '  File "<string>", line 14, in <module>\n'
        "    requires = get_requires_for_build({})\n"
        '  File "<string>", line 3\n'
        '    setup(name="tally", version="1.0"\n'
        "         ^\n"
        "SyntaxError: '(' was never closed\n\n"
        "Its own build (setup.py, or the build backend that its pyproject.toml names)\n"
        "said the above. Correct it there."
    )


def test_requirements_that_contradict_each_other() -> None:
    error = classify(CONFLICT)
    assert isinstance(error, VersionConflictError)
    assert error.brief == "Your requirements cannot be installed together"
    assert error.explanation.startswith("Because flask==3.1.0 depends on werkzeug>=3.1")


def test_a_wrong_hash() -> None:
    error = classify(HASH)
    assert isinstance(error, HashMismatchError)
    assert error.text() == (
        "The hash of flask==3.1.0 is not the one in your requirements\n\n"
        "expected sha256:0000\nfound    sha256:d667\n\n"
        "If you changed the version, write the hashes again. If you did not,\n"
        "the file on the index was replaced: do not use it before you know why."
    )


def test_anything_else_is_shown_as_it_is() -> None:
    error = classify("  x.c:1: fatal error: Python.h\nerror: command gcc failed")
    assert isinstance(error, InstallFailedError)
    assert error.details == "  x.c:1: fatal error: Python.h\nerror: command gcc failed"


def test_a_package_for_another_python() -> None:
    error = classify(unsolvable(none_left("newpy==1.0", "requires Python >=3.12")))
    assert isinstance(error, PythonExcludedError)
    assert error.text() == (
        "newpy==1.0 is not for Python 3.11\n\nIt requires Python >=3.12.\n\n"
        "Because newpy==1.0 requires Python >=3.12 and only newpy==1.0 is\n"
        "available, we can conclude that all versions of newpy cannot be used.\n"
        "And because you require newpy, we can conclude that your requirements\n"
        "are unsatisfiable.\n\n"
        "Choose a Python that it is for, in .python-version; or ask for a\n"
        "version of newpy that is for this one."
    )


def test_the_apps_own_project_for_another_python() -> None:
    error = classify(
        unsolvable(
            "the current Python version (3.11.2) does not satisfy Python>=3.12,<4 and lib==1 "
            "depends on Python>=3.12,<4, we can conclude that lib==1 cannot be used."
        )
    )
    assert isinstance(error, PythonExcludedError)
    assert (error.package, error.wanted) == ("lib==1", ">=3.12,<4")


def test_wheels_for_other_pythons_only() -> None:
    why = "has no wheels with a matching Python ABI tag (e.g., `cp311`)"
    hint = (
        "You require CPython 3.11 (`cp311`), but we only found wheels for `pyw` (v1.0) with the "
        "following Python ABI tag: `cp39`"
    )
    error = classify(unsolvable(none_left("pyw==1.0", why), hint))
    assert isinstance(error, NoWheelError)
    assert error.text() == (
        "No file of pyw can be installed here\n\n"
        "You require CPython 3.11 (`cp311`), but we only found wheels for `pyw`\n"
        "(v1.0) with the following Python ABI tag: `cp39`\n\n"
        "Choose a Python that it has wheels for, in .python-version, or another\n"
        "version of the package."
    )


def test_wheels_for_other_systems_only() -> None:
    why = "has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`)"
    hint = (
        "Wheels are available for `pywin` (v306) on the following platforms: `win32`, "
        "`win_amd64`, `win_arm64`"
    )
    assert classify(unsolvable(none_left("pywin==306", why), hint)).text() == (
        "No file of pywin can be installed here\n\n"
        "Wheels are available for `pywin` (v306) on the following platforms:\n"
        "`win32`, `win_amd64`, `win_arm64`\n\n"
        "Ask for a version that has a file for this platform. If only another system\n"
        "needs it, say so behind it:\n\n    pywin ; sys_platform == 'win32'"
    )


def test_what_is_for_windows_alone_needs_no_other_python() -> None:
    why = "has no wheels with a matching Python ABI tag (e.g., `cp313`)"
    hint = (
        "You require CPython 3.13 (`cp313`), but we only found wheels for `pywin32` (v306) with "
        "the following Python ABI tag: `cp312`"
    )
    assert classify(unsolvable(none_left("pywin32==306", why), hint)).resolution == (
        "pywin32 is for Windows alone. Say so behind it:\n\n    pywin32 ; sys_platform == 'win32'"
    )


def test_wheels_for_another_processor_are_of_no_other_system() -> None:
    why = "has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`)"
    hint = "Wheels are available for `pi` (v1) on the following platform: `manylinux_2_17_aarch64`"
    error = classify(unsolvable(none_left("pi==1", why), hint))
    assert error.resolution == "Ask for a version that has a file for this platform."


def test_a_wheel_of_the_app_for_another_system() -> None:
    error = classify(
        "error: Failed to determine installation plan\n  cause: A path (wheels/foo-1.0-cp312-cp312-"
        "macosx_11_0_arm64.whl) dependency is incompatible with the current platform\n\nhint: The "
        "wheel is compatible with macOS (`macosx_11_0_arm64`), but you're on Linux "
        "(`manylinux_2_36_x86_64`)"
    )
    assert error.text() == (
        "wheels/foo-1.0-cp312-cp312-macosx_11_0_arm64.whl cannot be installed here\n\n"
        "The wheel is compatible with macOS (`macosx_11_0_arm64`), but you're\n"
        "on Linux (`manylinux_2_36_x86_64`)\n\n"
        "Ask for a version that has a file for this platform. If only another system\n"
        "needs it, say so behind it:\n\n"
        "    wheels/foo-1.0-cp312-cp312-macosx_11_0_arm64.whl ; sys_platform == 'darwin'"
    )


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("cv2", "'cv2' is what a program imports. The package is called opencv-python-headless: "
         "ask for that."),
        (
            "python",
            "Python itself is no package: remove it from your requirements. Which Python your app\n"
            "gets is said in .python-version.",
        ),
        ("sqlite3", "'sqlite3' is a part of Python itself: remove it from your requirements."),
        (
            "pkg-resources",
            "There is no such package: Debian's pip freeze writes that line by mistake. Remove\n"
            "it. If your app imports pkg_resources, require setuptools<81.",
        ),
    ],
)  # fmt: skip
def test_names_of_no_package_are_told_by_their_right_name(name: str, advice: str) -> None:
    why = f"{name} was not found in the package registry and you require {name}, we can conclude"
    error = classify(unsolvable(why))
    assert isinstance(error, NoMatchingDistributionError)
    assert error.resolution == advice


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("==2.9.9", "\nOf 2.x the newest: 2.3.3, 2.3.2, 2.3.1."),
        (">=1.9,<1.10", "\nOf 1.x the newest: 1.5."),
        ("==3.9", ""),
        ("==99", ""),
        ("", ""),
    ],
)
def test_who_asks_for_no_version_hears_the_newest_and_those_near(wanted: str, near: str) -> None:
    there = ("3.1.1", "3.1", "3.0.2", "3.0.1", "3.0", "2.3.3", "2.3.2", "2.3.1", "2.3", "1.5")
    error = NoSuchVersionError("pandas", wanted, "")
    error.name_versions((*there, *there))
    assert error.resolution == (
        f"Ask for another version. The newest are 3.1.1, 3.1, 3.0.2, 3.0.1, 3.0.{near}"
    )
    error = NoSuchVersionError("pandas", wanted, "")
    error.name_versions(())
    assert error.resolution.endswith("pip index versions pandas")


def test_metadata_no_installer_accepts() -> None:
    hint = (
        "Metadata for `old` (v1.0) could not be parsed:\n"
        "  after parsing `1`, found `.x.*`, which is not part of a valid version\n  foo>=1.x.*"
    )
    error = classify(unsolvable(none_left("old==1.0", "has invalid metadata"), hint))
    assert isinstance(error, BadMetadataError)
    assert error.text() == (
        "old==1.0 has invalid metadata\n\n" + hint + "\n\n"
        "pip before 24.1 let this pass; nothing does today. Ask for a newer\n"
        "version of the package: most were corrected long ago."
    )


@pytest.mark.parametrize(
    ("why", "reason"),
    [("was yanked (reason: broken build)", "broken build"), ("was yanked", "")],
)
def test_all_that_fits_was_withdrawn(why: str, reason: str) -> None:
    error = classify(unsolvable(none_left("yank==1.0", why)))
    assert isinstance(error, YankedError)
    assert error.reason == reason
    assert error.text() == (
        "yank==1.0 was withdrawn by its authors ('yanked')\n\n"
        + (f"Their reason: {reason}" if reason else "They gave no reason.")
        + "\n\nAllow another version of yank. To have this one all the same,\n"
        "ask for it exactly: yank==1.0"
    )


def test_only_a_pre_release() -> None:
    error = classify(
        unsolvable(
            "only prel==1.0rc1 is available and you require prel>=1, we can conclude that your "
            "requirements are unsatisfiable."
        )
    )
    assert isinstance(error, PreReleaseOnlyError)
    assert error.text() == (
        "Of prel there is only a pre-release, 1.0rc1\n\n"
        "Because only prel==1.0rc1 is available and you require prel>=1, we can\n"
        "conclude that your requirements are unsatisfiable.\n\n"
        "Pre-releases are not chosen unasked. Ask for it exactly:\n\n    prel==1.0rc1\n\n"
        "or put this on a line of its own, for all packages:\n\n    --pre"
    )


def test_uv_itself_was_killed() -> None:
    error = classify("Resolved 3 packages in 1ms", code=-9)
    assert isinstance(error, OutOfMemoryError)
    assert error.brief == "The installation was killed"


@pytest.mark.parametrize(
    ("output", "package", "problem"),
    [
        (
            "error: Failed to download `dup==1.0`\n"
            "  cause: Failed to extract archive: dup-1.0-py3-none-any.whl\n"
            "  cause: ZIP file contains multiple entries with different contents for: dup.py",
            "dup==1.0",
            "Failed to extract archive: dup-1.0-py3-none-any.whl cause: ZIP file contains multiple "
            "entries with different contents for: dup.py",
        ),
        (
            "error: Failed to install: entry-1.0-py3-none-any.whl (entry==1.0)\n"
            "  cause: The wheel is invalid: Script path must resolve to a file within the scripts "
            "directory: ../evil6",
            "entry-1.0",
            "The wheel is invalid: Script path must resolve to a file within the scripts "
            "directory: ../evil6",
        ),
        (
            unsolvable(
                none_left("liar==1.0", "has an invalid package format"),
                "The structure of `liar` (v1.0) was invalid:\n  The .dist-info directory `aa-1.0` "
                "does not start with the normalized package name: liar",
            ),
            "liar",
            "The .dist-info directory `aa-1.0` does not start with the normalized package name: "
            "liar",
        ),
    ],
    ids=["two members of one name", "a script elsewhere", "another package's name"],
)
def test_wheels_that_uv_refuses(output: str, package: str, problem: str) -> None:
    error = classify(output)
    assert isinstance(error, HostileWheelError)
    assert (error.package, error.problems) == (package, (problem,))


def test_what_is_not_vendored() -> None:
    error = classify(
        unsolvable(
            "below was not found in the provided package locations and top==1.0 depends on below, "
            "we can conclude that top==1.0 cannot be used."
        )
    )
    assert isinstance(error, NotVendoredError)
    assert error.missing == ("below",)


def test_a_build_that_prints_megabytes_in_one_word_is_understood_at_once() -> None:
    begun = time.thread_time()
    error = classify_failure(["a" * 4_000_000, *("b" * 60_000 for _ in range(20))], "https://x", 1)
    assert isinstance(error, InstallFailedError)
    assert time.thread_time() - begun < 5  # it was minutes
