"""What the embedded engine needs from the machine, and what to do where it is missing.

Each check returns a problem with its remedy. All are asked before any is reported, so that one
visit to the package manager or the administrator is enough.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, capture
from buildpack.support.values import value
from runner.engines.embedded.rootfs import AppTree
from runner.errors import EngineUnavailableError
from slugc.privileges import drop_prefix

# Where each program comes from in Debian and Ubuntu; Fedora's names differ only for iproute.
_PROGRAMS = {
    "bwrap": "bubblewrap",
    "slirp4netns": "slirp4netns",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
_LIBSECCOMP = "libseccomp2"
_OVERLAY_IN_USERNS = (5, 11)  # kernel release notes: overlayfs mountable in user namespaces
_BWRAP_MINIMUM = (0, 8)  # --disable-userns
_TIMEOUT = 10.0

OTHER_ENGINES = (
    "Or use another engine:\n"
    "    slug-run --engine docker   containers by Docker, if it is installed\n"
    "    slug-run --engine host     no isolation at all; for apps you trust"
)


@value
class Problem:
    """One thing that is missing or forbidden, and the package or command that changes it."""

    found: str
    remedy: str


@value
class Machine:
    """Where the checks look; tests give them another machine."""

    env: Mapping[str, str]
    """of the programs: PATH above all"""
    proc: Path = Path("/proc")
    tun: Path = Path("/dev/net/tun")
    release: str = ""
    """the kernel's, as in ``uname -r``"""

    def sysctl(self, name: str) -> str | None:
        """A kernel setting's value, None where this kernel does not have it."""
        path = self.proc / "sys" / name.replace(".", "/")
        return path.read_text().strip() if path.is_file() else None


def require(env: Mapping[str, str]) -> None:
    """Raise EngineUnavailableError unless containers can be started here."""
    require_on(Machine(env=env, release=os.uname().release))


def require_on(machine: Machine) -> None:
    """The same for any machine; namespaces are tried only where nothing forbids them."""
    problems = find_problems(machine) or try_namespaces(machine)
    if problems:
        raise unavailable(problems)


def unavailable(problems: tuple[Problem, ...]) -> EngineUnavailableError:
    """The error that lists every problem, then every remedy once."""
    known = {*_PROGRAMS.values(), _LIBSECCOMP}
    packages = [problem.remedy for problem in problems if problem.remedy in known]
    remedies = [problem.remedy for problem in problems if problem.remedy not in known]
    if packages:
        remedies.insert(0, f"apt install {' '.join(dict.fromkeys(packages))}")
    steps = [f"    {remedy}" for remedy in dict.fromkeys(remedies)]
    return EngineUnavailableError(
        "embedded",
        problems=[problem.found for problem in problems],
        remedies=["As root:", *steps],
        otherwise=OTHER_ENGINES,
    )


def find_problems(machine: Machine) -> tuple[Problem, ...]:
    """Every problem that can be seen without starting anything but ``bwrap --version``."""
    return tuple(problem for found in seen(machine).values() for problem in found)


def seen(machine: Machine) -> Mapping[str, Sequence[Problem]]:
    """The same by what was looked at; nothing is wrong with what has none."""
    return {
        "programs": _missing_programs(machine),
        "user namespaces": _forbidden_namespaces(machine),
        "kernel": _old_kernel(machine),
        "/dev/net/tun": _no_tun(machine),
        "seccomp": _no_seccomp(),
        "bubblewrap": _old_bwrap(machine),
    }


def _missing_programs(machine: Machine) -> list[Problem]:
    return [
        Problem(found=f"The program '{name}' was not found on PATH.", remedy=package)
        for name, package in _PROGRAMS.items()
        if shutil.which(name, path=machine.env.get("PATH", "")) is None
    ]


def _old_bwrap(machine: Machine) -> list[Problem]:
    program = shutil.which("bwrap", path=machine.env.get("PATH", ""))
    if program is None:
        return []
    command = Command(argv=(program, "--version"), cwd=Path("/"), env=machine.env, timeout=_TIMEOUT)
    said = capture(command)
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version >= _BWRAP_MINIMUM:
        return []
    return [
        Problem(
            found=f"{said.strip()} is too old: 0.8 brought the wall against user namespaces.",
            remedy="install bubblewrap 0.8 or newer (Debian 12, Ubuntu 24.04, Fedora 38)",
        )
    ]


def _forbidden_namespaces(machine: Machine) -> list[Problem]:
    forbidding = {
        "kernel.unprivileged_userns_clone": ("0", "1"),
        "user.max_user_namespaces": ("0", "15000"),
        "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),  # Ubuntu 23.10 and later
    }
    return [
        Problem(
            found=f"User namespaces are forbidden: {name} = {bad}.",
            remedy=f"sysctl -w {name}={good}",
        )
        for name, (bad, good) in forbidding.items()
        if machine.sysctl(name) == bad
    ]


def _old_kernel(machine: Machine) -> list[Problem]:
    version = tuple(int(part) for part in re.findall(r"\d+", machine.release)[:2])
    if version >= _OVERLAY_IN_USERNS:
        return []
    return [
        Problem(
            found=f"Linux {machine.release} cannot mount an overlay in a user namespace.",
            remedy="boot Linux 5.11 or newer",
        )
    ]


def _no_tun(machine: Machine) -> list[Problem]:
    if not machine.tun.exists():
        return [Problem(found=f"{machine.tun} is missing.", remedy="modprobe tun")]
    # Root's own access proves nothing: slirp4netns runs as a user.
    wanted = 0o006 if os.getuid() == 0 else 0
    if machine.tun.stat().st_mode & wanted == wanted and os.access(machine.tun, os.R_OK | os.W_OK):
        return []
    return [
        Problem(
            found=f"{machine.tun} may not be opened by users.", remedy=f"chmod 0666 {machine.tun}"
        )
    ]


def _no_seccomp() -> list[Problem]:
    from buildpack.support import seccomp  # most starts have the filter from an earlier one

    if seccomp.has_library():
        return []
    return [Problem(found=f"{seccomp.LIBRARY} was not found.", remedy=_LIBSECCOMP)]


def try_namespaces(machine: Machine) -> tuple[Problem, ...]:
    """Make the namespaces once: a container, a profile or a policy may refuse without a setting."""
    argv = (*drop_prefix(), "unshare", "--user", "--map-root-user", "--net", "--mount", "true")
    said = _failure(Command(argv=argv, cwd=Path("/"), env=machine.env, timeout=_TIMEOUT))
    if said is None:
        return ()
    return (
        Problem(
            found=f"User namespaces cannot be made: {said}",
            remedy="allow them; in a CI container: docker run --privileged, or --security-opt "
            "seccomp=unconfined --security-opt apparmor=unconfined",
        ),
    )


def overlay_problem(tree: AppTree, env: Mapping[str, str]) -> str | None:
    """Why this overlay cannot be mounted as containers mount theirs; None if it can."""
    argv = (
        *drop_prefix(),
        *("unshare", "--user", "--map-root-user", "--mount", "--"),
        *("mount", "-t", "overlay", "-o", tree.options, "overlay", str(tree.target)),
    )
    return _failure(Command(argv=argv, cwd=tree.base, env=env, timeout=_TIMEOUT))


def _failure(command: Command) -> str | None:
    try:
        capture(command)
    except CommandFailedError as err:
        return " ".join(err.last_lines) or err.brief
    return None
