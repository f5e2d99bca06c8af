"""What stands before the web containers of an app that is kept running: two Caddys.

The door listens where clients come, and its configuration never changes. It hands each request,
over a unix socket, to the switch, which is told again and again which containers answer. Caddy
ends idle connections and opens its TCP ports anew at every change of its configuration, so a
client's next request on a kept connection fails about then; a unix socket it keeps, and what the
door sends is safe from that (``front_config``). Measured: one Caddy fails 950 of 8,700 requests in
a hundred changes under load, these two fail none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import SlugkitError
from runner.engines.base import Address
from runner.engines.embedded.lasting.files import FdStore, write_now
from runner.ports import ensure_port_free
from runner.router import RouterError
from runner.router_log.rules import RequestRules
from runner.supervision.front_config import Server, door_config, switch_config
from runner.supervision.guarded import LastingCaddy
from runner.supervision.router_log import RouterLog
from slugc.privileges import let_through


class Door(LastingCaddy):
    """Listens where clients come."""

    def listen_on(self, listen: Address) -> None:
        self._listen = listen

    @property
    def listen(self) -> Address:
        return self._listen

    def config(self) -> Mapping[str, object]:
        return door_config(self._listen, self._dir, admin_socket=self._socket, rules=self.rules)

    def noted(self) -> Mapping[str, object]:
        return {"host": self._listen.host, "port": self._listen.port}


class Switch(LastingCaddy):
    """Knows which containers answer, and is in their network (``entry``)."""

    def __init__(
        self,
        caddy: str,
        *,
        directory: Path,
        told_dir: Path,
        fds: FdStore,
        log: RouterLog,
        entry: Callable[[], tuple[str, ...]],
    ) -> None:
        super().__init__("switch", caddy, directory=directory, told_dir=told_dir, fds=fds, log=log)
        self._entry = entry
        self._servers: tuple[Server, ...] = ()

    def config(self) -> Mapping[str, object]:
        return switch_config(self._servers, self._dir, admin_socket=self._socket, rules=self.rules)

    def argv(self, config_file: Path) -> tuple[str, ...]:
        return (*self._entry(), self._caddy, "run", "--config", str(config_file))

    def send_to(self, servers: Sequence[Server]) -> None:
        """Requests, and to no others; in force, for those who connect from now on, on return."""
        self._servers = tuple(servers)
        self.follow()

    def go_on(self) -> Mapping[str, object] | None:
        found = super().go_on()
        servers = None if found is None else self._read_servers()
        if servers is None:
            self.end()
            return None
        self._servers = servers
        return found

    def _read_servers(self) -> tuple[Server, ...] | None:
        """None: it knows none as we do, so it is another Slugkit's, which it cannot go on as."""
        web, choice = self._asked("/id/web"), self._asked("/id/choice")
        if not isinstance(web, dict) or not isinstance(choice, dict):
            return None
        inside = [_parse_dial(each["dial"]) for each in web.get("upstreams", ())]
        outside = [_parse_dial(each["outputs"][0]) for each in choice.get("mappings") or ()]
        return tuple(Server(inside=x, outside=y) for x, y in zip(inside, outside, strict=True))


class LastingRouter:
    """Door and switch, as one ``Front``."""

    def __init__(
        self,
        caddy: str,
        *,
        directory: Path,
        told_dir: Path,
        fds: FdStore,
        log: RouterLog,
        entry: Callable[[], tuple[str, ...]],
    ) -> None:
        self._log = log
        self._take_notes(directory, told_dir)
        self._door = Door("door", caddy, directory=directory, told_dir=told_dir, fds=fds, log=log)
        self._switch = Switch(
            caddy, directory=directory, told_dir=told_dir, fds=fds, log=log, entry=entry
        )
        self._is_known = False
        self._trouble = ""

    @staticmethod
    def _take_notes(directory: Path, told_dir: Path) -> None:
        """A Slugkit before this one left them where Caddy can write, and knew no ``told_dir``."""
        with contextlib.suppress(OSError):  # no room: those that run are not known, which is told
            told_dir.mkdir(mode=0o700)
            let_through(told_dir)
            for name in ("door", "switch"):
                with contextlib.suppress(FileNotFoundError):
                    write_now(told_dir / f"{name}.json", (directory / f"{name}.json").read_text())

    def listen_on(self, bind: str, port: int, rules: RequestRules) -> Sequence[str]:
        """Answer there from now on; does nothing when it does already. What is to be logged."""
        listen = Address(host=bind, port=port)
        if not self._is_known:
            self._is_known = True
            self._switch.go_on()
            if (found := self._door.go_on()) is not None:
                self._door.listen_on(Address(host=str(found["host"]), port=int(str(found["port"]))))
        if self._door.listen != listen:
            self._door.end()
            self._door.listen_on(listen)
        for each in (self._switch, self._door):
            each.rules = rules
            each.follow()
        return self._mend()

    def serve(self, servers: Sequence[Server]) -> None:
        """Send requests to these, and to no others."""
        self._log.standing.note()
        self._switch.send_to(servers)

    def streams(self) -> tuple[int, ...]:
        return (*self._door.streams(), *self._switch.streams())

    def attend(self) -> Sequence[str]:
        if self._door.is_running and self._switch.is_running:
            return ()
        return ["The load balancer has ended", *self._mend()]

    def look(self) -> Sequence[str]:
        """Try again what could not be started: the port may be free by now."""
        return self._mend()

    def end(self) -> None:
        """Close the port, after the last container."""
        self._door.end()
        self._switch.end()

    def _mend(self) -> Sequence[str]:
        """Start what does not run. What is in the way is said once."""
        lines: list[str] = []
        trouble = ""
        try:
            if not self._switch.is_running:
                self._switch.end()
                self._switch.start()
            if not self._door.is_running:
                self._door.end()
                ensure_port_free(self._door.listen.port, host=self._door.listen.host)
                self._door.start()
                lines.append(f"Listening at {self._door.listen}")
        except (SlugkitError, OSError) as err:  # no room for its sockets, for one
            for each in (self._switch, self._door):
                if not each.is_running:
                    each.end()
            found = err if isinstance(err, SlugkitError) else RouterError(str(err))
            trouble = f"{found.brief}. {found.details}".strip()
            if trouble != self._trouble:
                lines.append(trouble)
        self._trouble = trouble
        return lines


def _parse_dial(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host=host.strip("[]"), port=int(port))
