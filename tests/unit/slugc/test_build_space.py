"""One app's build directories: fresh each time, locked, and never deleted while somebody waits."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from buildpack.support.deletion import remove_tree
from slugc import build_space
from slugc.build_space import (
    BuildSpace,
    BuildSpaceError,
    drop_cache,
    opened_space,
    space_name,
    temporary_space,
)
from slugc.privileges import hand_over, in_dropped_child, run_identity
from tests.waiting import until


def silent(_line: str) -> None: ...


def wait_until_reaped(root: Path) -> None:
    until(lambda: not list(root.glob("trash-*")))


def test_directories_are_made_for_the_user_builds_run_as(tmp_path: Path) -> None:
    with opened_space(tmp_path / "space", keep_cache=True, waiting=silent) as space:
        places = (space.work_dir, space.build_dir, space.cache_dir, space.env_dir)
        assert {place.stat().st_uid for place in places} == {run_identity().uid}
        assert space.env_dir.stat().st_mode & 0o777 == 0o700
        assert list(space.build_dir.iterdir()) == []


def test_cache_and_tree_outlive_a_build_that_succeeded(tmp_path: Path) -> None:
    root = tmp_path / "space"
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        for directory in (space.build_dir, space.cache_dir, space.env_dir):
            (directory / "x").write_text("x")
    wait_until_reaped(root)

    left = sorted(path.name for path in root.iterdir())
    assert [name.partition("-")[0] for name in left] == [
        *("buildpacks", "empty", "lock", "work"),
    ]
    assert sorted(path.name for path in (root / "work").iterdir()) == ["cache", "previous"]
    assert (root / "work" / "cache" / "x").read_text() == "x"
    assert (root / "work" / "previous" / "x").read_text() == "x"


@pytest.mark.parametrize("name", ["cache", "previous"])
@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
def test_what_a_build_put_in_the_place_of_what_lasts_goes(
    tmp_path: Path, name: str, kind: str
) -> None:
    root, elsewhere = tmp_path / "space", tmp_path / "elsewhere"
    elsewhere.mkdir()
    make = {"link": lambda p: p.symlink_to(elsewhere), "file": Path.touch, "fifo": os.mkfifo}
    for _ in range(2):
        with opened_space(root, keep_cache=True, waiting=silent) as space:
            place = space.work_dir / name
            if place.is_dir():
                remove_tree(place)
            make[kind](place)
            (space.build_dir / "x").touch()

    with opened_space(root, keep_cache=True, waiting=silent) as space:
        assert not space.cache_dir.is_symlink()
        assert list(space.cache_dir.iterdir()) == []
        assert [path.name for path in space.previous_dir.iterdir()] == ["x"]
    assert not list(elsewhere.iterdir())


def test_a_tmp_that_a_build_closed_is_opened_again(tmp_path: Path) -> None:
    root = tmp_path / "space"
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        (space.cache_dir / "x").touch()
        space.work_dir.chmod(0)

    with opened_space(root, keep_cache=True, waiting=silent) as space:
        assert space.work_dir.stat().st_mode & 0o777 == 0o755
        assert (space.cache_dir / "x").exists()


def fail_once(root: Path) -> None:
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        (space.build_dir / "failed").touch()
        raise ValueError("phase")


def test_the_previous_tree_is_that_of_the_last_build_that_succeeded(tmp_path: Path) -> None:
    root = tmp_path / "space"
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        (space.build_dir / "first").touch()
    with pytest.raises(ValueError, match="phase"):
        fail_once(root)
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        assert [path.name for path in space.previous_dir.iterdir()] == ["first"]
        assert list(space.build_dir.iterdir()) == []
        (space.build_dir / "second").touch()
    wait_until_reaped(root)

    assert [path.name for path in (root / "work" / "previous").iterdir()] == ["second"]


def test_without_a_cache_nothing_outlives_a_build(tmp_path: Path) -> None:
    root = tmp_path / "space"
    with opened_space(root, keep_cache=False, waiting=silent) as space:
        (space.cache_dir / "x").touch()
    wait_until_reaped(root)

    assert list((root / "work").iterdir()) == []


def test_what_a_killed_build_left_is_swept(tmp_path: Path) -> None:
    root = tmp_path / "space"
    space = BuildSpace(root=root)
    (space.build_dir / "old").mkdir(parents=True)
    (root / "trash-1-dead" / "env").mkdir(parents=True)
    (root / "trash-1-dead" / "closed").mkdir(mode=0)

    with opened_space(root, keep_cache=True, waiting=silent):
        assert list(space.build_dir.iterdir()) == []
    wait_until_reaped(root)


def build_once(root: Path) -> None:
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        (space.build_dir / "pkg").mkdir()
        (space.build_dir / "pkg" / "x.py").write_text("x")
        (space.build_dir / "link").symlink_to("pkg")
    wait_until_reaped(root)


def test_a_builds_files_are_deleted_at_once_and_its_directories_later(tmp_path: Path) -> None:
    build_once(tmp_path / "space")
    build_once(tmp_path / "space")

    *_, empty = sorted((tmp_path / "space").glob("empty-*"), key=lambda path: path.stat().st_mtime)
    assert [path for path in empty.rglob("*") if path.is_symlink() or not path.is_dir()] == []
    assert (empty / "previous" / "pkg").is_dir()


def wait_for_empties(root: Path, count: int) -> None:
    until(lambda: len(list(root.glob("empty-*"))) == count)


def test_emptied_directories_go_when_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_space, "EMPTY_KEPT", 2)
    build_once(tmp_path)
    build_once(tmp_path)
    wait_for_empties(tmp_path, 2)
    build_once(tmp_path)
    wait_for_empties(tmp_path, 1)


def test_emptied_directories_go_when_one_is_old(tmp_path: Path) -> None:
    build_once(tmp_path)
    (empty,) = tmp_path.glob("empty-*")
    os.utime(empty, (1, 1))
    build_once(tmp_path)
    wait_for_empties(tmp_path, 1)
    assert not empty.exists()


def test_config_vars_are_gone_when_the_build_ends_not_when_the_sweep_does(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    with opened_space(tmp_path / "space", keep_cache=True, waiting=silent) as space:
        (space.env_dir / "TOKEN").write_text("secret")

    assert not list((tmp_path / "space").glob("trash-*/env"))

    with opened_space(tmp_path / "space", keep_cache=True, waiting=silent) as space:
        space.env_dir.rename(space.work_dir / "elsewhere")
        space.env_dir.symlink_to(victim)

    assert (victim / "precious").exists()


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(BuildSpaceError) as caught,
        opened_space(tmp_path / "file" / "x", keep_cache=True, waiting=silent),
    ):
        pass

    assert caught.value.exit_code == 73
    assert caught.value.brief == f"Slugkit cannot build in {tmp_path}/file/x"
    assert caught.value.resolution == (
        "Make it writable and give it room, or choose another place with\n"
        "--cache-dir or SLUGKIT_HOME."
    )


def test_a_space_is_named_after_the_app_and_its_place() -> None:
    one = space_name("polls", "/srv/polls")

    assert one == space_name("polls", "/srv/polls")
    assert one != space_name("polls", "/home/polls")
    assert one.startswith("polls-")
    assert len(one) == len("polls-") + 8
    assert space_name("x", os.fsdecode(b"/\xff"))


def test_only_the_work_directory_is_the_builds(tmp_path: Path) -> None:
    """Who owns the directory above could put links where root works in it."""
    with opened_space(tmp_path / "space", keep_cache=True, waiting=silent) as space:
        assert space.root.stat().st_uid == os.getuid()
        assert (space.root / "lock").stat().st_uid == os.getuid()


def test_what_a_build_leaves_in_its_tmp_ends_with_it_whatever_its_names(tmp_path: Path) -> None:
    root = tmp_path / "space"
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        for name in ("home", "scratch", "1", "x" * 255):
            (space.work_dir / name).mkdir()
            (space.work_dir / name / "file").touch()
    wait_until_reaped(root)

    assert sorted(path.name for path in (root / "work").iterdir()) == ["cache", "previous"]


def test_a_temporary_space_is_gone_afterwards(tmp_path: Path) -> None:
    with temporary_space(tmp_path) as space:
        assert space.build_dir.is_dir()
    assert not space.root.exists()


def test_a_dropped_cache_is_set_aside_whole(tmp_path: Path) -> None:
    with opened_space(tmp_path, keep_cache=True, waiting=silent) as space:
        (space.cache_dir / "kept").touch()
        space.previous_dir.mkdir()

        drop_cache(space)

        assert list(space.cache_dir.iterdir()) == []
        assert not space.previous_dir.exists()
        assert space.cache_dir.stat().st_uid == run_identity().uid


def test_notes_that_a_killed_build_had_begun_go(tmp_path: Path) -> None:
    root = tmp_path / "space"
    (root / "seals").mkdir(parents=True)
    (root / "seals" / ".app.77.abcd.tmp").write_text("half")
    (root / "seals" / "app").write_text("whole")
    with opened_space(root, keep_cache=True, waiting=silent) as space:
        assert [path.name for path in space.seals_dir.iterdir()] == ["app"]


def test_without_room_for_a_trash_directory_is_deleted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets and room must not wait until there is an inode left."""
    root, made = tmp_path / "space", Path.mkdir

    def refuse(path: Path, *given: int, **options: bool) -> None:
        if path.name.startswith("trash-"):
            raise OSError(errno.ENOSPC, "No space left on device")
        made(path, *given, **options)  # type: ignore[arg-type]  # as they were given

    with opened_space(root, keep_cache=True, waiting=silent) as space:
        (space.env_dir / "SECRET").write_text("x")
        (space.build_dir / "app.py").write_text("x")
        monkeypatch.setattr(Path, "mkdir", refuse)
    assert not space.env_dir.exists()
    assert (space.previous_dir / "app.py").exists()


@pytest.mark.parametrize("mode", [0, 0o555])
def test_directories_that_a_build_closed_are_in_nobodys_way(open_dir: Path, mode: int) -> None:
    """To move one its owner must be able to write to it. Root need not, so a user tries."""
    hand_over(open_dir)

    def build_twice() -> list[str]:
        seen = []
        for _ in range(2):
            with opened_space(open_dir / "space", keep_cache=True, waiting=silent) as space:
                seen += [path.name for path in space.build_dir.iterdir()]
                for place in (space.home_dir, space.buildpacks_dir, space.work_dir / "own"):
                    place.mkdir(exist_ok=True)
                    place.chmod(mode)
        return seen

    assert in_dropped_child(build_twice) == []
