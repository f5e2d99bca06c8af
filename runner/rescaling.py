"""Other numbers of containers for a formation that runs inside a program."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from buildpack.support.errors import UsageError
from runner.formation import (
    MAX_PER_TYPE,
    RELEASE,
    WEB,
    ContainerSpec,
    CountError,
    Formation,
    ReleaseTypeError,
    UnknownProcessTypeError,
)
from runner.front import FrontKind
from runner.launch import CONTAINER_PORT, container_spec
from runner.memory_budget import formation_demands, read_free, require_memory
from runner.ports import choose_ports
from runner.requests import StartRequest
from slugc.procfile import ProcessType

if TYPE_CHECKING:
    from runner.carrying import FormationPlan

_EXAMPLE = "app.scale({'web': 2})"


class NothingBeforeWebError(UsageError):
    """More web containers than there is somebody to share requests out to."""

    id = "nothing-before-web"

    def __init__(self, *, has_web: bool) -> None:
        found = "with one web container, which has the port itself" if has_web else "without web"
        super().__init__(
            "Nothing stands before the web containers that could share requests out",
            details=f"The formation was started {found}.",
            resolution="With a port, or with two web containers, Caddy stands before them"
            " (apt install caddy):\n\n    runner.start(slug, port=5000)",
        )


class Wishes:
    """What is to run from now on: said in any thread, taken in the run's own."""

    def __init__(self) -> None:
        self._specs: Sequence[ContainerSpec] | None = None
        self._said = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def say(self, specs: Sequence[ContainerSpec]) -> None:
        self._specs = specs
        os.eventfd_write(self._said, 1)

    def fileno(self) -> int:
        """Readable when something was said."""
        return self._said

    def take(self) -> Sequence[ContainerSpec]:
        """What was said last. Only when readable."""
        os.eventfd_read(self._said)
        assert self._specs is not None
        return self._specs

    def close(self) -> None:
        os.close(self._said)


def rescaled(
    request: StartRequest,
    plan: FormationPlan,
    now: Sequence[ContainerSpec],
    wanted: Mapping[str, int],
) -> tuple[ContainerSpec, ...]:
    """The containers there are to be: those of ``now`` that stay, and new ones.

    Types that are not in ``wanted`` stay as they are; the highest numbers go first.
    """
    counts = _checked(wanted, plan.release.slug.metadata.process_types)
    kept = [each for each in now if each.ordinal <= counts.get(each.process_type, each.ordinal)]
    names = {each.name for each in kept}
    added = [
        (name, ordinal)
        for name, count in counts.items()
        for ordinal in range(1, count + 1)
        if f"{name}.{ordinal}" not in names
    ]
    _require_front(plan, counts.get(WEB, 0))
    more = {name: [each for each, _ in added].count(name) for name in counts}
    if any(more.values()) and not request.overcommit:
        demands = formation_demands(Formation(quantities=more), request.limits)
        require_memory(demands, read_free())
    ports = _web_ports(more.get(WEB, 0), request, plan, taken={each.port for each in kept})
    types = plan.release.slug.metadata.process_types
    return (
        *kept,
        *(
            container_spec(
                plan.release,
                process_type=name,
                ordinal=ordinal,
                command=types[name],
                port=next(ports) if name == WEB else None,
            )
            for name, ordinal in added
        ),
    )


def _checked(
    wanted: Mapping[str, int], types: Mapping[ProcessType, str]
) -> Mapping[ProcessType, int]:
    for name, count in wanted.items():
        if name == RELEASE:
            raise ReleaseTypeError
        if name not in types:
            raise UnknownProcessTypeError(name, [each for each in types if each != RELEASE])
        if not 0 <= count <= MAX_PER_TYPE:
            found = f"One machine runs 0 to {MAX_PER_TYPE} of a process type."
            raise CountError(str(count), found, least=0, example=_EXAMPLE)
    return {ProcessType(name): count for name, count in wanted.items()}


def _require_front(plan: FormationPlan, web: int) -> None:
    most = {FrontKind.NONE: 0, FrontKind.PUBLISHED: 1}.get(plan.front.kind, MAX_PER_TYPE)
    if web > most:
        raise NothingBeforeWebError(has_web=most > 0)


def _web_ports(
    count: int, request: StartRequest, plan: FormationPlan, *, taken: Collection[int | None]
) -> Iterator[int]:
    """As ``plan_formation`` chooses them: without networks of their own they must differ, also
    from those ``taken`` by who has crashed and listens again soon."""
    if request.engine.name != "host":
        return iter((CONTAINER_PORT,) * count)
    if plan.front.kind is FrontKind.PUBLISHED:
        return iter((plan.front.port,) * count)
    free = choose_ports(count + len(taken), first=plan.front.port + 1)
    return iter([port for port in free if port not in taken][:count])
