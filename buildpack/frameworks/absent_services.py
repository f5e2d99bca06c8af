"""An app that asks its database, or Redis, while it is only imported: a build may have neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildpack.frameworks.django import SWITCH
from buildpack.frameworks.tracebacks import last_exception, last_place

OF_A_DATABASE = frozenset({"DatabaseError", "InterfaceError", "OperationalError",
                           "ProgrammingError"})  # fmt: skip
"""PEP 249 gives drivers and Django these names."""
OF_OTHERS = frozenset({"ConnectionError", "ConnectionRefusedError", "ServerSelectionTimeoutError"})
"""Of redis and requests; of Python itself; of pymongo."""

LATER = f"""\
Ask later than that: in views, tasks and commands, not while modules are imported,
nor in ready() of an AppConfig. Without static files of your own, set {SWITCH}=1."""


def absent_service(lines: Sequence[str]) -> Mapping[str, str]:
    """What to say of it, as parts of a Failure; nothing if it was something else."""
    number, kind, _ = last_exception(lines)
    if kind not in OF_A_DATABASE | OF_OTHERS:
        return {}
    what = "its database" if kind in OF_A_DATABASE else "another service"
    place = last_place(lines[:number])
    where = f" in {place}" if place else ""
    return {
        "line": lines[number].strip(),
        "meaning": f"Your app asks {what}{where}. A build may have none,\n"
        "or one in which nothing has been set up yet.",
        "advice": LATER,
    }
