"""The whole check-up, in the order it is read."""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.support.hierarchies import find_hierarchies
from runner.doctor.engine_findings import (
    cgroup_finding,
    embedded_findings,
    embedded_machine,
    engine_findings,
)
from runner.doctor.findings import Finding, Verdict
from runner.doctor.machine_findings import (
    caddy_finding,
    clock_finding,
    data_findings,
    installed_at,
    now,
    port_finding,
)
from runner.doctor.network_finding import network_finding
from runner.engines.base import Limits
from runner.engines.rundir import sockets_path
from slugc.privileges import data_path


def examine(chosen: str, env: Mapping[str, str]) -> tuple[Finding, ...]:
    """Everything, for who would start containers with the engine ``chosen``."""
    return (
        *engine_findings(chosen, env),
        *_embedded(env, is_chosen=chosen == "embedded"),
        cgroup_finding(Limits(cpus=1), find_hierarchies()),
        caddy_finding(env),
        port_finding(),
        clock_finding(now(), installed_at()),
        *data_findings(data_path(env), sockets_path(env)),
    )


def _embedded(env: Mapping[str, str], *, is_chosen: bool) -> tuple[Finding, ...]:
    """What it needs; if it is to be used and nothing is missing, its network is tried as well."""
    found = embedded_findings(embedded_machine(env), is_chosen=is_chosen)
    if not is_chosen or any(each.verdict is not Verdict.OK for each in found):
        return found
    return (*found, network_finding(env))
