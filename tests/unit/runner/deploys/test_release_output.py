"""What a release command wrote: all of little, the beginning and the end of much."""

from __future__ import annotations

import stat
from pathlib import Path

from runner.deploys.release_output import HEAD, KEPT, TAIL, ReleaseOutput, output_file


def test_little_is_kept_as_it_came_and_is_nobody_elses(tmp_path: Path) -> None:
    output = ReleaseOutput(output_file(tmp_path, 7))
    output.begin()
    output.add(b"\x00\xff one\r")
    output.note("the end")
    assert output.path.read_bytes() == b"\x00\xff one\r[slug-run: the end]\n"
    assert output.path == tmp_path / "release-output" / "v7"
    assert stat.S_IMODE(output.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(output.path.parent.stat().st_mode) == 0o700


def test_of_much_the_beginning_and_the_end_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    output = ReleaseOutput(output_file(tmp_path, 1))
    output.begin()
    total = 0
    for number in range(120):
        chunk = f"{number:>10}".encode() * 6000
        output.add(chunk)
        total += len(chunk)
        assert output.path.stat().st_size <= 2 * (HEAD + TAIL) + len(chunk)
    content = output.path.read_bytes()
    head, rest = content.split(b"\n[slug-run: ", 1)
    count, tail = rest.split(b" bytes left out here]\n", 1)
    assert len(head) == HEAD
    assert head.startswith(b"         0")
    assert tail.endswith(b"       119")
    assert len(head) + int(count) + len(tail) == total
    assert sorted(path.name for path in output.path.parent.iterdir()) == ["v1"]


def test_without_room_nothing_is_raised_and_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "release-output").write_text("a file")
    output = ReleaseOutput(output_file(tmp_path, 1))
    output.begin()
    output.add(b"x")
    assert output.lost == "Not a directory"


def test_of_many_releases_the_output_of_the_newest_is_kept(tmp_path: Path) -> None:
    for version in range(1, KEPT + 4):
        ReleaseOutput(output_file(tmp_path, version)).begin()
    left = {path.name for path in (tmp_path / "release-output").iterdir()}
    assert left == {f"v{version}" for version in range(4, KEPT + 4)}
