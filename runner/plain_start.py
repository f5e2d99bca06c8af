"""`slug-run web --slug FILE` and its like, understood without click.

click and what it imports take longer than everything else that happens before a container's first
program, so the ways of starting that people type every day are read here. Whatever is not plain
(any other option, any mistake, any request for help) is not judged but left to click, whose
options `cli.py` holds; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runner.requests import COMMANDS, DEFAULTS

_PATH = {"--slug": "slug_file"}
_TEXT = {"-a": "app", "--app": "app", "--engine": "engine", "--count": "count", "-c": "concurrency",
         "--concurrency": "concurrency", "--memory": "memory"}  # fmt: skip
_TEXTS = {"-e": "assignments", "--env": "assignments"}
_PATHS = {"--env-file": "env_files"}
_PORT = "--port"
_FLAGS = {"--no-prefix": "no_prefix", "--no-color": "no_color", "--exit-on-crash": "exit_on_crash"}


def plain_options(words: Sequence[str]) -> Mapping[str, Any] | None:
    """What click would hand to `start` for ``words``; None unless they are plain."""
    if not words or words[0].startswith("-") or words[0] in COMMANDS:
        return None
    if ":" in words[0]:  # config:set, as Heroku spells commands
        return None
    found: dict[str, Any] = {**DEFAULTS}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            found["types"] += (word,)
        elif word in _FLAGS:
            found[_FLAGS[word]] = True
        elif not rest or rest[0].startswith("-") or not _take(found, word, rest.pop(0)):
            return None
    return MappingProxyType(found)


def _take(found: dict[str, Any], option: str, value: str) -> bool:
    """Set the option; False if it is none that is read here, or its value is none for it."""
    from pathlib import Path

    if option in _PATH:
        found[_PATH[option]] = Path(value)
    elif option in _TEXT:
        found[_TEXT[option]] = value
    elif option in _TEXTS:
        found[_TEXTS[option]] += (value,)
    elif option in _PATHS:
        found[_PATHS[option]] += (Path(value),)
    elif option == _PORT and value.isascii() and value.isdecimal() and 0 < int(value) < 65536:
        found["port"] = int(value)
    else:
        return False
    return True


def run_plainly(words: Sequence[str]) -> int | None:
    """Start what ``words`` ask for and give the exit code; None unless they are plain."""
    options = plain_options(words)
    if options is None:
        return None
    import os
    import sys

    from runner.holder import begin_holder

    holder = begin_holder(options["engine"], os.environ)
    try:
        # While its programs do their part:
        from runner.requests import current_dir, start_request
        from runner.session import run_formation

        request = start_request(options, os.environ, current_dir(), commands=COMMANDS)
        outcome = run_formation(request, holder)
    finally:
        if holder is not None:
            holder.close()
    if outcome.reason:
        sys.stderr.write(f"{outcome.reason}\n")
    return outcome.exit_code
