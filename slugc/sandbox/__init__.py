"""The build sandboxes, each imported only when it is used."""

from __future__ import annotations

import contextlib
from typing import assert_never

from buildpack.support.errors import SlugkitError
from buildpack.support.values import value
from slugc.sandbox.base import (
    NetworkPolicy,
    Sandbox,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
)


@value
class ChosenSandbox:
    """The sandbox a build runs in and, where there is none, why."""

    sandbox: Sandbox
    why_none: str = ""

    @property
    def shown(self) -> str:
        """What the first line of a build says about it."""
        reason = f", because {self.why_none}" if self.why_none else ""
        network = f", network: {self.sandbox.network}" if self.sandbox.network else ""
        return f"{self.sandbox.kind}{reason}{network}"


def make_sandbox(kind: SandboxKind, request: SandboxRequest) -> Sandbox:
    """The sandbox of that kind; whether it can run here shows when it is entered."""
    match kind:
        case SandboxKind.EMBEDDED:
            from slugc.sandbox.embedded import EmbeddedSandbox

            return EmbeddedSandbox(request)
        case SandboxKind.DOCKER:
            from slugc.sandbox.docker import DockerSandbox

            return DockerSandbox(request)
        case SandboxKind.NONE:
            from slugc.sandbox.none import NoSandbox

            return NoSandbox(request)
        case _:
            assert_never(kind)


class Entrance:
    """A sandbox on its way up. Asked for none, it is the embedded one where that can run."""

    def __init__(
        self, stack: contextlib.ExitStack, kind: SandboxKind | None, request: SandboxRequest
    ) -> None:
        self._stack, self._asked, self._request = stack, kind, request
        self._sandbox = make_sandbox(kind or SandboxKind.EMBEDDED, request)
        self._refusal: SlugkitError | None = None
        stack.push(self._sandbox)
        try:
            self._sandbox.begin()
        except SlugkitError as err:
            self._refusal = err

    def finished(self) -> ChosenSandbox:
        """The sandbox, entered, or why there is none; the stack leaves it again."""
        try:
            if self._refusal:
                raise self._refusal
            return ChosenSandbox(sandbox=self._sandbox.__enter__())
        except SandboxUnavailableError as err:
            by_name = {NetworkPolicy.OFF, NetworkPolicy.ISOLATED}
            if self._asked is not None or self._request.network in by_name:
                raise
            none = self._stack.enter_context(make_sandbox(SandboxKind.NONE, self._request))
            return ChosenSandbox(sandbox=none, why_none=err.problems[0].what)


def enter_sandbox(
    stack: contextlib.ExitStack, kind: SandboxKind | None, request: SandboxRequest
) -> ChosenSandbox:
    """Enter the sandbox asked for, or raise; not asked, the embedded one where it can run."""
    return Entrance(stack, kind, request).finished()
