"""detect: what counts as a Python app, and what is said when nothing does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.detect import MISSPELT_REQUIREMENTS, PROJECT_FILES, find_evidence, main
from buildpack.detect_closely import (
    failure_message,
    find_deeper,
    find_near_misses,
    find_requirements,
)


@pytest.mark.parametrize("name", PROJECT_FILES + MISSPELT_REQUIREMENTS)
def test_each_project_file_alone_is_enough(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert main(["detect", str(tmp_path)]) == 0


def test_detect_prints_the_name_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "requirements.txt").touch()
    assert main(["detect", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("Python\n", "")


def test_evidence_comes_in_the_order_of_the_list() -> None:
    assert find_evidence(["app.py", "README", "requirements.txt"]) == ("requirements.txt", "app.py")


def test_a_file_in_a_subdirectory_is_no_evidence_but_is_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "requirements.txt").touch()
    assert main(["detect", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        " !     Found backend/requirements.txt. If your app is in that directory, set:\n"
        " !\n"
        " !         SLUGKIT_APP_DIR=backend\n"
    ) in captured.err


def test_failure_message_whole(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    (tmp_path / "css").mkdir()
    assert failure_message(str(tmp_path), ["index.html", "css"]) == (
        " !     Error: This does not look like a Python app.\n"
        " !\n"
        " !     A Python app has at least one of these files in its root\n"
        " !     directory: requirements.txt, pyproject.toml, uv.lock,\n"
        " !     poetry.lock, Pipfile.lock.\n"
        " !\n"
        " !     The root directory of this app holds:\n"
        " !\n"
        " !       css/\n"
        " !       index.html\n"
        " !\n"
        " !     If the app has one of these files, check that:\n"
        " !\n"
        " !     1. It is in the root directory, not in a subdirectory.\n"
        " !     2. Its name is spelt right (upper and lower case differ).\n"
        " !     3. It is not left out by .gitignore or .slugignore.\n"
        " !     4. It was added and committed to git.\n"
        " !\n"
        " !     Otherwise add an empty requirements.txt to the root directory:\n"
        " !\n"
        " !         touch requirements.txt\n"
    )


def test_a_listing_cannot_carry_control_characters(tmp_path: Path) -> None:
    assert "\x1b" not in failure_message(str(tmp_path), ["\x1b[2J"])
    assert "\\x1b[2J" in failure_message(str(tmp_path), ["\x1b[2J"])


def test_a_long_listing_is_cut(tmp_path: Path) -> None:
    names = [f"file{number:03}" for number in range(60)]
    assert "… and 20 more" in failure_message(str(tmp_path), names)


def test_a_missing_directory_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "/nonexistent/app"]) == 1
    assert capsys.readouterr().err == (
        " !     Error: Cannot read the app directory '/nonexistent/app': "
        "no such file or directory.\n"
    )


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect"]) == 1
    assert capsys.readouterr().err == " !     Error: Usage: bin/detect BUILD_DIR\n"


def test_what_is_two_directories_down_is_mentioned_and_packages_are_passed_over(
    tmp_path: Path,
) -> None:
    for directory in ("services/api", "node_modules/gyp", "a/b/c"):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "pyproject.toml").touch()
    assert find_deeper(str(tmp_path), sorted(p.name for p in tmp_path.iterdir())) == [
        "services/api/pyproject.toml"
    ]


def test_of_several_directories_that_may_hold_the_app_each_is_named(tmp_path: Path) -> None:
    for name in ("libs/common/pyproject.toml", "services/api/requirements.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert (
        " !     Found such files further down. If your app is in one of these\n"
        " !     directories, set:\n"
        " !\n"
        " !         SLUGKIT_APP_DIR=libs/common\n"
        " !         SLUGKIT_APP_DIR=services/api\n"
        " !\n"
    ) in failure_message(str(tmp_path), ["libs", "services"])


def test_of_several_requirements_files_the_one_for_deploys_is_named_first(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in ("dev.txt", "prod.txt", "base.txt", "notes.md"):
        (tmp_path / "requirements" / name).touch()
    names = ["requirements", "requirements-test.txt", "requirements-web.txt", "app.py"]
    assert find_requirements(str(tmp_path), names) == [
        "requirements/prod.txt", "requirements/base.txt", "requirements-web.txt"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "is_offered"),
    [
        ("citrus-requirements.txt", True),
        ("latest_requirements.txt", True),
        ("requirements.device.txt", True),
        ("requirements-ci.txt", False),
        ("Requirements_Dev.txt", False),
        ("test2-requirements.txt", False),
        ("requirements/testing.txt", False),
    ],
)
def test_words_of_a_name_say_what_a_requirements_file_is_for(
    name: str, is_offered: bool, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    names = sorted(entry.name for entry in tmp_path.iterdir())
    assert find_requirements(str(tmp_path), names) == ([name] if is_offered else [])


def test_an_app_of_conda_alone_hears_how_it_becomes_one_of_pip(tmp_path: Path) -> None:
    said = failure_message(str(tmp_path), ["environment.yml"])
    assert " !     Found environment.yml. Conda's environments are not built here." in said
    assert " !         pip list --format=freeze > requirements.txt\n" in said


def test_a_name_that_differs_in_capitals_gets_its_right_one(tmp_path: Path) -> None:
    assert find_near_misses(["pipfile", "Main.py", "app.py"]) == [
        ("Main.py", "main.py"),
        ("pipfile", "Pipfile"),
    ]
    assert " !         git mv pipfile Pipfile\n" in failure_message(str(tmp_path), ["pipfile"])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("pylock.prod.toml", "", 0),
        ("tool.py", "#!/usr/bin/env python\n# /// script\n# dependencies = []\n# ///\n", 0),
        ("tool.py", "import os\nprint('# /// script')\n", 1),
        ("tool.txt", "# /// script\n", 1),
    ],
)
def test_what_takes_a_closer_look(name: str, content: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert main(["detect", str(tmp_path)]) == expected


def test_a_named_pipe_with_a_script_s_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tool.py")
    assert main(["detect", str(tmp_path)]) == 1


def test_other_requirements_files_count_where_the_setting_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "prod.txt").touch()
    assert main(["detect", str(tmp_path)]) == 1
    monkeypatch.setenv("SLUGKIT_REQUIREMENTS", "deploy/prod.txt")
    assert main(["detect", str(tmp_path)]) == 0


def test_an_app_in_a_subdirectory_is_found_where_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "services" / "api").mkdir(parents=True)
    (tmp_path / "services" / "api" / "uv.lock").touch()
    monkeypatch.setenv("SLUGKIT_APP_DIR", "services/api/")
    assert main(["detect", str(tmp_path)]) == 0
    monkeypatch.setenv("SLUGKIT_APP_DIR", "services/web")
    assert main(["detect", str(tmp_path)]) == 1
    assert " !     It is what SLUGKIT_APP_DIR names.\n" in capsys.readouterr().err
    monkeypatch.setenv("SLUGKIT_APP_DIR", "../elsewhere")
    assert main(["detect", str(tmp_path)]) == 1
    assert capsys.readouterr().err == " !     Error: SLUGKIT_APP_DIR leads out of the source.\n"


def test_what_is_said_of_an_app_in_a_subdirectory_is_said_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("my services/api/uv.lock", "my services/Pipfile.LOCK"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("SLUGKIT_APP_DIR", "/my services/")
    assert main(["detect", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert (
        " !         cd 'my services'\n"
        " !         git mv Pipfile.LOCK Pipfile.lock\n"
    ) in said  # fmt: skip
    assert " !         SLUGKIT_APP_DIR=my services/api\n" in said
    assert said.count(" cd ") == 1


def test_an_empty_setting_means_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.txt").touch()
    for value in ("", " ", ".", "./"):
        monkeypatch.setenv("SLUGKIT_APP_DIR", value)
        assert main(["detect", str(tmp_path)]) == 0
