"""The whole picture, for a screen of so many rows and columns, or for paper."""

from __future__ import annotations

import time
from collections import Counter

from buildpack.support.values import value
from runner.top import words
from runner.top.columns import chosen_columns
from runner.top.figures import Figure, Order, Traffic, figures_of, sorted_by, total_traffic
from runner.top.look import Look
from runner.top.spans import Line, Span, Style, width

LEAST_ROWS = 1  # of the table, however low the screen is


@value
class View:
    """What the person watching has chosen."""

    order: Order = Order.NAME
    top: int = 0
    """the first container that is shown"""
    ascii_only: bool = False


def page(before: Look, now: Look, view: View, columns: int | None) -> list[Line]:
    """All of it, one below the other."""
    figures = sorted_by(figures_of(before, now), view.order)
    return [*_header(before, now, columns), (), *_table(figures, view, columns, now.trouble)]


def screenful(
    before: Look, now: Look, view: View, rows: int, columns: int
) -> tuple[list[Line], View]:
    """What fits, and the view as far as it could be followed: it may stand behind the end."""
    figures = sorted_by(figures_of(before, now), view.order)
    header = _header(before, now, columns)
    if rows >= 10:
        header.append(())
    table = _table(figures, view, columns, now.trouble)
    heading, body = (table[:1], table[1:]) if figures else ([], table)
    room = max(LEAST_ROWS, rows - len(header) - len(heading) - 1)
    top = max(0, min(view.top, len(body) - room))
    shown = body[top : top + room]
    lines = [*header, *heading, *shown, *[()] * (room - len(shown))]
    followed = View(order=view.order, top=top, ascii_only=view.ascii_only)
    return [*lines, _footer(top, len(shown), len(body), view, columns)][:rows], followed


def _table(
    figures: tuple[Figure, ...], view: View, columns: int | None, trouble: str
) -> list[Line]:
    if not figures:
        return [(Span(text=trouble or "No containers"),)]
    chosen = chosen_columns(figures, columns, ascii_only=view.ascii_only)
    gap = Span(text=" ")

    def joined(cells: list[Line]) -> Line:
        return tuple(span for cell in cells for span in (*cell, gap))[:-1]

    heading = joined([column.heading(view.order) for column in chosen])
    return [heading, *(joined([column.placed(each) for column in chosen]) for each in figures)]


def _header(before: Look, now: Look, columns: int | None) -> list[Line]:
    clock = Span(text=time.strftime("%H:%M:%S", time.localtime(now.clock)), style=Style.DIM)
    title = [Span(text=now.app, style=Style.BOLD)]
    if now.release:
        title.append(Span(text=f" {now.release}"))
    if now.url:
        title.append(Span(text=f"  {now.url}", style=Style.KEY))
    states = _states(now)
    traffic = total_traffic(before, now)
    first = _ends((*title, *states), (clock,), columns)
    if columns is not None and width((*title, *states)) + 10 > columns:
        first = _ends(tuple(title), (clock,), columns)
        return [first, _told(states, traffic), _machine(now, columns)]
    return [first, _machine(now, columns), *([_requests(traffic)] if traffic is not None else [])]


def _states(now: Look) -> Line:
    """``  2 up, 1 crashed``: the commonest first."""
    counts = Counter(str(row["state"]) for row in now.rows)
    styles = {"up": Style.GOOD, "crashed": Style.BAD}
    spans: list[Span] = []
    for state, count in counts.most_common():
        spans.append(Span(text=", " if spans else "  "))
        spans.append(Span(text=f"{count} {state}", style=styles.get(state, Style.PLAIN)))
    return tuple(spans)


def _told(states: Line, traffic: Traffic | None) -> Line:
    """On a narrow screen: states and requests in one line."""
    bare = (Span(text=states[0].text.strip()), *states[1:]) if states else ()
    if traffic is None:
        return bare
    return (*bare, Span(text=f"  {words.rate(traffic.rate)} req/s"))


def _machine(now: Look, columns: int | None) -> Line:
    machine = now.machine
    load = " ".join(f"{each:.2f}" for each in machine.load)
    count = f"{machine.processors} CPU{'s' if machine.processors != 1 else ''}"
    used = f"{words.size(machine.memory)}/{words.size(machine.memory_limit)}"
    whole = _labelled(("load", f"{load} ({count})"), ("memory", used))
    if columns is None or width(whole) <= columns:
        return whole
    return _labelled(("load", f"{machine.load[0]:.2f} ({count})"), ("memory", used))


def _requests(traffic: Traffic) -> Line:
    pairs = [("requests", f"{words.rate(traffic.rate)}/s")]
    if traffic.p50 is not None:
        pairs.append(("p50", words.milliseconds(traffic.p50)))
        pairs.append(("p95", words.milliseconds(traffic.p95)))
    line = _labelled(*pairs)
    if not traffic.errors:
        return line
    return (*line, Span(text=f"  {words.rate(traffic.errors)}/s not answered", style=Style.BAD))


def _labelled(*pairs: tuple[str, str]) -> Line:
    spans: list[Span] = []
    for label, text in pairs:
        spans.append(Span(text=f"{'  ' if spans else ''}{label} ", style=Style.DIM))
        spans.append(Span(text=text))
    return tuple(spans)


def _footer(top: int, shown: int, count: int, view: View, columns: int) -> Line:
    keys = ((" q", " quit"), ("  ←→" if not view.ascii_only else "  j/k", f" sort: {view.order}"))
    more = "  ↑↓ scroll" if not view.ascii_only else "  u/d scroll"
    spans = [
        span for key, what in keys for span in (Span(text=key, style=Style.KEY), Span(text=what))
    ]
    if shown < count:
        place = Span(text=f"{top + 1}-{top + shown} of {count} ", style=Style.DIM)
        scroll = Span(text=more, style=Style.KEY)
        return _ends((*spans, scroll), (place,), columns)
    return tuple(spans)


def _ends(left: Line, right: Line, columns: int | None) -> Line:
    """One at the left and one at the right, which gives way where both do not fit."""
    if columns is None:
        return (*left, Span(text="  "), *right)
    blank = columns - width(left) - width(right)
    return (*left, Span(text=" " * blank), *right) if blank > 0 else left
