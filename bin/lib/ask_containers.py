"""Asks a URL until every named container has answered; for ``bin/quickstart --check``.

    ask_containers.py URL PID LOG NAME...

A container is recognised by its name in the page (the fixtures print DYNO). A page that names
none of them counts by the runner's own word: LOG says ``[NAME]`` came up, and the URL answers.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BOOT_LIMIT = 90.0
"""seconds; slug-run gives up by itself after 60"""

ANONYMOUS_AFTER = 40
"""answers without any name in them before the app counts as one that does not say"""


def ask(url: str) -> str | None:
    """The page, whatever its status, or None while nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as response:
            page: bytes = response.read()
    except urllib.error.HTTPError as error:
        # The router's own 502 and 503 mean that no container is up yet.
        return None if error.code in (502, 503) else error.read().decode("utf-8", "replace")
    except OSError:
        return None
    return page.decode("utf-8", "replace")


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def has_come_up(name: str, log: Path) -> bool:
    text = log.read_text(errors="replace")
    return any(f"[{name}]" in line and "to up" in line for line in text.splitlines())


def came_up(url: str, names: list[str], log: Path) -> list[str]:
    """The containers of an app whose page names none, as far as the runner's log goes."""
    up = [name for name in names if has_come_up(name, log)]
    if up == names:
        say(f"{url} answers; up, says slug-run: {', '.join(names)}")
    return up


def ask_all(url: str, pid: int, log: Path, names: list[str]) -> bool:
    waiting, answers = list(names), 0
    deadline = time.monotonic() + BOOT_LIMIT
    while waiting and time.monotonic() < deadline and is_running(pid):
        page = ask(url)
        if page is None:
            time.sleep(0.05)
            continue
        answers += 1
        answering = [name for name in waiting if name in page]
        for name in answering:
            say(f"{name} answers")
        if answers >= ANONYMOUS_AFTER and waiting == names:
            answering = came_up(url, names, log)
        waiting = [name for name in waiting if name not in answering]
        if answers >= ANONYMOUS_AFTER:
            time.sleep(0.05)
    if is_running(pid):  # else the runner's own last words say why
        for name in waiting:
            say(f"{name} has not answered", mark=" !     ")
    return not waiting


def say(line: str, *, mark: str = "       ") -> None:
    sys.stderr.write(f"{mark}{line}\n")


if __name__ == "__main__":
    sys.exit(0 if ask_all(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]) else 1)
