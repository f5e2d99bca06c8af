"""What keeps a buildpack's programs from being started: the file and the reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slugc.buildpacks.check import check_programs, program_problem
from slugc.buildpacks.errors import BuildpackBrokenError
from slugc.buildpacks.fetch import fetch_buildpack
from tests.unit.slugc.buildpacks.test_fetch import fetch, make

PATH = "/usr/bin:/bin"


def problem(tmp_path: Path, first: bytes, *, mode: int = 0o755, path: str | None = PATH) -> str:
    pack = make(tmp_path / "pack")
    program = pack / "bin" / "detect"
    program.write_bytes(first)
    program.chmod(mode)
    return program_problem(pack, "detect", path)


@pytest.mark.parametrize(
    ("first", "what"),
    [
        (b"#!/usr/bin/env ruby-9.9\n", "asks for 'ruby-9.9', which is not here"),
        (b"#!/usr/bin/env -S no-such-awk -f\n", "asks for 'no-such-awk', which is not here"),
        (b"#!/usr/bin/env A=1 no-such\n", "asks for 'no-such', which is not here"),
        (b"#!/opt/nothing/bin/python\n", "asks for '/opt/nothing/bin/python', which is not here"),
        (b"#!\n", "asks for '#!', which is not here"),
        (b"#!/bin/sh\r\n", "has Windows line ends (#!/bin/sh\\r): dos2unix bin/detect"),
        (b"#! /bin/bash -e\r\n", "has Windows line ends (#! /bin/bash -e\\r): dos2unix bin/detect"),
        (b"echo hello\n", "does not begin with '#!' and an interpreter"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "does not begin with '#!' and an interpreter"),
        (b"", "does not begin with '#!' and an interpreter"),
    ],
)
def test_a_first_line_that_starts_nothing(tmp_path: Path, first: bytes, what: str) -> None:
    assert problem(tmp_path, first) == f"bin/detect {what}"


@pytest.mark.parametrize(
    "first",
    [
        b"#!/bin/sh\n",
        b"#! /bin/sh -e\n",
        b"#!/usr/bin/env bash\n",
        b"#!/usr/bin/env -S sh -e\n",
        b"#!/usr/bin/env FOO=1 sh\n",
        b"\x7fELF\x02\x01",
        b"#!/bin/sh",
    ],
)
def test_a_first_line_that_starts_something(tmp_path: Path, first: bytes) -> None:
    assert problem(tmp_path, first) == ""


def test_a_container_has_its_own_interpreters(tmp_path: Path) -> None:
    assert problem(tmp_path, b"#!/usr/bin/env ruby-9.9\n", path=None) == ""


def test_programs_that_are_no_programs(tmp_path: Path) -> None:
    pack = make(tmp_path / "pack")
    for name in ("detect", "compile"):
        (pack / "bin" / name).unlink()
    (pack / "bin" / "detect").mkdir()
    (pack / "bin" / "compile").symlink_to("nowhere")
    os.mkfifo(pack / "bin" / "release")

    with pytest.raises(BuildpackBrokenError) as caught:
        check_programs(pack, "pack", path=PATH)

    assert caught.value.problems == (
        "bin/detect is not a file",
        "bin/compile is missing",
        "bin/release is not a file",
    )
    assert caught.value.exit_code == 65


def test_a_fifo_in_a_buildpack_is_named_and_not_waited_for(tmp_path: Path) -> None:
    pack = make(tmp_path / "pack")
    os.mkfifo(pack / "pipe")

    with pytest.raises(BuildpackBrokenError) as caught:
        fetch(pack, tmp_path / "store")

    assert caught.value.problems == ("pipe: not a regular file",)


def test_a_buildpack_of_absurd_size_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = make(tmp_path / "pack")
    with (pack / "big").open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(BuildpackBrokenError) as caught:
        fetch(pack, tmp_path / "store")
    assert caught.value.problems == ("big: with this file it is larger than 1,024 MiB",)

    (pack / "big").unlink()
    monkeypatch.setattr("slugc.buildpacks.fetch.MAX_FILES", 3)
    for number in range(4):
        (pack / f"{number}").touch()
    with pytest.raises(BuildpackBrokenError) as caught:
        fetch(pack, tmp_path / "store")
    assert caught.value.problems == ("it holds more than 3 files",)
    assert not (tmp_path / "store").exists()


def test_the_name_in_the_error_is_the_one_that_was_typed(tmp_path: Path) -> None:
    from slugc.buildpacks.spec import parse_spec

    (tmp_path / "empty").mkdir()
    spec = parse_spec("empty", cwd=tmp_path)

    with pytest.raises(BuildpackBrokenError) as caught:
        fetch_buildpack(spec, store=tmp_path, scratch=tmp_path / "s", env={}, path=PATH)

    assert caught.value.text() == (
        "The buildpack empty cannot be started\n\n"
        "- bin/detect is missing\n- bin/compile is missing\n\n"
        "A buildpack is a directory with the programs bin/detect and\n"
        "bin/compile, and mostly bin/release."
    )
