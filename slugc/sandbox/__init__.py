"""The build sandboxes, each imported only when it is used."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import assert_never

from slugc.sandbox.base import Sandbox, SandboxKind, SandboxRequest, SandboxUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSandbox:
    """The sandbox a build runs in and, where there is none, why."""

    sandbox: Sandbox
    why_none: str = ""

    @property
    def shown(self) -> str:
        """What the first line of a build says about it."""
        reason = f", because {self.why_none}" if self.why_none else ""
        return f"{self.sandbox.kind}{reason}"


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


def enter_sandbox(
    stack: contextlib.ExitStack, kind: SandboxKind | None, request: SandboxRequest
) -> ChosenSandbox:
    """Enter the sandbox asked for, or raise; not asked, the embedded one where it can run.

    ``stack`` leaves it again.
    """
    if kind is not None:
        return ChosenSandbox(sandbox=stack.enter_context(make_sandbox(kind, request)))
    try:
        embedded = make_sandbox(SandboxKind.EMBEDDED, request)
        return ChosenSandbox(sandbox=stack.enter_context(embedded))
    except SandboxUnavailableError as err:
        none = stack.enter_context(make_sandbox(SandboxKind.NONE, request))
        return ChosenSandbox(sandbox=none, why_none=err.problems[0].what)
