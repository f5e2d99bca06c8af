"""Asks a source's file system, which may be a network mount whose server is gone.

Whoever makes such a call is then deaf to signals until the process ends: Linux lets it wait for
the answer, for ever. So a thread makes it, and who is told of Ctrl-C only waits for the thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from slugc.aside import Aside
from slugc.sources.errors import SourceTimeoutError

T = TypeVar("T")


def reached(function: Callable[[], T], *, shown: str, timeout: float) -> T:
    """What ``function`` returns or raises; SourceTimeoutError after ``timeout`` seconds.

    Ctrl-C ends the wait at once. ``function`` is stopped too, unless the kernel has it; then its
    thread ends with the process.
    """
    call = Aside(function)
    try:
        if not call.ends_within(timeout):
            raise SourceTimeoutError(shown, timeout)
        return call.result()
    except BaseException:  # Ctrl-C too: nobody else stops the thread
        call.stop()
        raise
