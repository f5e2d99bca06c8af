"""The table: which columns fit, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from buildpack.support.values import value
from runner.top import words
from runner.top.figures import Figure, Order
from runner.top.spans import Line, Span, Style

MOST_NAME = 20
BAR = 6
WARM, HOT = 0.7, 0.9  # of a limit

_STATES = {"up": Style.GOOD, "crashed": Style.BAD, "starting": Style.WARM, "stopping": Style.WARM}


@value
class Column:
    """A heading, how wide it is, and a container's cell."""

    title: str
    width: int
    cell: Callable[[Figure], Line]
    order: Order | None = None
    """what containers are sorted by when it is chosen"""
    is_left: bool = False

    def heading(self, order: Order) -> Line:
        is_chosen = self.order is order
        style = Style.REVERSE if is_chosen else Style.DIM
        return _placed((Span(text=self.title, style=style),), self.width, is_left=self.is_left)

    def placed(self, figure: Figure) -> Line:
        return _placed(self.cell(figure), self.width, is_left=self.is_left)


def _placed(line: Line, width: int, *, is_left: bool) -> Line:
    blank = Span(text=" " * max(0, width - sum(len(span.text) for span in line)))
    return (*line, blank) if is_left else (blank, *line)


def chosen_columns(
    figures: Sequence[Figure], columns: int | None, *, ascii_only: bool
) -> list[Column]:
    """What fits into so many columns: the least telling ones go first."""
    made = _all_columns(figures, ascii_only=ascii_only)
    kept = list(made)
    for name in _GIVEN_UP:
        if columns is None or _width([made[each] for each in kept]) <= columns:
            break
        kept.remove(name)
        if name == "memory":
            kept.insert(kept.index("cpu") + 1, "memory-short")
            made["memory-short"] = Column(
                title="MEM", width=9, order=Order.MEMORY, cell=lambda each: (_memory(each),)
            )
    return [made[each] for each in kept]


# From the first to go to the last.
_GIVEN_UP = ("size", "processes", "p50", "release", "memory", "up", "p95", "rate", "restarts")


def _width(columns: Sequence[Column]) -> int:
    return sum(each.width + 1 for each in columns) - 1


def _all_columns(figures: Sequence[Figure], *, ascii_only: bool) -> dict[str, Column]:
    name_width = min(MOST_NAME, max([len(each.name) for each in figures], default=0))
    sizes = max([len(each.size) for each in figures], default=0)

    def text(found: Callable[[Figure], str]) -> Callable[[Figure], Line]:
        return lambda each: (Span(text=found(each)),)

    def name(each: Figure) -> Line:
        return (Span(text=_cut(each.name, name_width), style=Style.BOLD),)

    def memory(each: Figure) -> Line:
        return (*bar(each, ascii_only=ascii_only), _memory(each, 10))

    order = Order
    return {
        "name": Column(
            title="NAME", width=max(5, name_width), cell=name, order=order.NAME, is_left=True
        ),
        "state": Column(title="STATE", width=8, cell=lambda each: (_state(each),), is_left=True),
        "cpu": Column(
            title="CPU", width=6, cell=text(lambda each: words.percent(each.cpu)), order=order.CPU
        ),
        "memory": Column(title="MEMORY", width=BAR + 10, cell=memory, order=order.MEMORY),
        "rate": Column(
            title="REQ/S", width=5, cell=lambda each: (_rate(each),), order=order.REQUESTS
        ),
        "p50": Column(title="P50", width=5, cell=text(_p50)),
        "p95": Column(title="P95", width=5, cell=text(_p95), order=order.SLOWEST),
        "up": Column(
            title="UP", width=4, cell=text(lambda each: words.span(each.uptime)), order=order.UPTIME
        ),
        "restarts": Column(
            title="RST", width=3, cell=lambda each: (_restarts(each),), order=order.RESTARTS
        ),
        "processes": Column(title="PROC", width=4, cell=text(_processes)),
        "release": Column(title="REL", width=4, cell=text(lambda each: each.release[:5])),
        "size": Column(
            title="SIZE",
            width=max(4, sizes),
            cell=text(lambda each: each.size or words.NOTHING),
            is_left=True,
        ),
    }


def bar(figure: Figure, *, ascii_only: bool) -> Line:
    """How much of its memory limit is used, in half steps."""
    if figure.memory is None or not figure.memory_limit:
        return (Span(text=" " * BAR),)
    share = min(1.0, figure.memory / figure.memory_limit)
    halves = max(1, round(share * BAR * 2))
    full, half = divmod(halves, 2)
    signs: Mapping[str, str] = _ASCII if ascii_only else _LINES
    filled = signs["full"] * full + signs["half"] * half
    return (
        Span(text=filled, style=_heat(share)),
        Span(text=signs["empty"] * (BAR - len(filled)), style=Style.DIM),
    )


_LINES = {"full": "━", "half": "╸", "empty": "─"}
_ASCII = {"full": "#", "half": "=", "empty": "."}


def _heat(share: float) -> Style:
    return Style.BAD if share >= HOT else Style.WARM if share >= WARM else Style.GOOD


def _memory(figure: Figure, width: int = 0) -> Span:
    if figure.memory is None:
        return Span(text=words.NOTHING.rjust(width))
    limit = figure.memory_limit
    of = f"/{words.size(limit)}" if limit else ""
    style = _heat(figure.memory / limit) if limit and figure.memory >= WARM * limit else Style.PLAIN
    return Span(text=f"{words.size(figure.memory)}{of}".rjust(width), style=style)


def _rate(figure: Figure) -> Span:
    if figure.traffic is None:
        return Span(text=words.NOTHING)
    style = Style.BAD if figure.traffic.errors else Style.PLAIN
    return Span(text=words.rate(figure.traffic.rate), style=style)


def _restarts(figure: Figure) -> Span:
    style = Style.WARM if figure.restarts else Style.PLAIN
    return Span(text=f"{figure.restarts}" if figure.restarts < 1000 else "999", style=style)


def _state(figure: Figure) -> Span:
    return Span(text=figure.state[:8], style=_STATES.get(figure.state, Style.DIM))


def _p50(figure: Figure) -> str:
    return words.milliseconds(None if figure.traffic is None else figure.traffic.p50)


def _p95(figure: Figure) -> str:
    return words.milliseconds(None if figure.traffic is None else figure.traffic.p95)


def _processes(figure: Figure) -> str:
    return words.NOTHING if figure.processes is None else f"{figure.processes}"


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 2]}.."
