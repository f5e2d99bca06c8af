"""pylock: which file, which groups, and is it in step with pyproject.toml?"""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers.base import PythonRequirement
from buildpack.installers.locks.project_errors import (
    BrokenFileError,
    InvalidLockError,
    LocalPathError,
    LockOutOfSyncError,
    LockVersionError,
    UnknownChoiceError,
)
from buildpack.installers.pylock import lock_file, read
from buildpack.settings import BuildSettings

ORIGIN = f"""\
[[packages.wheels]]
url = "https://example.org/x-1-py3-none-any.whl"
hashes = {{ sha256 = "{"0" * 64}" }}
"""
LOCK = f"""\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.10"
extras = ["cli"]
dependency-groups = ["dev", "docs"]
default-groups = ["docs"]

[[packages]]
name = "flask"
version = "3.1.0"
{ORIGIN}
[[packages]]
name = "six"
version = "1.17.0"
{ORIGIN}
"""
PYPROJECT = """\
[project]
name = "app"
requires-python = ">=3.11"
dependencies = ["Flask==3.1.0", "colorama ; sys_platform == 'win32'", "six>=1.16"]
"""


def app_of(root: Path, **files: str) -> App:
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)
    return App(root=root)


def test_a_lock_is_read_with_its_limits_of_the_python_version(tmp_path: Path) -> None:
    app = app_of(tmp_path, pylock__toml=LOCK, pyproject__toml=PYPROJECT)
    dependencies = read(app, BuildSettings(), {})
    assert dependencies.source == "pylock.toml"
    assert sorted(dependencies.inputs) == ["pylock.toml", "pyproject.toml"]
    assert dependencies.options == ()
    assert dependencies.requires_python == (
        PythonRequirement(specifier=">=3.10", origin="pylock.toml (requires-python)"),
        PythonRequirement(specifier=">=3.11", origin="pyproject.toml (requires-python)"),
    )


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (BuildSettings(groups=("dev",)), ("--group", "docs", "--group", "dev")),
        (BuildSettings(extras=("CLI",)), ("--extra", "cli")),
        (BuildSettings(is_test=True), ("--group", "docs", "--group", "dev")),
    ],
)
def test_a_chosen_group_keeps_the_default_ones(
    settings: BuildSettings, options: tuple[str, ...], tmp_path: Path
) -> None:
    assert read(app_of(tmp_path, pylock__toml=LOCK), settings, {}).options == options


def test_a_group_that_the_lock_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownChoiceError) as raised:
        read(app_of(tmp_path, pylock__toml=LOCK), BuildSettings(groups=("e2e",)), {})
    assert raised.value.known == ("dev", "docs")


def test_what_pyproject_asks_for_and_the_lock_lacks_is_named(tmp_path: Path) -> None:
    text = PYPROJECT.replace('"Flask==3.1.0"', '"flask>=3.2", "django>=5"')
    app = app_of(tmp_path, pylock__toml=LOCK, pyproject__toml=text)
    with pytest.raises(LockOutOfSyncError) as raised:
        read(app, BuildSettings(), {})
    assert raised.value.text() == (
        "pylock.toml does not match pyproject.toml\n\n"
        "Nothing was installed. What differs:\n\n"
        "  flask:\n"
        "    pyproject.toml: flask>=3.2\n"
        "    pylock.toml:    flask==3.1.0\n"
        "  django: pyproject.toml asks for django>=5, pylock.toml lacks it\n\n"
        "Write the lock file again and commit it:\n\n"
        "    uv export --format pylock.toml -o pylock.toml\n    git add pylock.toml"
    )


def test_a_lock_for_one_purpose_need_not_have_all_of_pyproject(tmp_path: Path) -> None:
    text = PYPROJECT.replace('"Flask==3.1.0"', '"django"')
    app = app_of(tmp_path, pylock__web__toml=LOCK, pyproject__toml=text)
    assert read(app, BuildSettings(), {}).source == "pylock.web.toml"


