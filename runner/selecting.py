"""One round of a loop over a selector whose keys carry what is to be called."""

from __future__ import annotations

import selectors


def attend_ready(selector: selectors.BaseSelector, timeout: float | None) -> None:
    """Wait, then call for each that is ready what was registered with it.

    Not for what an earlier call of this round has closed: it is asked for by its number, since an
    object that is closed has none any more.
    """
    for key, _ in selector.select(timeout):
        if selector.get_map().get(key.fd) is key:
            key.data()
