"""What a phase that failed may not know: that a wall of ours stood in its way."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slugc.sandbox.base import NetworkPolicy, Sandbox, SandboxKind

_HERE = re.compile(r"\b(127\.\d+\.\d+\.\d+|localhost|169\.254\.\d+\.\d+)\b|\[::1\]", re.IGNORECASE)
_REFUSED = re.compile(
    r"refused|unreachable|permission denied|not permitted|no route|timed out|EACCES|EHOSTUNREACH",
    re.IGNORECASE,
)

OFF = "The network is off (--network off): nothing could be fetched while the build ran."
PAST_US = (
    "The build's network leads past this machine: what listens here is reached only if a\n"
    "variable of yours names it (PIP_INDEX_URL, HTTPS_PROXY and their like), or with\n"
    "--network host."
)


def network_hint(sandbox: Sandbox, said: Iterable[str]) -> str:
    """What to add to a failure whose last words are ``said``; empty where no wall is likely."""
    if sandbox.network == NetworkPolicy.OFF:
        return OFF
    if sandbox.kind is SandboxKind.EMBEDDED and not sandbox.network:
        text = "\n".join(said)
        if _HERE.search(text) and _REFUSED.search(text):
            return PAST_US
    return ""
