"""What options of `slugc build` may be, whoever gives them: a command line or a program."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.errors import SlugkitError
from slugc.build_command import make_request
from slugc.build_request import BuildRequest
from slugc.plain_build import DEFAULTS


@pytest.fixture(autouse=True)
def app(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    return tmp_path / "app"


def request(cwd: Path, options: Mapping[str, object]) -> BuildRequest:
    env = {"SLUGKIT_HOME": str(cwd / "home")}
    return make_request("app", {**DEFAULTS, **options}, env=env, cwd=cwd)


def refusal(cwd: Path, **options: object) -> SlugkitError:
    with pytest.raises(SlugkitError) as caught:
        request(cwd, options)
    return caught.value


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0, 0.0, 1e300])
@pytest.mark.parametrize("option", ["timeout", "detect_timeout", "fetch_timeout"])
def test_no_time_limit_that_none_can_keep(tmp_path: Path, option: str, seconds: float) -> None:
    err = refusal(tmp_path, **{option: seconds})
    assert err.exit_code == 64
    assert err.brief == (
        f"--{option.replace('_', '-')} cannot be {seconds:g}: it is a number of seconds, above 0"
        " and at most those of a year"
    )


@pytest.mark.parametrize("cpus", [math.nan, math.inf, 0.0, -1.0])
def test_no_number_of_processors_that_none_has(tmp_path: Path, cpus: float) -> None:
    err = refusal(tmp_path, cpus=cpus)
    assert err.exit_code == 64
    assert err.brief == f"--cpus cannot be {cpus:g}: it is a number, at least 0.01"


@pytest.mark.parametrize(
    ("option", "given", "code", "words"),
    [
        ("output", "", 73, "It is a directory."),
        ("name", "", 64, "'' is no name for an app"),
        ("buildpacks", ("",), 65, "'' is no buildpack we use\n\nIt is empty."),
    ],
)
def test_an_option_that_is_empty_was_not_left_out(
    tmp_path: Path, option: str, given: object, code: int, words: str
) -> None:
    """As `-o "$OUT"` gives it where nobody set OUT: no default stands in for it."""
    err = refusal(tmp_path, **{option: given})
    assert err.exit_code == code
    assert words in err.text()


def test_a_slug_is_not_put_in_the_place_of_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "null")
    (tmp_path / "link").symlink_to("null")
    for name in ("null", "link"):
        err = refusal(tmp_path, output=name)
        assert err.exit_code == 73
        assert err.text() == (
            f"The slug cannot be written to {tmp_path}/{name}\n\n"
            "It is no regular file.\n\nGive a file: slugc build -o app.slug"
        )


def test_a_link_to_an_earlier_slug_may_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "old.slug").touch()
    (tmp_path / "link.slug").symlink_to("old.slug")
    (tmp_path / "broken.slug").symlink_to("gone.slug")
    for name in ("link.slug", "broken.slug"):
        assert request(tmp_path, {"output": name}).output == tmp_path / name
