"""A request as Heroku's router writes it: names and values, one line that nothing can forge."""

from __future__ import annotations

import re

from runner.router_log.codes import CLIENT_GONE, Code, is_error
from runner.router_log.handled import Handled

MOST = 4096  # characters of one value
_PLAIN = re.compile(r"[!#-~]+")  # no space, no quote: one word


def router_line(handled: Handled, code: Code | None, name: str) -> str:
    """``at=info method=GET path="/" host=... request_id=... dyno=web.1 ... status=200 ...``."""
    connect, service = _times(handled, code)
    status = handled.status or CLIENT_GONE
    told = ""
    if code is not None:
        told = f'code={code.name} desc="{code.value}" '
    return (
        f"at={'error' if is_error(code) else 'info'} {told}"
        f"method={_word(handled.method)} path={_quoted(handled.path)} host={_word(handled.host)}"
        f' request_id={_word(handled.request_id)} fwd="{handled.client}" dyno={name}'
        f" connect={connect:.0f}ms service={service:.0f}ms"
        f" status={status} bytes={handled.size} protocol={handled.protocol}"
    )


def _times(handled: Handled, code: Code | None) -> tuple[float, float]:
    """Until a container was reached, and what it took from there on."""
    if code in {Code.H19, Code.H21}:
        return handled.proxied, 0.0
    if handled.duration is None:
        return 0.0, handled.proxied
    return max(0.0, handled.proxied - handled.duration), handled.duration


def _word(text: str) -> str:
    """As it is if that is one word, quoted otherwise."""
    is_word = not text or (len(text) <= MOST and _PLAIN.fullmatch(text))
    return text if is_word else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes. What could end them or the line, or cannot be seen, is escaped."""
    if '"' in text or "\\" in text or not text.isprintable():
        text = "".join(map(_escaped, text[:MOST]))
    if len(text) > MOST:
        text = text[:MOST].rstrip("\\") + "..."
    return f'"{text}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
