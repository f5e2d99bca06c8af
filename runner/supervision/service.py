"""Apps that come back with the machine: a systemd unit for each, which keeps its keeper.

The unit's main process is the keeper, so systemd starts it again should it be killed together with
its supervisor, and only it gets SIGTERM when the machine goes down (KillMode=mixed).
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.command import Command, Runner
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.files import write_atomically
from buildpack.support.values import value
from runner.supervision.fd_store import LOCK, become_subreaper, keeper_argv, supervisor_argv
from runner.supervision.start import open_lock, supervisor_env
from slugc.privileges import home_path

RUNNING = Path("/run/systemd/system")
"""Present where systemd is the first process (sd_booted(3))."""


class NoSystemdError(SlugkitError):
    """Nobody here starts services."""

    exit_code = ExitCode.UNAVAILABLE
    id = "no-systemd"

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            "This machine does not run systemd, so no service can be installed",
            details=f"There is no {RUNNING}.",
            resolution="Let whatever starts your machine run this, as the user you are now:\n\n"
            f"    slug-run start -d --app {app}",
        )


class ServiceTakenError(SlugkitError):
    """The unit of that name keeps an app of another data directory."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "service-taken"

    def __init__(self, app: str, path: Path) -> None:
        self.app, self.path = app, path
        super().__init__(
            f"An app called {app} of another data directory has the service already",
            details=f"It is in {path}.",
            resolution="It was left as it is. Give one of the two another name:\n\n"
            "    slug-run apps rename",
        )


@value
class Unit:
    """A unit file and how systemctl is asked about it."""

    name: str
    path: Path
    text: str
    systemctl: tuple[str, ...]


def plan_unit(app: str, env: Mapping[str, str], *, stop_timeout: float, is_root: bool) -> Unit:
    """The unit for an app: the system's for root, else the user's own."""
    name = f"slug-run-{app}.service"
    config = env.get("XDG_CONFIG_HOME") or f"{home_path(env)}/.config"
    directory = Path("/etc/systemd/system") if is_root else Path(config) / "systemd/user"
    argv = (sys.executable, "-P", "-m", "runner.main", "service", "run", "--app", app)
    lines = [
        "[Unit]",
        f"Description=The app {app}, kept running by slug-run",
        "After=network-online.target",
        "Wants=network-online.target",
        # Tried for as long as it takes: what it needs may come late when a machine starts.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in argv)}",
        *(f"Environment={_quoted(f'{x}={y}')}" for x, y in sorted(supervisor_env(env).items())),
        "Restart=on-failure",
        "RestartSec=1",
        "KillMode=mixed",
        f"TimeoutStopSec={int(stop_timeout) + 30}",
        "Delegate=yes",
        "",
        "[Install]",
        f"WantedBy={'multi-user' if is_root else 'default'}.target",
        "",
    ]
    systemctl = ("systemctl",) if is_root else ("systemctl", "--user")
    return Unit(name=name, path=directory / name, text="\n".join(lines), systemctl=systemctl)


def install(app: str, unit: Unit, env: Mapping[str, str], *, run: Runner) -> None:
    """Write the unit and enable it; it takes over at once. Raises NoSystemdError."""
    require_systemd(app)
    _require_own(app, unit)
    write_atomically(unit.path, unit.text)
    run(_ask(unit, env, "daemon-reload"))
    run(_ask(unit, env, "enable", "--now", unit.name))


def remove(app: str, unit: Unit, env: Mapping[str, str], *, run: Runner) -> bool:
    """Take the unit away; False if there was none. The app itself goes on."""
    require_systemd(app)
    if not unit.path.exists():
        return False
    _require_own(app, unit)
    run(_ask(unit, env, "disable", unit.name))
    unit.path.unlink()
    run(_ask(unit, env, "daemon-reload"))
    return True


def require_systemd(app: str) -> None:
    if not RUNNING.is_dir():
        raise NoSystemdError(app)


def _require_own(app: str, unit: Unit) -> None:
    if unit.path.exists() and _place_in(unit.path.read_text()) != _place_in(unit.text):
        raise ServiceTakenError(app, unit.path)


def _place_in(text: str) -> tuple[str, ...]:
    """The settings in a unit that say which data directory is meant."""
    names = ('Environment="SLUGKIT_HOME=', 'Environment="XDG_DATA_HOME=')
    return tuple(line for line in text.splitlines() if line.startswith(names))


def become_keeper(number: int, directory: Path, env: Mapping[str, str]) -> None:
    """What the unit runs: wait until nobody else keeps the app, then keep it. Never returns."""
    lock = open_lock(directory)
    fcntl.flock(lock, fcntl.LOCK_EX)
    become_subreaper()
    os.set_inheritable(lock, True)
    argv = keeper_argv({LOCK: lock}, supervisor_argv(number))
    os.execve(argv[0], argv, supervisor_env(env))  # noqa: S606  # not a child: what we become


def _ask(unit: Unit, env: Mapping[str, str], *words: str) -> Command:
    kept = {name: env[name] for name in ("PATH", "HOME", "XDG_RUNTIME_DIR") if name in env}
    return Command(argv=(*unit.systemctl, *words), cwd=Path("/"), env=kept, timeout=60)


def _quoted(text: str) -> str:
    """A word of a unit file (systemd.syntax(7), systemd.unit(5) on "%")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'
