"""HTML made of text that is not to be trusted."""

from __future__ import annotations

import html
from collections.abc import Iterable

from buildpack.support.errors import printable


class Markup(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """``text`` as it may stand in an element or in a quoted attribute; no control characters."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(printable(text, limit=4096), quote=True))


def element(name: str, *content: str, **attributes: str) -> Markup:
    """``<name class="...">content</name>``; ``class_`` is ``class``, ``data_x`` is ``data-x``."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(text)}"'
        for key, text in attributes.items()
    )
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """The parts one after the other, each escaped unless it is markup."""
    return Markup("".join(map(escaped, parts)))


def table(
    heads: Iterable[str], rows: Iterable[Iterable[str]], *, caption: str, **attributes: str
) -> Markup:
    """A table whose cells are text or markup; a cell that is a ``<td>`` already stays one."""
    cells = [tuple(map(_cell, row)) for row in rows]
    first = cells[0] if cells else ()
    numeric = {x for x, cell in enumerate(first) if cell.startswith('<td class="n')}
    head = (
        element("th", each, scope="col", **({"class_": "n"} if number in numeric else {}))
        for number, each in enumerate(heads)
    )
    body = (element("tr", *row) for row in cells)
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *body),
        **attributes,
    )


def _cell(content: str) -> Markup:
    if isinstance(content, Markup) and content.startswith(("<td", "<th")):
        return content
    return element("td", content)


def number_cell(shown: str, value: float) -> Markup:
    """A cell that sorts by ``value``."""
    return element("td", shown, class_="n", data_value=f"{value:g}")
