"""What stands before the web containers of an app that is kept running: two Caddys.

The door listens where clients come, and its configuration never changes. It hands each request,
over a unix socket, to the switch, which is told again and again which containers answer. Caddy
ends idle connections and opens its TCP ports anew at every change of its configuration, so a
client's next request on a kept connection fails about then; a unix socket it keeps, and what the
door sends is safe from that (``door_handler``). Measured: one Caddy fails 950 of 8,700 requests in
a hundred changes under load, these two fail none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import SlugkitError
from runner.caddy_config import caddy_handler, dial, whole_config
from runner.engines.base import Address
from runner.engines.embedded.lasting.files import FdStore
from runner.ports import ensure_port_free
from runner.router import RouterError, ask_socket
from runner.router_log.rules import RequestRules, marking, noting, skipping
from runner.supervision.guarded import LastingCaddy
from runner.supervision.router_log import RouterLog

IN = "in.sock"  # where the switch takes requests
# Kept shorter than any server keeps them (gunicorn: 2 s), so that none ends as it is used again;
# and a container that is being drained has no connection soon after its last answer.
KEEP_ALIVE = 1_000_000_000  # nanoseconds
DOOR_KEEP_ALIVE = 60_000_000_000  # nanoseconds; less than the two minutes of the switch
MOST_KEPT = 256
# While the switch is started again, requests wait for it.
SWITCH_PATIENCE = "15s"

# On a unix socket a Caddy does not know who asks, and removes X-Forwarded-*. So the door says it
# in headers of our own, which it takes from nobody, and the switch makes them what apps know.
_FOR = "Slugkit-For"
_CARRIED = {
    "X-Forwarded-For": (_FOR, "{http.request.remote.host}"),
    "X-Forwarded-Proto": ("Slugkit-Proto", "{http.request.scheme}"),
    "X-Forwarded-Host": ("Slugkit-Host", "{http.request.hostport}"),
}


def door_handler(inside: Path) -> dict[str, object]:
    """What the door does with a request.

    What has no body and may be asked twice goes over connections that are kept: should the switch
    have closed one in this moment, Go's transport sends it again by itself. Whatever else has a
    connection of its own, which costs a third of a millisecond.
    """
    may_be_repeated = {
        "method": ["GET", "HEAD", "OPTIONS"],
        "not": [{"header": {"Content-Length": ["*"]}}],
    }
    return {
        "@id": "web",
        "handler": "subroute",
        "routes": [
            {"match": [may_be_repeated], "handle": [_to_switch(inside, keeps=True)]},
            {
                "match": [{"not": [may_be_repeated]}],
                "handle": [_to_switch(inside, keeps=False)],
            },
        ],
    }


def _to_switch(inside: Path, *, keeps: bool) -> dict[str, object]:
    alive = {"idle_timeout": DOOR_KEEP_ALIVE, "max_idle_conns_per_host": MOST_KEPT}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"unix/{inside}"}],
        "load_balancing": {"try_duration": SWITCH_PATIENCE, "try_interval": "20ms"},
        "headers": {"request": {"set": {ours: [value] for ours, value in _CARRIED.values()}}},
        "flush_interval": 10_000_000,  # as in caddy_handler
        "transport": {
            "protocol": "http",
            "keep_alive": alive if keeps else {"enabled": False},
        },
    }


def switch_handler(upstreams: Sequence[Address], rules: RequestRules) -> dict[str, object]:
    """What the switch does with a request while these containers answer."""
    handler = caddy_handler(upstreams, rules)
    if not upstreams:
        return handler
    carried = {
        "set": {name: [f"{{http.request.header.{ours}}}"] for name, (ours, _) in _CARRIED.items()},
        "delete": [ours for ours, _ in _CARRIED.values()],
    }
    transport = handler["transport"]
    assert isinstance(transport, dict)
    return {
        **handler,
        "headers": {"request": carried},
        "transport": {**transport, "keep_alive": {"idle_timeout": KEEP_ALIVE}},
    }


class Door(LastingCaddy):
    """Listens where clients come."""

    def listen_on(self, listen: Address) -> None:
        self._listen = listen

    @property
    def listen(self) -> Address:
        return self._listen

    def config(self) -> Mapping[str, object]:
        # What comes to the switch is told there; here, what does not.
        first = [*noting(self.rules), *skipping(self.rules, skip=True)]
        return whole_config(
            listen=dial(self._listen),
            handlers=[*first, *marking(self._listen.port), door_handler(self._dir / IN)],
            admin_socket=self._socket,
            rules=self.rules,
        )

    def noted(self) -> Mapping[str, object]:
        return {**super().noted(), "host": self._listen.host, "port": self._listen.port}


class Switch(LastingCaddy):
    """Knows which containers answer."""

    def config(self) -> Mapping[str, object]:
        return whole_config(
            listen=f"unix/{self._dir / IN}",
            handlers=[
                *noting(self.rules, client=f"{{http.request.header.{_FOR}}}"),
                switch_handler(self._upstreams, self.rules),
            ],
            admin_socket=self._socket,
            rules=self.rules,
        )

    def serve(self, addresses: Sequence[Address]) -> None:
        """Send requests to these; in force, for those who connect from now on, on return."""
        if tuple(addresses) == self._upstreams:
            return
        self._upstreams = tuple(addresses)
        if self._process is None:
            return
        try:
            self._ask("PATCH", "/id/web", switch_handler(addresses, self.rules))
        except RouterError:
            # It hangs, or is not ours any more: another one is started, with these addresses.
            self._process.kill()

    def go_on(self) -> Mapping[str, object] | None:
        found = super().go_on()
        upstreams = None if found is None else self._read_upstreams()
        if upstreams is None:
            self.end()
            return None
        self._upstreams = upstreams
        return found

    def _read_upstreams(self) -> tuple[Address, ...] | None:
        from http.client import HTTPException

        try:
            status, said = ask_socket(self._socket, "GET", "/id/web", None)
            found: Mapping[str, object] = json.loads(said)
        except (OSError, ValueError, HTTPException):
            return None
        upstreams = found.get("upstreams", []) if status == 200 else None
        if not isinstance(upstreams, list):
            return None
        return tuple(_parse_dial(each["dial"]) for each in upstreams)


class LastingRouter:
    """Door and switch, as one ``Front``."""

    def __init__(self, caddy: str, *, directory: Path, fds: FdStore, log: RouterLog) -> None:
        self._log = log
        self._door = Door("door", caddy, directory=directory, fds=fds, log=log)
        self._switch = Switch("switch", caddy, directory=directory, fds=fds, log=log)
        self._is_known = False

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
            each.follow(rules)
        return self._mend()

    def serve(self, addresses: Sequence[Address]) -> None:
        """Send requests to these, and to no others."""
        self._log.standing.note()
        self._switch.serve(addresses)

    def stop(self) -> None:
        """Requests under way are finished while containers are drained; ``end`` closes the port."""

    def streams(self) -> tuple[int, ...]:
        return (*self._door.streams(), *self._switch.streams())

    def attend(self) -> Sequence[str]:
        if self._door.is_running and self._switch.is_running:
            return ()
        return ["The load balancer has ended", *self._mend()]

    def end(self) -> None:
        """Close the port, after the last container."""
        self._door.end()
        self._switch.end()

    def _mend(self) -> Sequence[str]:
        """Start what does not run."""
        lines: list[str] = []
        try:
            if not self._switch.is_running:
                self._switch.end()
                self._switch.start()
            if not self._door.is_running:
                self._door.end()
                ensure_port_free(self._door.listen.port, host=self._door.listen.host)
                self._door.start()
                lines.append(f"Listening at {self._door.listen}")
        except SlugkitError as err:
            for each in (self._switch, self._door):
                if not each.is_running:
                    each.end()
            lines.append(f"{err.brief}. {err.details}".strip())
        return lines


def _parse_dial(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host=host.strip("[]"), port=int(port))
