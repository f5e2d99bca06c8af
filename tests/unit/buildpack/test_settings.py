"""settings: config vars win, paths stay inside the source."""

from __future__ import annotations

import pytest

from buildpack.settings import AppDirError, BuildSettings, parse_app_dir, read_settings


def test_without_variables_every_choice_is_left_to_the_rules() -> None:
    assert read_settings({}, {}) == BuildSettings()


def test_config_vars_win_over_the_machine() -> None:
    env = {"SLUGKIT_PACKAGE_MANAGER": "uv", "SLUGKIT_GROUPS": "a"}
    settings = read_settings(env, {"SLUGKIT_PACKAGE_MANAGER": " Poetry "})
    assert (settings.package_manager, settings.groups) == ("poetry", ("a",))


def test_lists_are_separated_by_blanks_or_commas() -> None:
    settings = read_settings(
        {"SLUGKIT_GROUPS": "prod, worker", "SLUGKIT_REQUIREMENTS": "base.txt  prod.txt"}, {}
    )
    assert settings.groups == ("prod", "worker")
    assert settings.requirements_files == ("base.txt", "prod.txt")


@pytest.mark.parametrize(("value", "is_test"), [("", False), ("0", False), ("1", True)])
def test_install_test_asks_for_test_dependencies(value: str, is_test: bool) -> None:
    assert read_settings({"INSTALL_TEST": value}, {}).is_test is is_test


@pytest.mark.parametrize(
    ("value", "path"),
    [("", ""), (".", ""), ("api", "api"), ("./services//api/", "services/api"), ("a/../b", "b")],
)
def test_app_dir_is_a_plain_relative_path(value: str, path: str) -> None:
    assert parse_app_dir(value) == path


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/srv/app", "it must be relative to the root of the source"),
        ("../other", "it leads out of the source"),
        ("a/../../b", "it leads out of the source"),
    ],
)
def test_app_dir_outside_the_source_is_refused(value: str, reason: str) -> None:
    with pytest.raises(AppDirError) as caught:
        parse_app_dir(value)
    assert caught.value.text() == (
        "SLUGKIT_APP_DIR does not name a directory of your app\n\n"
        f"Its value is '{value}', and {reason}.\n\n"
        "Give the path from the root of the source to the directory that holds\n"
        "your app's requirements, such as:\n\n    SLUGKIT_APP_DIR=services/api"
    )
