"""A build gets a copy of its buildpack as it came, and the last build's only if that is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slugc.buildpacks.copies import copy_buildpack, provide_copy
from slugc.buildpacks.fetch import Buildpack
from slugc.privileges import run_identity


@pytest.fixture
def buildpack(tmp_path: Path) -> Buildpack:
    root = tmp_path / "kept"
    for name in ("bin/detect", "bin/compile", "lib/deep/tool"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("#!/bin/sh\n")
        (root / name).chmod(0o755)
    (root / "link").symlink_to("bin/detect")
    return Buildpack(root=root, source="pack", version="", digest="sha256:one")


class Builds:
    """Builds that follow each other, each in the copy it is given."""

    def __init__(self, directory: Path, buildpack: Buildpack) -> None:
        self.buildpack = buildpack
        self.target = directory / "work" / "0"
        self.last = directory / "last" / "0"
        self.note = directory / "seals" / "buildpack-0"
        for path in (self.target, self.last):
            path.parent.mkdir(mode=0o755)

    def next(self) -> int:
        """The inode of the next build's copy."""
        if self.target.exists():
            self.target.rename(self.last)
        provide_copy(self.buildpack, self.target, last=self.last, note=self.note)
        return self.target.stat().st_ino


@pytest.fixture
def builds(tmp_path: Path, buildpack: Buildpack) -> Builds:
    return Builds(tmp_path, buildpack)


def test_a_copy_is_the_builds_own_to_write_to(tmp_path: Path, buildpack: Buildpack) -> None:
    copy_buildpack(buildpack, tmp_path / "copy")

    copied = tmp_path / "copy" / "bin" / "compile"
    assert copied.stat().st_uid == (tmp_path / "copy").stat().st_uid == run_identity().uid
    assert copied.stat().st_mode & 0o777 == 0o755
    assert copied.stat().st_ino != (buildpack.root / "bin" / "compile").stat().st_ino
    assert (tmp_path / "copy" / "link").readlink() == Path("bin/detect")


def test_a_copy_that_nobody_wrote_to_serves_the_next_build_too(builds: Builds) -> None:
    first = builds.next()

    assert builds.next() == first
    assert builds.next() == first
    assert (builds.target / "lib" / "deep" / "tool").read_text() == "#!/bin/sh\n"


def test_what_a_buildpack_exports_is_gone_before_the_next_build(builds: Builds) -> None:
    first = builds.next()
    (builds.target / "export").write_text("export A=1\n")

    assert builds.next() == first
    assert not (builds.target / "export").exists()


def overwrite(copy: Path) -> None:
    with (copy / "bin" / "detect").open("r+") as file:
        file.write("#!/bin/no")
    os.utime(copy / "bin" / "detect", (1, 1))


def replace(copy: Path) -> None:
    (copy / "lib" / "deep" / "tool").unlink()
    (copy / "lib" / "deep" / "tool").write_text("#!/bin/sh\n")


def make_export_a_directory(copy: Path) -> None:
    (copy / "export").mkdir()


def put_a_link_in_its_place(copy: Path) -> None:
    copy.rename(copy.parent / "elsewhere")
    copy.symlink_to(copy.parent / "elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        overwrite,
        replace,
        make_export_a_directory,
        lambda copy: (copy / "new").touch(),
        lambda copy: (copy / "lib" / "new").touch(),
        lambda copy: (copy / "lib" / "deep" / "tool").unlink(),
        lambda copy: (copy / "bin").chmod(0o777),
        lambda copy: copy.chmod(0o777),
    ],
)
def test_a_copy_that_was_written_to_is_made_anew(
    builds: Builds, change: Callable[[Path], None]
) -> None:
    first = builds.next()
    change(builds.target)

    assert builds.next() != first
    expected = {
        path.relative_to(builds.buildpack.root) for path in builds.buildpack.root.rglob("*")
    }
    assert {path.relative_to(builds.target) for path in builds.target.rglob("*")} == expected
    assert (builds.target / "bin" / "detect").read_text() == "#!/bin/sh\n"


def test_a_link_in_a_copys_place_is_not_followed(builds: Builds) -> None:
    builds.next()
    put_a_link_in_its_place(builds.target)

    builds.next()

    assert not builds.target.is_symlink()


def test_a_link_in_the_place_of_all_copies_is_not_followed(builds: Builds, tmp_path: Path) -> None:
    first = builds.next()
    builds.target.rename(builds.last)
    builds.last.parent.rename(tmp_path / "elsewhere")
    builds.last.parent.symlink_to(tmp_path / "elsewhere")

    assert builds.next() != first
    assert (tmp_path / "elsewhere" / "0").is_dir()


def test_another_version_of_the_buildpack_is_copied(builds: Builds) -> None:
    first = builds.next()
    pack = builds.buildpack
    builds.buildpack = Buildpack(
        root=pack.root, source=pack.source, version="", digest="sha256:two"
    )

    assert builds.next() != first
