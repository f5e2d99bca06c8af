"""Limits of builds in control groups of version 2, as root and in a group delegated to a user.

In a Linux of its own: a machine that boots with version 1 has none of these controllers left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.embedded_support import CHECKOUT

KERNEL = shutil.which("linux.uml") or shutil.which("linux")
INIT = CHECKOUT / "tests/integration/uml_init.sh"
USER_ID = 23456

pytestmark = [
    pytest.mark.integration,
    pytest.mark.embedded,
    pytest.mark.skipif(os.getuid() != 0, reason="its files are those of who starts it"),
    pytest.mark.skipif(KERNEL is None, reason="user-mode-linux is not installed"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What each probe in there came to, by its name."""
    assert KERNEL is not None
    files = ("rootfstype=hostfs", "rootflags=/", "ro", f"init={INIT}")
    told = (f"CHECKOUT={CHECKOUT}", f"USER_ID={USER_ID}")  # an unknown word is init's environment
    home = tmp_path_factory.mktemp("uml")
    done = subprocess.run(
        (KERNEL, "mem=512M", "quiet", "con=null", "con0=null,fd:1", *files, *told),
        env={"PATH": os.defpath, "HOME": os.fspath(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("=")]
    named = dict(line[1:].split("= ", 1) for line in lines)
    assert "groups" in named, done.stdout[-3000:] + done.stderr[-1000:]
    return {name: text if name == "groups" else json.loads(text) for name, text in named.items()}


MEMORY = "The build was stopped at its memory limit of 64M (--memory)"
PROCESSES = "The build was stopped at its limit of 30 processes (--processes)"


@pytest.mark.parametrize(
    ("probe", "error"),
    [("root-memory", MEMORY), ("user-memory", MEMORY), ("user-processes", PROCESSES)],
)
def test_a_limit_holds_for_the_whole_build(
    found: Mapping[str, Any], probe: str, error: str
) -> None:
    assert found[probe]["error"] == error
    assert found[probe]["notices"] == []


def test_a_group_that_is_only_owned_is_left_as_it_is(found: Mapping[str, Any]) -> None:
    """A desktop's terminal has one that systemd keeps; the limits are soft there."""
    assert "Limits are soft here" in str(found["terminal"]["notices"])


def test_a_group_that_systemd_delegates_is_used(found: Mapping[str, Any]) -> None:
    assert found["scope"]["notices"] == []


def test_who_delegated_finds_us_in_a_group_below_and_no_other_left(
    found: Mapping[str, Any],
) -> None:
    assert set(found["groups"].split()) == {
        ".",
        "./slugkit",
        "./slugkit/builds",
        "./slugkit-own",
        "./terminal",
        "./terminal/slugkit",
        "./terminal/slugkit/builds",
        "./terminal/slugkit-own",
    }


def test_what_a_group_uses_is_read(found: Mapping[str, Any]) -> None:
    usage = found["usage"]
    assert 48 <= usage["rss"] <= usage["memory"] + 1 < 80
    assert usage["charged"] >= usage["memory"]
    assert usage["cpu_seconds"] > 0
    assert (usage["processes"], usage["threads"], usage["is_v2"]) == (1, 1, True)
    assert usage["afterwards"] is None
