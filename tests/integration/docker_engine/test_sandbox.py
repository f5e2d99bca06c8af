"""The Docker sandbox: phases in a container of the build image, over a directory of this host."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.command import CommandFailedError, CommandTimeoutError
from slugc.privileges import hand_over, run_identity
from slugc.sandbox.base import SandboxCommand, SandboxRequest, SandboxUnavailableError
from slugc.sandbox.docker import DockerSandbox
from slugc.sandbox.limits import BuildLimits, LimitReachedError
from slugc.stack import read_host_stack
from tests.integration import docker_support as support
from tests.integration.support import FIXTURES, Kit

pytestmark = [pytest.mark.integration, pytest.mark.docker]


def make_work_dir(parent: Path) -> Path:
    work_dir = parent / "work"
    for directory in (work_dir, parent / "home", work_dir / "build"):
        directory.mkdir()
        hand_over(directory)
    return work_dir


@pytest.fixture
def work_dir(open_dir: Path) -> Path:
    return make_work_dir(open_dir)


@pytest.fixture
def sandbox(work_dir: Path, build_image: str) -> Iterator[DockerSandbox]:
    with DockerSandbox(SandboxRequest(work_dir=work_dir, env=os.environ)) as sandbox:
        yield sandbox
    assert support.docker("ps", "--all", "--quiet", "--filter", LABEL) == ""


LABEL = "label=io.slugkit.sandbox"


def phase(script: str, *, timeout: float | None = None, **env: str) -> SandboxCommand:
    return SandboxCommand(
        argv=("bash", "-c", script),
        cwd=DockerSandbox.work_dir,
        env={"PATH": DockerSandbox.path, "HOME": str(DockerSandbox.home), **env},
        timeout=timeout,
        title="bin/compile",
    )


def test_a_phase_writes_to_the_work_directory_as_its_owner(
    sandbox: DockerSandbox, work_dir: Path
) -> None:
    lines: list[str] = []
    sandbox.stream(
        phase("echo out; echo err >&2; echo $SECRET >build/file", SECRET="s"), lines.append
    )
    assert sorted(lines) == ["err", "out"]
    written = work_dir / "build" / "file"
    assert written.read_text() == "s\n"
    assert written.stat().st_uid == run_identity().uid


def test_a_phase_writes_nowhere_else(sandbox: DockerSandbox) -> None:
    script = (
        "touch /usr/x 2>/dev/null || echo refused; grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    )
    shown = sandbox.capture(phase(script), print)
    assert shown.split() == ["refused", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]


def test_output_and_errors_are_told_apart(sandbox: DockerSandbox) -> None:
    errors: list[str] = []
    assert sandbox.capture(phase("echo Python; echo why >&2"), errors.append) == "Python\n"
    assert errors == ["why"]


def test_a_failing_phase_says_how(sandbox: DockerSandbox) -> None:
    with pytest.raises(CommandFailedError) as caught:
        sandbox.stream(phase("echo bad news; exit 3"), print)
    assert (caught.value.code, caught.value.last_lines) == (3, ("bad news",))
    assert caught.value.brief == "'bin/compile' failed with exit code 3"


def test_a_phase_that_takes_too_long_is_ended(sandbox: DockerSandbox) -> None:
    begin = time.monotonic()
    with pytest.raises(CommandTimeoutError):
        sandbox.stream(phase("sleep 60", timeout=1), print)
    assert time.monotonic() - begin < 20


def test_nothing_of_a_phase_runs_on_into_the_next(sandbox: DockerSandbox) -> None:
    sandbox.stream(phase("sleep 4242 >/dev/null 2>&1 &"), print)
    assert "4242" not in sandbox.capture(phase("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), print)


HOG = "python3 -c 'x = [bytearray(1 << 20) for _ in range(4096)]'"
CROWD = 'python3 -c \'import subprocess; [subprocess.Popen(["sleep", "30"]) for _ in range(60)]\''
FILL = "head -c 80000000 /dev/zero >build/big; sleep 20"
HIDE = "exec 9>build/big; rm build/big; head -c 80000000 /dev/zero >&9; sleep 20"


@pytest.mark.parametrize(
    ("script", "limits", "error"),
    [
        (HOG, BuildLimits(memory=64 << 20), "memory limit of 64M (--memory)"),
        (f"{HOG} | cat; exit 3", BuildLimits(memory=64 << 20), "memory limit of 64M (--memory)"),
        (CROWD, BuildLimits(processes=40), "limit of 40 processes (--processes)"),
        (FILL, BuildLimits(disk=40 << 20), "disk limit of 40M (--disk)"),
        (HIDE, BuildLimits(disk=40 << 20), "disk limit of 40M (--disk)"),
    ],
)
def test_a_build_that_takes_too_much_is_stopped_and_told_by_what(
    work_dir: Path, build_image: str, script: str, limits: BuildLimits, error: str
) -> None:
    request = SandboxRequest(work_dir=work_dir, env=os.environ, limits=limits)
    with DockerSandbox(request) as sandbox, pytest.raises(LimitReachedError) as caught:
        sandbox.stream(phase(script, timeout=30), print)
    assert caught.value.brief == f"The build was stopped at its {error}"
    assert caught.value.details.startswith("bin/compile ")


def test_a_phase_that_fails_after_a_limit_was_hit_fails_for_its_own_reason(
    work_dir: Path, build_image: str
) -> None:
    """What the kernel refused an earlier phase explains nothing of this one."""
    limits = BuildLimits(memory=64 << 20, processes=40)
    request = SandboxRequest(work_dir=work_dir, env=os.environ, limits=limits)
    with DockerSandbox(request) as sandbox:
        sandbox.stream(phase(f"{HOG} || true; {CROWD} || true"), print)
        with pytest.raises(CommandFailedError) as caught:
            sandbox.stream(phase("exit 3"), print)
    assert caught.value.code == 3


def test_the_stack_is_that_of_the_image(sandbox: DockerSandbox) -> None:
    stack = sandbox.stack()
    assert (stack.id, stack.distribution, stack.glibc) == ("debian-12", "debian", "2.36")


def test_a_missing_build_image_is_said_with_the_command_that_makes_it(work_dir: Path) -> None:
    request = SandboxRequest(work_dir=work_dir, env=os.environ, stack="debian-99")
    with pytest.raises(SandboxUnavailableError) as caught, DockerSandbox(request):
        pass
    (problem,) = caught.value.problems
    assert problem.what == "the Docker Engine has no build image slugkit-stack:debian-99-build"
    assert problem.fix == "Build it, once: slugc stack build --tag slugkit-stack:debian-99-build"


@pytest.mark.embedded
@pytest.mark.skipif(read_host_stack().id != "debian-12", reason="this machine is another stack")
def test_a_slug_built_on_the_stack_image_runs_on_this_host(
    fresh_kit: Kit, open_dir: Path, build_image: str
) -> None:
    slug = open_dir / "flask.slug"
    built = fresh_kit.build(FIXTURES["flask_hello"].directory, slug, "--sandbox", "docker")
    assert "sandbox: docker, stack: debian-12" in built.stderr.splitlines()[0]
    asked = fresh_kit.one_off(slug, "python", "-c", "import flask; print('up')", engine="embedded")
    assert (asked.returncode, asked.stdout) == (0, "up\n"), asked.stderr
