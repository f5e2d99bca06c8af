"""Which machine a slug runs on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.stack import (
    Stack,
    StackMismatchError,
    parse_os_release,
    read_host_stack,
    require_stack,
)
from tests.unit.slugc.trees import STACK

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n# x=y\n'


def read(tmp_path: Path, text: str) -> Stack:
    (tmp_path / "os-release").write_text(text)
    return read_host_stack((tmp_path / "missing", tmp_path / "os-release"))


def test_stack_of_a_debian_machine(tmp_path: Path) -> None:
    found = read(tmp_path, DEBIAN)
    assert (found.id, found.distribution, found.arch) == (
        "debian-12",
        "debian",
        os.uname().machine,
    )
    libc = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    assert found.glibc == libc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=debian\nVERSION_CODENAME=sid\n", "debian-sid"),
        ("ID=arch\nBUILD_ID=rolling\n", "arch-rolling"),
        ("ID='ubuntu'\nVERSION_ID=\"24.04\"\n", "ubuntu-24.04"),
        ("", "linux-rolling"),
    ],
)
def test_stack_id_of_other_distributions(tmp_path: Path, text: str, expected: str) -> None:
    assert read(tmp_path, text).id == expected


def test_os_release_with_an_unclosed_quote_is_still_read() -> None:
    assert parse_os_release('ID=debian\nNAME="half\n')["ID"] == "debian"


def test_slug_runs_on_its_own_stack_and_a_newer_glibc() -> None:
    assert STACK.runs_on(STACK)
    assert STACK.runs_on(replace(STACK, glibc="2.41"))
    assert replace(STACK, glibc="").runs_on(replace(STACK, glibc=""))


def test_glibc_numbers_are_not_compared_as_text() -> None:
    assert not replace(STACK, glibc="2.36").runs_on(replace(STACK, glibc="2.4"))
    assert replace(STACK, glibc="2.9").runs_on(replace(STACK, glibc="2.36"))


def test_mismatch_names_everything_that_differs() -> None:
    host = Stack(id="ubuntu-22.04", distribution="ubuntu", glibc="2.35", arch="aarch64")
    with pytest.raises(StackMismatchError) as caught:
        require_stack(STACK, host=host, slug="polls.slug")
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text() == (
        "The slug polls.slug was built for another stack\n\n"
        "architecture: the slug needs x86_64, this is aarch64\n"
        "stack: the slug needs debian-12, this is ubuntu-22.04\n"
        "glibc: the slug needs 2.36 or newer, this has 2.35\n\n"
        "Build the app again on this machine, or run the slug where its stack is:\n"
        "on a debian-12 x86_64 machine."
    )


def test_mismatch_offers_docker_where_only_the_distribution_differs() -> None:
    host = replace(STACK, id="ubuntu-22.04", distribution="ubuntu")
    with pytest.raises(StackMismatchError) as caught:
        require_stack(STACK, host=host, slug="polls.slug")
    assert caught.value.resolution == (
        "Build the app again on this machine, or run the slug where its stack is:\n"
        "on a debian-12 x86_64 machine, or with --engine docker and the\n"
        "stack image of debian-12."
    )


def test_own_stack_is_no_error() -> None:
    require_stack(STACK, host=STACK, slug="polls.slug")
