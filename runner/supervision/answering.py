"""What a supervisor does when it is asked: tell what there is, replace containers, look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runner.metrics.rows import usage_rows
from runner.supervision.control import Client
from runner.supervision.upkeep import Upkeep, named


class Answering:
    """Takes the requests that come over the control socket (``control``).

    ``look`` is what is done every few seconds anyway; ``want_anew`` reads what is wanted and goes
    by it; ``stop_all`` has everything end, whatever is wanted; ``request_rows`` is what was counted
    of requests to the app, None where nothing is.
    """

    def __init__(
        self,
        upkeep: Upkeep,
        *,
        look: Callable[[], None],
        want_anew: Callable[[], None],
        stop_all: Callable[[], None],
        request_rows: Callable[[], object],
    ) -> None:
        self._upkeep, self._request_rows = upkeep, request_rows
        self._look = look
        self._want_anew, self._stop_all = want_anew, stop_all

    def handle(self, client: Client, request: Mapping[str, object]) -> None:
        """Answer, or leave the client waiting until all is as wanted."""
        client.send({"event": "accepted"})
        match request.get("do"):
            case "containers":
                client.send({"event": "containers", "containers": self._upkeep.snapshot()})
                client.is_open = False
                return
            case "usage":
                client.send(self._usage())
                client.is_open = False
                return
            case "look":
                client.is_open = False
                self._look()
                return
            case "restart" | "kill" as what:
                self._replace(client, _names(request), at_once=what == "kill")
            case "end":
                self._upkeep.want_no_more(_names(request))
            case "stop":
                self._stop(at_once=request.get("at_once") is True)
            case _:
                self._want_anew()
        client.is_waiting = True

    def _usage(self) -> Mapping[str, object]:
        rows = usage_rows(self._upkeep.snapshot(), tuple(self._upkeep.lives.values()))
        return {"event": "usage", "containers": rows, "requests": self._request_rows()}

    def _stop(self, *, at_once: bool) -> None:
        self._stop_all()
        if at_once:
            self._upkeep.reconcile()
            self._upkeep.kill_all()

    def _replace(self, client: Client, names: Sequence[str], *, at_once: bool) -> None:
        """Those containers by others, all without names. At once and all: by what is wanted now,
        which may be nothing."""
        if at_once and not names:
            self._want_anew()
        else:
            found = self._upkeep.restart(named(names))
            client.send({"event": "restarting", "names": found})
        if at_once:
            self._upkeep.reconcile()
            self._upkeep.kill_all(named(names))


def _names(request: Mapping[str, object]) -> Sequence[str]:
    words = request.get("names")
    return [str(each) for each in words] if isinstance(words, list) else []
