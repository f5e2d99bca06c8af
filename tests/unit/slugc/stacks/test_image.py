"""How a stack image is put together, decided without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.command import Command, CommandFailedError
from buildpack.support.errors import ExitCode
from slugc.stacks.apt_sources import AptSources
from slugc.stacks.bootstrap import bootstrap_command
from slugc.stacks.image import build_stack_image, write_stack_archive
from slugc.stacks.recipes import (
    FINISH_SCRIPT,
    StackImageError,
    UnknownStackError,
    stack_recipe,
)
from slugc.transfer.outputs import TargetNotWrittenError

RECIPE = stack_recipe("debian-12")
NONE = AptSources(lines=(), stanzas=())


def test_the_bootstrap_command_in_full(tmp_path: Path) -> None:
    sources = AptSources(lines=("deb http://a bookworm main",), stanzas=("Types: deb\n", "x: y\n"))
    step = bootstrap_command(RECIPE, sources, tmp_path / "root.tar", {"http_proxy": "http://p"})
    assert step.argv == (
        "mmdebstrap",
        "--variant=essential",
        f"--include={','.join(RECIPE.packages)}",
        '--aptopt=APT::Cmd::Pattern-Only "true"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/info/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        '--customize-hook=rm -rf "$1"/etc/apt/sources.list*',
        '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        f"--customize-hook={FINISH_SCRIPT}",
        "bookworm",
        str(tmp_path / "root.tar"),
        "deb http://a bookworm main",
        str(tmp_path / "machine.sources"),
    )
    assert (tmp_path / "machine.sources").read_text() == "Types: deb\n\nx: y\n"
    assert step.shown == "mmdebstrap bookworm"


def test_the_environment_is_whole_and_explicit(tmp_path: Path) -> None:
    env = {"PATH": "/bin", "http_proxy": "http://p", "SECRET": "s", "LC_ALL": "de_DE"}
    step = bootstrap_command(RECIPE, NONE, tmp_path / "root.tar", env)
    assert step.env == {
        "PATH": "/bin",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": "1735689600",
        "http_proxy": "http://p",
    }


def test_the_time_of_the_files_can_be_chosen(tmp_path: Path) -> None:
    env = {"SOURCE_DATE_EPOCH": "86400"}
    step = bootstrap_command(RECIPE, NONE, tmp_path / "root.tar", env)
    assert step.env["SOURCE_DATE_EPOCH"] == "86400"


def test_the_root_file_system_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Without an engine; what mmdebstrap half wrote is in nobody's way."""

    def make(step: Command, _notify: object) -> None:
        Path(step.argv[step.argv.index("bookworm") + 1]).write_bytes(b"root")

    def fail(step: Command, _notify: object) -> None:
        make(step, _notify)
        raise CommandFailedError(step, 25, ["E: no mirror"])

    output = tmp_path / "stack.tar"
    with pytest.raises(CommandFailedError):
        write_stack_archive("slugkit-stack:debian-12", output, stream=fail)
    assert not output.exists()
    write_stack_archive("slugkit-stack:debian-12", output, stream=make)
    assert output.read_bytes() == b"root"
    assert [path.name for path in tmp_path.iterdir()] == ["stack.tar"]


def test_an_output_that_cannot_be_is_told_before_a_minute_of_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output in (tmp_path, tmp_path / "file" / "stack.tar"):
        with pytest.raises(TargetNotWrittenError):
            write_stack_archive("slugkit-stack:debian-12", output, stream=never)


def never(step: Command, _notify: object) -> None:
    raise AssertionError(f"{step.shown} was started")


def test_an_unknown_tag_is_refused_before_docker_is_asked() -> None:
    with pytest.raises(UnknownStackError):
        build_stack_image("slugkit-stack:nothing")


def test_an_image_that_cannot_be_made_says_why_and_what_else_to_try() -> None:
    error = StackImageError(RECIPE, "no such host", resolution="Try --method mmdebstrap")
    assert error.exit_code == ExitCode.CANNOT_CREATE
    assert error.text() == (
        "The stack image slugkit-stack:debian-12 could not be made\n\n"
        "no such host\n\nTry --method mmdebstrap"
    )
