"""Standard output that has no room, no reader or no right: a code and words, in both programs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = """
 !     Error: Standard output could not be written: {found}
 !
 !     Only the answer is missing: what was asked for may have been done. Make
 !     room where the output goes, or send it elsewhere, then ask again.

"""
FULL, READ_ONLY = "No space left on device", "Bad file descriptor"
ANSWERED = [("slug-run", "--help"), ("slug-run", "run", "--help"), ("slug-run", "--version"),
            ("slugc", "--help"), ("slugc", "build", "--help"), ("slugc", "list")]  # fmt: skip
FAILED = [(("slug-run", "config", "--json"), 64), (("slugc", "inspect", "no.slug", "--json"), 66)]
each_way = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@contextlib.contextmanager
def output(kind: str) -> Iterator[int]:
    """Where nothing can be written to."""
    if kind == "unread":
        reader, descriptor = os.pipe()
        os.close(reader)
    elif kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def answer(
    words: tuple[str, ...], kind: str, home: Path, unbuffered: str, *, both: bool = False
) -> tuple[int, str]:
    """The exit code and what stands on standard error; ``both``: that goes there as well."""
    program, *given = words
    module = {"slugc": "slugc.main", "slug-run": "runner.main"}[program]
    with output(kind) as target:
        done = subprocess.run(
            (sys.executable, "-m", module, *given),
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "SLUGKIT_HOME": str(home),
                 "PYTHONUNBUFFERED": unbuffered},
            cwd=home, stdin=subprocess.DEVNULL, stdout=target, check=False, text=True, timeout=60,
            stderr=target if both else subprocess.PIPE,
        )  # fmt: skip
    return done.returncode, done.stderr or ""


@each_way
@pytest.mark.parametrize("words", ANSWERED, ids=" ".join)
def test_an_answer_that_cannot_be_written_is_told(
    words: tuple[str, ...], unbuffered: str, tmp_path: Path
) -> None:
    assert answer(words, "full", tmp_path, unbuffered) == (73, WORDS.format(found=FULL))
    assert answer(words, "unread", tmp_path, unbuffered) == (141, "")


@each_way
@pytest.mark.parametrize(("words", "code"), FAILED)
def test_a_mistake_keeps_its_code_where_its_json_cannot_be_written(
    words: tuple[str, ...], code: int, unbuffered: str, tmp_path: Path
) -> None:
    found, said = answer(words, "full", tmp_path, unbuffered)
    assert found == code
    assert said.endswith(WORDS.format(found=FULL))
    found, said = answer(words, "unread", tmp_path, unbuffered)
    assert found == code
    assert "Traceback" not in said


@each_way
@pytest.mark.parametrize("program", ["slug-run", "slugc"])
def test_output_that_is_open_for_reading_alone_is_told(
    program: str, unbuffered: str, tmp_path: Path
) -> None:
    ended = answer((program, "--help"), "read only", tmp_path, unbuffered)
    assert ended == (74, WORDS.format(found=READ_ONLY))


@each_way
@pytest.mark.parametrize("program", ["slug-run", "slugc"])
def test_where_nothing_at_all_can_be_said_the_exit_code_does(
    program: str, unbuffered: str, tmp_path: Path
) -> None:
    assert answer((program, "--help"), "full", tmp_path, unbuffered, both=True)[0] == 73
    assert answer((program, "--what"), "full", tmp_path, unbuffered, both=True)[0] == 73