@pytest.mark.parametrize(
    ("names", "chosen", "expected"),
    [
        (("pylock.toml", "pylock.web.toml"), "", "pylock.toml"),
        (("pylock.toml", "pylock.web.toml"), "pylock.web.toml", "pylock.web.toml"),
        (("pylock.web.toml",), "", "pylock.web.toml"),
        (("pylock.a.toml", "pylock.b.toml"), "", "pylock.toml"),
    ],
)
def test_which_file_is_the_lock(
    names: tuple[str, ...], chosen: str, expected: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    settings = BuildSettings(requirements_files=(chosen,)) if chosen else BuildSettings()
    assert lock_file(App(root=tmp_path), settings) == expected


def test_local_packages_count_with_their_content(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    lock = LOCK + '\n[[packages]]\nname = "lib"\ndirectory = { path = "./lib" }\n'
    assert read(app_of(tmp_path, pylock__toml=lock), BuildSettings(), {}).local_paths == ("lib",)
    lock += '\n[[packages]]\nname = "x"\nwheels = [{ path = "x.whl", '
    lock += f'hashes = {{ sha256 = "{"0" * 64}" }} }}]\n'
    with pytest.raises(LocalPathError) as raised:
        read(app_of(tmp_path, pylock__toml=lock), BuildSettings(), {})
    assert raised.value.problems == (("x.whl", "not in your app"),)


@pytest.mark.parametrize(("version", "shown"), [('"2.0"', "2.0"), ("1", "missing")])
def test_a_later_format_is_refused(version: str, shown: str, tmp_path: Path) -> None:
    app = app_of(tmp_path, pylock__toml=LOCK.replace('"1.0"', version, 1))
    with pytest.raises(LockVersionError) as raised:
        read(app, BuildSettings(), {})
    assert raised.value.text().startswith(
        "pylock.toml has a format we do not know\n\n"
        f"Its version is {shown}; this buildpack reads version 1."
    )


def test_a_broken_lock_is_told_with_its_line(tmp_path: Path) -> None:
    app = app_of(tmp_path, pylock__toml=LOCK.replace('"six"', '"six'))
    with pytest.raises(BrokenFileError) as raised:
        read(app, BuildSettings(), {})
    assert raised.value.line == 16


BROKEN = """\
lock-version = "1.0"
created-by = "uv"

[[packages]]
version = "1"
directory = { editable = true }

[[packages]]
name = "si x"
version = "one"
marker = "sys_platform = linux"
wheels = [{ name = "six.whl", hashes = { sha256 = "abc" } }]

[[packages]]
name = "six"
sdist = { url = "https://example.org/six.tar.gz", hashes = {} }

[[packages]]
name = "nowhere"
version = "2024.1-1"

[[packages]]
name = "from-git"
vcs = { type = "git", url = "https://example.org/x.git" }
"""


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidLockError) as raised:
        read(app_of(tmp_path, pylock__toml=BROKEN), BuildSettings(), {})
    assert raised.value.text() == (
        "pylock.toml has 10 mistakes\n\n"
        "pylock.toml:4: this package has no name.\n"
        "pylock.toml:6: this package: its directory has no path.\n"
        "pylock.toml:9: 'si x' is no name of a package.\n"
        "pylock.toml:10: si x: 'one' is no version.\n"
        "pylock.toml:11: si x: its marker 'sys_platform = linux' is none.\n"
        "pylock.toml:12: si x: six.whl has neither url nor path.\n"
        "pylock.toml:12: si x: six.whl has a sha256 that is none.\n"
        "pylock.toml:16: six: six.tar.gz has no hashes.\n"
        "pylock.toml:18: nowhere: it has no wheels, sdist, archive, directory or vcs to install.\n"
        "pylock.toml:24: from-git: its vcs needs a commit-id, and a url or a path.\n\n"
        "Write it again and commit it:\n\n"
        "    uv export --format pylock.toml -o pylock.toml\n    git add pylock.toml"
    )


@pytest.mark.parametrize("packages", ["packages = 3", "packages = [3]", "[packages]\nname = 'x'"])
def test_packages_that_are_no_tables_are_refused(packages: str, tmp_path: Path) -> None:
    lock = f'lock-version = "1.0"\n{packages}\n'
    with pytest.raises(InvalidLockError) as raised:
        read(app_of(tmp_path, pylock__toml=lock), BuildSettings(), {})
    assert raised.value.problems == ("pylock.toml: packages is not an array of tables.",)


def test_groups_and_extras_of_the_lock_are_compared_too(tmp_path: Path) -> None:
    text = PYPROJECT + (
        '[project.optional-dependencies]\nCLI = ["click>=8"]\nother = ["rich"]\n'
        '[dependency-groups]\ndev = ["six>=2", "app[cli]"]\ne2e = ["playwright"]\n'
    )
    app = app_of(tmp_path, pylock__toml=LOCK, pyproject__toml=text)
    with pytest.raises(LockOutOfSyncError) as raised:
        read(app, BuildSettings(), {})
    assert [(x.name, x.wanted, x.locked) for x in raised.value.differences] == [
        ("six", "six>=2", "six==1.17.0"),
        ("click", "click>=8", ""),
    ]
