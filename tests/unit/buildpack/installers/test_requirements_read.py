"""requirements.read: everything a build decides on before anything is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.installers import requirements
from buildpack.installers.base import Dependencies
from buildpack.installers.diagnosis.errors import MissingVariablesError, RequirementsFilesError
from buildpack.installers.diagnosis.requirement_notices import UnpinnedRequirementsError
from buildpack.installers.vendored import NotVendoredError, VendoredSwitchError
from buildpack.requirement_checks import InvalidRequirementsError, UnhashedRequirementsError
from buildpack.settings import BuildSettings


def read(root: Path, text: str, settings: BuildSettings | None = None, **env: str) -> Dependencies:
    (root / "requirements.txt").write_text(text)
    return requirements.read(App(root=root), settings or BuildSettings(), env)


def test_a_pinned_file_gives_no_warnings(tmp_path: Path) -> None:
    found = read(tmp_path, "flask==3.1.3\n")
    assert (found.source, found.options, found.warnings) == ("requirements.txt", (), ())
    assert dict(found.inputs) == {"requirements.txt": b"flask==3.1.3\n"}


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    assert read(tmp_path, "").warnings == ()


@pytest.mark.parametrize("text", ["a==1 --hash=sha256:aa\n", "--require-hashes\n"])
def test_hashes_are_required_when_the_app_has_any(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, text).options == ("--require-hashes",)


def test_an_editable_line_among_hashed_ones_has_no_hash_either(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    with pytest.raises(UnhashedRequirementsError) as caught:
        read(tmp_path, "a==1 --hash=sha256:aa\n-e .\n")
    assert [line.text for line in caught.value.lines] == ["-e ."]


def test_several_files_and_those_of_the_tests(tmp_path: Path) -> None:
    for name in ("web.txt", "requirements-test.txt"):
        (tmp_path / name).write_text("")
    settings = BuildSettings(requirements_files=("web.txt", "requirements.txt"), is_test=True)
    found = read(tmp_path, "", settings)
    assert found.facts["requirements_files"] == "web.txt,requirements.txt,requirements-test.txt"
    assert found.source == "web.txt, requirements.txt, requirements-test.txt"


def test_files_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    settings = BuildSettings(requirements_files=("gone.txt", "../up.txt", "requirements.txt"))
    with pytest.raises(RequirementsFilesError) as caught:
        read(tmp_path, "", settings)
    assert caught.value.text() == (
        "Your app has not all requirements files it is told to install from\n\n"
        "There is no such file in your app:\n\n  gone.txt\n  ../up.txt\n\n"
        "Add them, or correct SLUGKIT_REQUIREMENTS: file names from the app's\n"
        "directory on, with spaces between them."
    )


def test_variables_that_are_not_set_are_all_named_and_none_is_shown(tmp_path: Path) -> None:
    text = "a @ https://${USER_NAME}:${TOKEN}@h.example/a.whl\nb==${VERSION}\n"
    with pytest.raises(MissingVariablesError) as caught:
        read(tmp_path, text, TOKEN="never-shown")
    assert caught.value.text() == (
        "Your requirements use config vars that are not set\n\n"
        "  requirements.txt:1: ${USER_NAME}\n  requirements.txt:2: ${VERSION}\n\n"
        "Set them as config vars of the app, such as USER_NAME=value. Names are\n"
        "upper case, in the form ${NAME}; pip and this buildpack expand no other."
    )


def test_a_variable_decides_and_its_value_is_in_no_fact(tmp_path: Path) -> None:
    text = "a @ https://${TOKEN}@h.example/a.whl\n"
    one, two = (read(tmp_path, text, TOKEN=value).facts for value in ("secret-1", "secret-2"))
    assert one != two
    assert "secret" not in str(one)


def test_a_variable_is_checked_with_its_value(tmp_path: Path) -> None:
    assert read(tmp_path, "a==${V}\n", V="1.0").warnings == ()
    with pytest.raises(InvalidRequirementsError):
        read(tmp_path, "a==${V}\n", V="not a version")


def test_options_no_pip_has_are_refused_with_the_rest(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequirementsError) as caught:
        read(tmp_path, "--frobnicate\nflask==\n-e svn+https://h.example/x\n")
    assert [problem.number for problem in caught.value.problems] == [1, 2, 3]


def test_unpinned_requirements_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("held==1\n")
    text = "-c c.txt\nflask\nheld\nrich>=13\na==1.*\nb===1\nc==2\nd @ https://h.example/d.whl\n"
    (notice,) = read(tmp_path, text).warnings
    assert notice == (
        "3 of your 7 requirements are not pinned to one version\n\n"
        "  flask, rich>=13, a==1.*\n\n"
        "The next build without a cache may install other versions than this one. To keep them:\n\n"
        "    git mv requirements.txt requirements.in\n"
        "    pip-compile --generate-hashes requirements.in -o requirements.txt\n"
        "    git add requirements.txt\n\n"
        "To make this an error, set SLUGKIT_REQUIRE_PINNED=1."
    )
    (notice,) = read(tmp_path, "flask\n").warnings
    assert notice.startswith("None of your requirements is pinned to one version\n\n  flask\n\n")


def test_who_has_a_source_for_pip_tools_is_not_told_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "requirements.in").write_text("flask\n")
    (notice,) = read(tmp_path, "flask\n").warnings
    assert (
        "To keep them:\n\n"
        "    pip-compile --generate-hashes requirements.in -o requirements.txt\n"
        "    git add requirements.txt\n\n"
        "requirements.txt then holds what requirements.in asks for, and nothing else.\n\n"
    ) in notice


def test_unpinned_requirements_fail_where_the_app_wants_that(tmp_path: Path) -> None:
    with pytest.raises(UnpinnedRequirementsError) as caught:
        read(tmp_path, "flask\nrich==1\ndjango>5\n", SLUGKIT_REQUIRE_PINNED="1")
    assert caught.value.details == (
        "SLUGKIT_REQUIRE_PINNED is set, so every line needs '==' and a version. These have none:"
        "\n\n  requirements.txt:1: flask\n  requirements.txt:3: django>5"
    )
    assert read(tmp_path, "rich==1\n", SLUGKIT_REQUIRE_PINNED="1").warnings == ()


def test_an_index_in_the_file_is_honoured_and_named_without_its_password(tmp_path: Path) -> None:
    text = "--extra-index-url https://me:pass-word@i.example/simple\na==1\n"
    (notice,) = read(tmp_path, text).warnings
    assert notice.startswith(
        "Your requirements add a package index\n\n"
        "  requirements.txt:1: https://***@i.example/simple\n\n"
    )
    assert "dependency confusion" in notice
    assert "pass-word" not in notice


def test_one_index_for_everything_is_nobodys_confusion(tmp_path: Path) -> None:
    assert read(tmp_path, "--index-url https://i.example/simple\na==1\n").warnings == ()


def test_options_without_effect_are_named(tmp_path: Path) -> None:
    (notice,) = read(tmp_path, "--prefer-binary\na==1 --global-option=x\n").warnings
    assert notice == (
        "Some options in your requirements have no effect here\n\n"
        "  requirements.txt:1: --prefer-binary\n  requirements.txt:2: --global-option\n\n"
        "Packages are installed by uv, which has no such options."
    )


def test_an_editable_package_decides_by_its_metadata_and_limits_python(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "lib"\nversion = "1"\nrequires-python = ">=3.12"\n'
    )
    found = read(tmp_path, "-e ./lib\n")
    assert found.local_paths == ()
    assert sorted(found.inputs) == ["lib/pyproject.toml", "names in lib", "requirements.txt"]
    assert [(limit.specifier, limit.origin) for limit in found.requires_python] == [
        (">=3.12", "lib/pyproject.toml (requires-python)")
    ]
    assert set(requirements.requirement_texts(found)) == {"requirements.txt"}


def test_a_package_that_is_copied_decides_by_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "setup.py").touch()
    assert read(tmp_path, "./lib\n").local_paths == ("lib",)


def vendor(root: Path, *names: str) -> None:
    (root / "vendor").mkdir(exist_ok=True)
    for name in names:
        (root / "vendor" / name).touch()


def test_a_vendor_directory_with_everything_makes_the_install_offline(tmp_path: Path) -> None:
    vendor(tmp_path, "Flask-3.1.3-py3-none-any.whl", "my.pkg-1.0.tar.gz", "notes.txt")
    found = read(tmp_path, "flask==3.1.3\nmy_pkg>=1\npywin32==1; sys_platform == 'win32'\n")
    assert found.options == ("--no-index", "--find-links", "vendor")
    assert found.local_paths == ("vendor",)


def test_a_vendor_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    vendor(tmp_path, "jquery.js")
    assert read(tmp_path, "flask==3.1.3\n").options == ()


def test_what_vendor_does_not_hold_is_named(tmp_path: Path) -> None:
    vendor(tmp_path, "flask-3.1.2-py3-none-any.whl", "rich-1.0-py3-none-any.whl")
    found = read(tmp_path, "flask==3.1.3\nrich==1.0\ndjango==5\n")
    assert found.options == ("--find-links", "vendor")
    assert found.warnings[0].startswith(
        "vendor/ does not hold all that your requirements ask for\n\n"
        "  requirements.txt:1: flask==3.1.3\n  requirements.txt:3: django==5\n\n"
    )


def test_vendor_only_makes_what_is_missing_an_error(tmp_path: Path) -> None:
    vendor(tmp_path, "rich-1.0-py3-none-any.whl")
    with pytest.raises(NotVendoredError) as caught:
        read(tmp_path, "flask==3.1.3\nrich==1.0\n", SLUGKIT_VENDOR="only")
    assert caught.value.text() == (
        "vendor/ does not hold all that your app needs\n\n"
        "Nothing was fetched from an index. These are missing:\n\n  flask==3.1.3\n\n"
        "Add them, with all that they need themselves and, for source\n"
        "distributions, with their build tools (setuptools, for instance):\n\n"
        "    pip download -r requirements.txt -d vendor\n\n"
        "To ask the package index as well, remove vendor/ or set SLUGKIT_VENDOR=0."
    )


def test_vendor_can_be_switched_off(tmp_path: Path) -> None:
    vendor(tmp_path, "flask-3.1.3-py3-none-any.whl")
    assert read(tmp_path, "flask==3.1.3\n", SLUGKIT_VENDOR="0").options == ()


def test_a_vendor_switch_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VendoredSwitchError) as caught:
        read(tmp_path, "", SLUGKIT_VENDOR="perhaps")
    assert caught.value.text() == (
        "SLUGKIT_VENDOR has a value we do not know\n\nIts value is 'perhaps'.\n\n"
        "Set it to 'only' (install from vendor/ and nothing else) or to '0'\n"
        "(leave vendor/ alone), or unset it."
    )
