"""What a stack image is made of, whichever way it is made."""

from __future__ import annotations

import json

import pytest

from buildpack.support.errors import ExitCode
from slugc.stacks.recipes import (
    FINISH_SCRIPT,
    UnknownStackError,
    dockerfile,
    has_recipe,
    image_settings,
    stack_recipe,
)


def test_the_build_image_has_everything_the_run_image_has() -> None:
    run, build = stack_recipe("slugkit-stack:debian-12"), stack_recipe("debian-12-build")
    assert set(run.packages) < set(build.packages)
    assert run.stack == build.stack == "debian-12"
    assert (run.is_build, build.is_build) == (False, True)


def test_packages_are_sorted_and_named_once() -> None:
    packages = stack_recipe("debian-12-build").packages
    assert list(packages) == sorted(set(packages))
    assert not [name for name in packages if "#" in name or " " in name]


def test_the_engine_s_own_tools_are_on_every_run_image() -> None:
    # The gate's shell and what builds the wall: runner/engines/docker/options.py.
    for name in ("debian-12", "heroku-24"):
        assert {"busybox-static", "iproute2"} <= set(stack_recipe(name).packages)


def test_slugs_bring_their_own_python() -> None:
    packages = stack_recipe("debian-12").packages
    assert not [name for name in packages if "python" in name]


def test_settings_say_who_runs_and_where() -> None:
    assert image_settings(stack_recipe("debian-12"))[:7] == (
        "USER 1000:1000",
        "WORKDIR /app",
        "ENV HOME=/app",
        "ENV LANG=C.UTF-8",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin",
        "ENV STACK=debian-12",
        'CMD ["/bin/bash"]',
    )


def test_the_dockerfile_takes_the_same_list_the_same_last_step_and_the_same_settings() -> None:
    recipe = stack_recipe("debian-12")
    lines = dockerfile(recipe).splitlines()
    assert lines[:2] == ["FROM debian:bookworm-slim", "USER root"]
    assert lines[2].endswith("--no-install-recommends " + " ".join(recipe.packages))
    assert json.loads(lines[3].removeprefix("RUN "))[2] == FINISH_SCRIPT.read_text()
    assert tuple(lines[4:]) == image_settings(recipe)


def test_heroku_s_own_image_is_a_base_like_any_other() -> None:
    recipe = stack_recipe("slugkit-stack:heroku-24")
    assert dockerfile(recipe).startswith("FROM heroku/heroku:24\n")
    assert recipe.codename is None


def test_has_recipe() -> None:
    assert has_recipe("debian-12")
    assert not has_recipe("debian-11")


def test_an_unknown_stack_lists_the_known_ones() -> None:
    with pytest.raises(UnknownStackError) as caught:
        stack_recipe("slugkit-stack:debian-21")
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        "There is no stack image called 'slugkit-stack:debian-21'\n\n"
        "The ones that can be built:\n"
        "  slugkit-stack:debian-12\n"
        "  slugkit-stack:debian-12-build\n"
        "  slugkit-stack:heroku-24\n"
        "  slugkit-stack:heroku-24-build\n\n"
        "Did you mean slugkit-stack:debian-12?"
    )
