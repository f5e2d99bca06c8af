"""What keys mean."""

from __future__ import annotations

from enum import Enum, auto

from buildpack.support.values import changed
from runner.top.figures import Order
from runner.top.picture import View

PAGE = 10
FAR = 1_000_000


class Key(Enum):
    """What a person may want."""

    QUIT = auto()
    NEXT = auto()
    PREVIOUS = auto()
    UP = auto()
    DOWN = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    HOME = auto()
    END = auto()


# As terminals send them: CSI, and SS3 where the cursor keys are in application mode.
_SEQUENCES = {
    "[A": Key.UP, "OA": Key.UP, "[B": Key.DOWN, "OB": Key.DOWN,
    "[C": Key.NEXT, "OC": Key.NEXT, "[D": Key.PREVIOUS, "OD": Key.PREVIOUS,
    "[5~": Key.PAGE_UP, "[6~": Key.PAGE_DOWN,
    "[H": Key.HOME, "OH": Key.HOME, "[1~": Key.HOME, "[F": Key.END, "OF": Key.END, "[4~": Key.END,
}  # fmt: skip
_LETTERS = {
    "q": Key.QUIT, "Q": Key.QUIT, "j": Key.NEXT, "k": Key.PREVIOUS, "\t": Key.NEXT,
    "u": Key.UP, "d": Key.DOWN, " ": Key.PAGE_DOWN, "b": Key.PAGE_UP, "g": Key.HOME, "G": Key.END,
}  # fmt: skip


def parse_keys(typed: str) -> list[Key]:
    """The keys that were pressed; others are ignored."""
    found: list[Key] = []
    while typed:
        if typed[0] == "\x1b":
            size = _sequence_size(typed)
            key = _SEQUENCES.get(typed[1:size])
        else:
            size, key = 1, _LETTERS.get(typed[0])
        if key is not None:
            found.append(key)
        typed = typed[size:]
    return found


def _sequence_size(typed: str) -> int:
    """How many characters the sequence at the beginning has; a lone escape is one."""
    if len(typed) < 2 or typed[1] not in "[O":
        return 1
    size = 2
    while size < len(typed) and not "@" <= typed[size] <= "~":
        size += 1
    return min(size + 1, len(typed))


# Rows to go: down, or up.
_STEPS = {
    Key.UP: -1, Key.DOWN: 1, Key.PAGE_UP: -PAGE, Key.PAGE_DOWN: PAGE,
    Key.HOME: -FAR, Key.END: FAR,
}  # fmt: skip


def followed(view: View, key: Key) -> View:
    """The view after a key; ``picture`` keeps it within what there is."""
    if key in _STEPS:
        return changed(view, top=max(0, view.top + _STEPS[key]))
    orders = list(Order)
    step = {Key.NEXT: 1, Key.PREVIOUS: -1}.get(key, 0)
    order = orders[(orders.index(view.order) + step) % len(orders)]
    return changed(view, order=order, top=0)
