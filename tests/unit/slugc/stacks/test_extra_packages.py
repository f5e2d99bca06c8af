"""Packages beside the recipe's own: names alone, every mistake told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.stacks.extra_packages import (
    AptfileUnreadableError,
    PackageNameError,
    extra_packages,
)
from slugc.stacks.recipes import dockerfile, stack_recipe


def test_names_of_both_kinds_come_together(tmp_path: Path) -> None:
    aptfile = tmp_path / "Aptfile"
    aptfile.write_text("# maps\nlibgdal32  libproj25 # and projections\r\n\nlibstdc++6\n")
    found = extra_packages(["tidy", "libgdal32"], aptfile)
    assert found == ("libgdal32", "libproj25", "libstdc++6", "tidy")
    assert extra_packages([], None) == ()


def test_they_are_on_the_image_beside_the_recipe_s_own() -> None:
    recipe = stack_recipe("debian-12", extra=("tidy",))
    assert set(recipe.packages) == {*stack_recipe("debian-12").packages, "tidy"}
    assert "apt-get -o APT::Cmd::Pattern-Only=true install" in dockerfile(recipe)
    assert " tidy" in dockerfile(recipe)


def test_what_is_no_name_is_refused_with_its_place(tmp_path: Path) -> None:
    aptfile = tmp_path / "Aptfile"
    aptfile.write_text("tidy\n:repo:deb\nhttps://example.com/x.deb\nlibpq5=15.1\n")
    with pytest.raises(PackageNameError) as caught:
        extra_packages(["--purge", "a;b", "tidy-"], aptfile)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.text() == (
        "A stack image takes names of Debian packages\n\n"
        "- --package: '--purge'\n"
        "- --package: 'a;b'\n"
        "- --package: 'tidy-'\n"
        f"- {aptfile}:2: ':repo:deb'\n"
        f"- {aptfile}:3: 'https://example.com/x.deb'\n"
        f"- {aptfile}:4: 'libpq5=15.1'\n\n"
        "URLs, files, repositories and versions, which Aptfiles may hold too, are\n"
        "for apt buildpacks alone."
    )


def test_an_aptfile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "none", "No such file."), (tmp_path, "It is a directory.")):
        with pytest.raises(AptfileUnreadableError) as caught:
            extra_packages([], path)
        assert caught.value.exit_code is ExitCode.NO_INPUT
        assert caught.value.text() == f"{path} cannot be read\n\n{found}"
