"""What the programs of a buildpack are given, and how their answers are read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, Self

import pytest

from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError
from buildpack.support.values import changed
from slugc.build_space import BuildSpace
from slugc.buildpacks.errors import (
    NotDetectedError,
    PhaseFailedError,
    PhaseTimeoutError,
)
from slugc.buildpacks.phases import Phases
from slugc.sandbox.base import HOME, SandboxCommand, SandboxKind
from slugc.stack import Stack

WORK = PurePosixPath("/tmp")


@dataclass
class FakeSandbox:
    """Records what it is asked to run, and answers as told."""

    kind: ClassVar[SandboxKind] = SandboxKind.NONE
    side_by_side: ClassVar[bool] = True
    answer: str = ""
    errors: tuple[str, ...] = ()
    failure: Exception | None = None
    commands: list[SandboxCommand] = field(default_factory=list)
    work_dir: PurePosixPath = WORK
    home: PurePosixPath = HOME
    path: str = "/bin"
    network: str = ""
    notices: tuple[str, ...] = ()

    def stack(self) -> Stack:
        return Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64")

    def begin(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def expect(self, phases: int) -> None: ...

    def stream(self, command: SandboxCommand, on_line: Callable[[str], None]) -> None:
        on_line(self.capture(command, on_line))

    def capture(self, command: SandboxCommand, on_error_line: Callable[[str], None]) -> str:
        self.commands.append(command)
        for line in self.errors:
            on_error_line(line)
        if self.failure:
            raise self.failure
        return self.answer


def failed(code: int, *lines: str) -> CommandFailedError:
    return CommandFailedError(Command(argv=("x",), cwd=Path("/"), env={}), code, lines)


def phases(sandbox: FakeSandbox, tmp_path: Path, *, position: int = 0) -> Phases:
    for number in range(position + 1):
        program = tmp_path / "work" / "buildpacks" / str(number) / "bin" / "release"
        program.parent.mkdir(parents=True)
        program.touch()
    return Phases(
        sandbox=sandbox,
        space=BuildSpace(root=tmp_path),
        env={"PATH": "/bin"},
        position=position,
        earlier=tuple(range(position)),
        label="pack",
        deadline=time.monotonic() + 100,
        limit=100,
        detect_limit=60,
    )


def ignore(_line: str) -> None: ...


def test_compile_gets_the_three_directories(tmp_path: Path) -> None:
    sandbox = FakeSandbox()

    phases(sandbox, tmp_path).compile(ignore)

    (command,) = sandbox.commands
    assert command.argv == (
        "/tmp/buildpacks/0/bin/compile",
        "/tmp/build_5106c0de",
        "/tmp/cache",
        "/tmp/env",
    )
    assert command.cwd == PurePosixPath("/tmp/build_5106c0de")
    assert command.timeout is not None
    assert 99 < command.timeout <= 100


def test_detect_gives_the_name_and_passes_notes_on(tmp_path: Path) -> None:
    notes: list[str] = []
    sandbox = FakeSandbox(answer="Python\n", errors=("a note",))

    assert phases(sandbox, tmp_path).detect(notes.append) == "Python"
    assert notes == ["a note"]
    assert sandbox.commands[0].timeout == 60


def test_a_detect_that_says_nothing_is_named_after_its_buildpack(tmp_path: Path) -> None:
    assert phases(FakeSandbox(answer="\n"), tmp_path).detect(ignore) == "pack"


@pytest.mark.parametrize("code", [1, 100])
def test_detect_says_no_with_its_reasons_unmarked(tmp_path: Path, code: int) -> None:
    said = ("", " !     Error: no tiny.toml", " !", " !     Add one.", "")
    sandbox = FakeSandbox(errors=said, failure=failed(code))

    with pytest.raises(NotDetectedError) as caught:
        phases(sandbox, tmp_path).detect(ignore)

    assert caught.value.said == ("no tiny.toml", "", "Add one.")


def test_a_detect_killed_by_a_signal_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(PhaseFailedError) as caught:
        phases(FakeSandbox(failure=failed(-9, "last")), tmp_path).detect(ignore)

    assert caught.value.text() == (
        "bin/detect of the buildpack pack was ended by signal 9\n\nlast\n\n"
        "The reason stands above, in the buildpack's own words."
    )


def test_a_detect_that_hangs_runs_into_its_own_limit(tmp_path: Path) -> None:
    timeout = CommandTimeoutError(Command(argv=("x",), cwd=Path("/"), env={}, timeout=60))

    with pytest.raises(PhaseTimeoutError) as caught:
        phases(FakeSandbox(failure=timeout), tmp_path).detect(ignore)

    assert (caught.value.exit_code, caught.value.limit) == (124, 60)
    assert caught.value.resolution == "Give it more time with --detect-timeout SECONDS."


def test_detect_has_a_limit_of_its_own(tmp_path: Path) -> None:
    sandbox = FakeSandbox(answer="x")

    changed(phases(sandbox, tmp_path), detect_limit=1.5).detect(ignore)

    assert sandbox.commands[0].timeout == 1.5


def test_exports_of_earlier_buildpacks_are_sourced_first(tmp_path: Path) -> None:
    sandbox = FakeSandbox()
    third = phases(sandbox, tmp_path, position=2)
    (tmp_path / "work" / "buildpacks" / "1" / "export").touch()

    third.compile(ignore)

    argv = sandbox.commands[0].argv
    assert argv[0] == "bash"
    assert argv[3:7] == (
        "slugc",
        "/tmp/buildpacks/1/export",
        "--",
        "/tmp/buildpacks/2/bin/compile",
    )


def test_a_program_nobody_may_look_for_is_started_and_tells_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = phases(FakeSandbox(failure=failed(1, "Permission denied")), tmp_path)

    def closed(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(PhaseFailedError) as caught:
        asked.release(ignore)
    assert "Permission denied" in caught.value.text()


def test_without_bin_release_there_are_no_defaults(tmp_path: Path) -> None:
    first = phases(FakeSandbox(), tmp_path)
    (tmp_path / "work/buildpacks/0/bin/release").unlink()

    assert first.release(ignore).default_process_types == {}


@pytest.mark.parametrize("printed", ["- not: json", "[1]", ""])
def test_a_report_that_is_no_json_object_is_passed_over(tmp_path: Path, printed: str) -> None:
    first = phases(FakeSandbox(answer=printed), tmp_path)
    (tmp_path / "work/buildpacks/0/bin/report").touch()

    assert first.report() == {}


def test_add_ons_are_told_and_not_provided(tmp_path: Path) -> None:
    lines: list[str] = []
    sandbox = FakeSandbox(answer="addons:\n- heroku-postgresql\n- redis:mini\n")

    phases(sandbox, tmp_path).release(lines.append)

    assert lines == [
        "       bin/release asks for add-ons, which nobody provides here: "
        "heroku-postgresql, redis:mini"
    ]


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("\n\x1b[1mBash\x1b[0m app\nsecond\n", "Bash app"),
        ("a\x07b\x00c", "abc"),
        ("x" * 5000, "x" * 100),
        ("\ufffd\ufffd \r\n", "\ufffd\ufffd"),
    ],
)
def test_what_detect_prints_is_a_bounded_harmless_name(
    tmp_path: Path, printed: str, name: str
) -> None:
    assert phases(FakeSandbox(answer=printed), tmp_path).detect(ignore) == name
