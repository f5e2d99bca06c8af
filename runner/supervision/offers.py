"""A request that no container has taken is offered to all of them: how Caddy is told that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.router_log.pages import error_routes
from runner.router_log.rules import RequestRules, noting_again

MOST_OFFERS = 20  # each that is refused takes a tenth of a millisecond


def offers(handler: Mapping[str, object], rules: RequestRules) -> list[Mapping[str, object]]:
    """Routes for errors; ``handler`` is the proxy to all containers."""
    return [
        _offer(_NOT_TAKEN, handler, rules, retries=MOST_OFFERS),
        # Once a container has refused one with a body, Caddy 2.6 has closed that.
        _offer([_all_left_out({})], handler, rules, retries=0),
    ]


def _offer(
    match: Sequence[Mapping[str, object]],
    handler: Mapping[str, object],
    rules: RequestRules,
    *,
    retries: int,
) -> Mapping[str, object]:
    """To all in turn, however often Caddy is told of others meanwhile.

    That is why there is no pause between two: it is at a pause that Caddy 2.6 gives up.
    """
    by_turns = {
        "selection_policy": {"policy": "round_robin"},
        "retries": retries,
        "retry_match": [{"method": []}],  # no method: only what no container has seen
    }
    handle = [*noting_again(rules), {**handler, "load_balancing": by_turns}]
    all_refuse = {"routes": error_routes(rules)}
    whole = {"handler": "subroute", "routes": [{"handle": handle}], "errors": all_refuse}
    return {"match": match, "handle": [whole], "terminal": True}


def _said(words: str, more: Mapping[str, object]) -> Mapping[str, object]:
    return {"vars_regexp": {"{http.error.message}": {"pattern": words}}, **more}


def _refused(more: Mapping[str, object]) -> Mapping[str, object]:
    return _said("^dial .*(refused|no route to host|unreachable)", more)


def _all_left_out(more: Mapping[str, object]) -> Mapping[str, object]:
    return _said("^no upstreams available$", more)


_WITHOUT_BODY: list[Mapping[str, object]] = [
    {"header": {"Content-Length": ["0"]}},
    # Caddy 2.6 does not know a chunked one; these seldom have any.
    {"method": ["GET", "HEAD", "OPTIONS"], "not": [{"header": {"Content-Length": ["*"]}}]},
]
_NOT_TAKEN = [why(each) for why in (_refused, _all_left_out) for each in _WITHOUT_BODY]
