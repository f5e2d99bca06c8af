"""What stands before the web containers: nothing, a published port, or the load balancer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.files import find_program
from buildpack.support.values import value

DEFAULT_PORT = 5000
LOOPBACK = "127.0.0.1"

NO_CADDY_NOTICE = """\
Caddy is not installed, so there is no load balancer before the web containers and each has an
address of its own. To have one address for all:

    apt install caddy"""


TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class FrontKind(StrEnum):
    """Who answers on the port."""

    NONE = "none"
    PUBLISHED = "published"
    ROUTER = "router"
    ADDRESSES = "addresses"


@value
class FrontPlan:
    """Where requests come in. ``url`` is None when there is no single place."""

    kind: FrontKind
    bind: str
    port: int

    @property
    def url(self) -> str | None:
        if self.kind not in {FrontKind.PUBLISHED, FrontKind.ROUTER}:
            return None
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        shown = "localhost" if self.bind in {LOOPBACK, "0.0.0.0", "::", "::1"} else host  # noqa: S104 - shown, not bound
        return f"http://{shown}:{self.port}"


class RouterMissingError(SlugkitError):
    """Something was asked for that only the load balancer can do."""

    exit_code = ExitCode.UNAVAILABLE
    id = "router-missing"

    def __init__(self, bind: str) -> None:
        self.bind = bind
        super().__init__(
            f"Answering on {bind} needs the load balancer Caddy, which is not installed",
            resolution="Install it, or leave --bind out:\n\n    apt install caddy",
        )


class RouterNeededError(SlugkitError):
    """Options about requests, where nobody is there to see any."""

    exit_code = ExitCode.UNAVAILABLE
    id = "router-needed"

    def __init__(self) -> None:
        super().__init__(
            "--router-log and --request-timeout need the load balancer Caddy",
            details="It is not installed.",
            resolution="Install it, or leave them out:\n\n    apt install caddy",
        )


def find_caddy(env: Mapping[str, str]) -> str | None:
    """Caddy from PATH, or where packages put it."""
    return find_program("caddy", f"{env.get('PATH', '')}:{TOOL_PATH}")


def router_url(bind: str, port: int, env: Mapping[str, str]) -> str | None:
    """Where an app that is left running answers; without Caddy each container does by itself."""
    if find_caddy(env) is None:
        return None
    return FrontPlan(kind=FrontKind.ROUTER, bind=bind, port=port).url


def plan_front(
    *, web: int, port: int | None, bind: str, has_caddy: bool, is_needed: bool = False
) -> FrontPlan:
    """Decide who answers. A lone container needs nobody in front, unless a port is asked for.

    ``is_needed``: something else was asked for that only the load balancer does.
    """
    chosen = port if port is not None else DEFAULT_PORT
    if web == 0:
        kind = FrontKind.NONE
    elif has_caddy and (web > 1 or port is not None or bind != LOOPBACK or is_needed):
        kind = FrontKind.ROUTER
    elif is_needed:
        raise RouterNeededError
    elif bind != LOOPBACK:
        raise RouterMissingError(bind)
    elif web == 1:
        kind = FrontKind.PUBLISHED
    else:
        kind = FrontKind.ADDRESSES
    return FrontPlan(kind=kind, bind=bind, port=chosen)


def formation_lines(names: Sequence[str], plan: FrontPlan) -> tuple[str, ...]:
    """The formation as the person watching first sees it, web containers beside their URL."""
    web = [name for name in names if name.startswith("web.")]
    others = [name for name in names if not name.startswith("web.")]
    lines = [" ".join(web) + (f" at {plan.url}" if plan.url else "")] if web else []
    return (*lines, " ".join(others)) if others else tuple(lines)
