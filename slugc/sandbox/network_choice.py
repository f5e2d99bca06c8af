"""Which network the phases of a build get: the one asked for, or the host's where that is allowed.

``--network on`` takes the host's network where the build can have none of its own, and says why;
a network asked for by name is had or is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildpack.support.command import CommandNotFoundError
from slugc.sandbox.base import (
    NetworkPolicy,
    NetworkUnavailableError,
    Problem,
    SandboxKind,
)
from slugc.sandbox.network import (
    BuildNetwork,
    NetworkSetupError,
    network_problem,
    read_resolver,
)

OTHER_NETWORKS = (
    "Or let the build use this machine's network, its loopback included, if you trust\n"
    "the buildpack and the app's dependencies: --network host\n"
    "Or build without any: --network off"
)


class NetworkChoice:
    """One build's network in the embedded sandbox, from ``start`` to ``close``."""

    def __init__(self, policy: NetworkPolicy) -> None:
        self._policy = policy
        self._own: BuildNetwork | None = None
        self._why_shared = ""

    @property
    def shown(self) -> str:
        """What the first line of a build says; empty where it is as usual."""
        if self._why_shared:
            return f"the host's, because {self._why_shared}"
        return str(self._policy) if self._policy in {NetworkPolicy.OFF, NetworkPolicy.HOST} else ""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What goes before a program so that it runs in this network."""
        return self._own.prefix if self._own else ()

    @property
    def resolver(self) -> str | None:
        """The text of resolv.conf, where it is not the host's."""
        return read_resolver(self._own.nameserver) if self._own else None

    def start(self, settings: Mapping[str, str], *, path: str) -> None:
        """Begin with a network of the build's own, where that is wanted and can be had."""
        if self._policy not in {NetworkPolicy.ON, NetworkPolicy.ISOLATED}:
            return
        if problem := network_problem(path):
            self._share(problem)
            return
        try:
            self._own = BuildNetwork(settings, path=path)
        except CommandNotFoundError as err:
            self._share(Problem(what=err.brief, fix=err.resolution))

    def begin(self) -> None:
        """Return when programs can be started with ``prefix``."""
        if self._own is not None:
            try:
                self._own.begin()
            except NetworkSetupError as err:
                self._share(explain_network(err))

    def await_way_out(self) -> bool:
        """Wait until it leads where it should; False: what was started in it has to start anew."""
        if self._own is not None:
            try:
                self._own.await_way_out()
            except NetworkSetupError as err:
                self._share(explain_network(err))
                return False
        return True

    def close(self) -> None:
        """End it."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _share(self, problem: Problem) -> None:
        """Take the host's network instead, unless another was asked for by name."""
        self.close()
        if self._policy is NetworkPolicy.ISOLATED:
            raise NetworkUnavailableError(
                SandboxKind.EMBEDDED,
                self._policy,
                Problem(what=problem.what, fix=f"{problem.fix}\n\n{OTHER_NETWORKS}"),
            )
        self._why_shared = problem.what


def explain_network(error: NetworkSetupError) -> Problem:
    """Why there is no network of the build's own, in words that lead somewhere."""
    said = " ".join(error.said.split()) or "it gave no reason"
    return Problem(
        what=f"{error.step} could not start ({said})",
        fix="slug-run engine doctor checks what it needs.",
    )
