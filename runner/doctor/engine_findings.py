"""Whether containers can be started here, engine by engine, and what is missing if not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from buildpack.support.files import find_program
from buildpack.support.hierarchies import Hierarchies
from buildpack.support.values import changed
from runner.doctor.findings import Finding, Verdict, ok, warn
from runner.engine_choice import ABOUT, check_engine
from runner.engines import ENGINE_NAMES
from runner.engines.base import Limits
from runner.engines.embedded import checks
from runner.engines.embedded.soft_limits import soft_limits
from runner.errors import EngineUnavailableError
from runner.holder import tool_env

APPARMOR = Path("/sys/module/apparmor/parameters/enabled")

CheckEngine = Callable[[str, Mapping[str, str]], EngineUnavailableError | None]


def engine_findings(
    chosen: str, env: Mapping[str, str], *, check: CheckEngine = check_engine
) -> tuple[Finding, ...]:
    """One for each engine. Only the one that would be taken has to run."""
    return tuple(_engine(name, check(name, env), is_chosen=name == chosen) for name in ENGINE_NAMES)


def _engine(name: str, error: EngineUnavailableError | None, *, is_chosen: bool) -> Finding:
    label = f"{name} engine"
    if error is None:
        return ok(label, f"can run here: {ABOUT[name]}")
    fix = "; ".join(" ".join(each.split()) for each in error.remedies).replace(":; ", ": ")
    if not is_chosen:
        return warn(label, f"cannot run here, which matters with --engine {name} only", fix)
    return Finding(
        name=label,
        verdict=Verdict.FAIL,
        found=f"cannot run here: {' '.join(error.problems)}",
        fix=fix,
        is_engine=True,
    )


def embedded_findings(
    machine: checks.Machine, *, is_chosen: bool, apparmor: Path = APPARMOR
) -> tuple[Finding, ...]:
    """What the embedded engine needs, one by one."""
    seen = dict(checks.seen(machine))
    if not any(seen.values()):
        seen["user namespaces"] = checks.try_namespaces(machine)
    good = {
        "programs": "all are there",
        "user namespaces": "can be made",
        "kernel": f"Linux {machine.release}",
        "/dev/net/tun": "open to users",
        "seccomp": "libseccomp is there",
        "bubblewrap": "new enough" if find_program("bwrap", machine.env["PATH"]) else "not there",
    }
    found = [_problems(name, seen[name], good[name], is_chosen=is_chosen) for name in good]
    return (*found, _slirp(machine), _apparmor(apparmor, machine))


def embedded_machine(env: Mapping[str, str]) -> checks.Machine:
    return checks.Machine(env=tool_env(env), release=os.uname().release)


def _problems(
    name: str, problems: Sequence[checks.Problem], good: str, *, is_chosen: bool
) -> Finding:
    if not problems:
        return ok(name, good)
    found = warn(
        name,
        " ".join(each.found for each in problems),
        "; ".join(dict.fromkeys(_remedy(each.remedy) for each in problems)),
    )
    return changed(found, verdict=Verdict.FAIL, is_engine=True) if is_chosen else found


def _remedy(text: str) -> str:
    """The remedy of a missing program is its package's name."""
    return text if " " in text else f"apt install {text}"


def _slirp(machine: checks.Machine) -> Finding:
    path = find_program("slirp4netns", machine.env["PATH"])
    if path is None:
        return warn("slirp4netns", "not there", "apt install slirp4netns")
    return ok("slirp4netns", path)


def _apparmor(enabled: Path, machine: checks.Machine) -> Finding:
    """What may refuse namespaces where no setting does."""
    if not enabled.is_file() or enabled.read_text().strip() != "Y":
        return ok("AppArmor", "not in use")
    profile = machine.proc / "self" / "attr" / "current"
    try:
        name = profile.read_text().strip("\0\n ")
    except OSError:  # another security module holds that file
        name = "unknown"
    return ok("AppArmor", f"in use; the profile of this process: {name or 'none'}")


def cgroup_finding(limits: Limits, hierarchies: Hierarchies | None) -> Finding:
    """Whether limits hold, and which do not."""
    said = soft_limits(hierarchies, limits)
    if hierarchies is None:
        assert said is not None
        fix = "start as root, or: systemd-run --user --scope -p Delegate=yes slug-run ..."
        return warn("cgroups", said.partition(" (")[0], fix)
    kind = "v2" if hierarchies.v2 is not None else f"v1 ({', '.join(hierarchies.v1)})"
    if said is not None:
        return warn("cgroups", f"{kind}. {said}", "boot a kernel with the cpu controller")
    return ok("cgroups", f"{kind}: memory, CPU and process limits hold")
