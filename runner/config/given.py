"""Values as they are given: in words, on standard input, in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from buildpack.support.env_file import MAX_BYTES, NAME, EnvFileMissingError, read_bytes
from buildpack.support.errors import printable
from runner.config.changes import EXAMPLE
from runner.config.dialect_names import OURS
from runner.config.dialects import parse_dialect
from runner.config.masking import holds_secret
from runner.config_vars import ConfigVarError

FROM_STDIN = "-"
STDIN_NAME = "standard input"
_MOST_READ = 16 * 1024 * 1024  # far above any limit, far below what would hurt


def given_values(
    words: Sequence[str], stdin: TextIO, *, warn: Callable[[str], None]
) -> Mapping[str, str]:
    """``NAME=VALUE`` words, later ones winning; ``NAME=-`` is read from ``stdin``.

    Raises ConfigVarError, without a value in it.
    """
    problems: list[str] = []
    found: dict[str, str] = {}
    for position, word in enumerate(words, start=1):
        name, equals, text = word.partition("=")
        if not equals:
            # The word may be a secret whose name was forgotten: a plain name alone is shown.
            is_name = NAME.fullmatch(name) and len(name) <= 32
            shown = f"'{name}'" if is_name else f"word {position}"
            problems.append(f"{shown} has no '='")
        found[name] = _as_utf8(text)
    waiting = [name for name, text in found.items() if text == FROM_STDIN]
    if len(waiting) > 1:
        problems.append(f"only one of {', '.join(map(printable, waiting))} can be read from there")
    if problems:
        raise ConfigVarError(problems, example=EXAMPLE)
    for name in waiting:
        found[name] = _read_value(name, stdin)
    _warn_of_visible({name: found[name] for name in found if name not in waiting}, warn)
    return found


def read_files(
    paths: Sequence[Path], dialect: str, *, warn: Callable[[str], None]
) -> Mapping[str, str]:
    """The config vars in env files, later ones winning; ``-`` is standard input."""
    found: dict[str, str] = {}
    for path in paths:
        is_stdin = os.fspath(path) == FROM_STDIN
        name = STDIN_NAME if is_stdin else os.fspath(path)
        content = _read_stdin() if is_stdin else read_bytes(path)
        file = parse_dialect(dialect, content, name)
        for line in file.skipped:
            warn(f"{printable(name)}:{line}: skipped, as {dialect} does; --dialect {OURS} says why")
        found.update(file.config_vars)
    return found


def _read_value(name: str, stdin: TextIO) -> str:
    """All of it but one line end, which is what ``config get`` adds."""
    if stdin.isatty():
        import getpass

        return _as_utf8(getpass.getpass(f"Value of {printable(name)}: "))
    content = stdin.buffer.read(_MOST_READ)
    text = content.decode("utf-8", "surrogateescape")
    return text.removesuffix("\n")


def _read_stdin() -> bytes:
    import sys

    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        path = Path(STDIN_NAME)
        raise EnvFileMissingError(path, f"It is larger than {MAX_BYTES // 1024} KiB.")
    return content


def _as_utf8(text: str) -> str:
    """A word as the bytes it was, whatever encoding this machine's locale names."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _warn_of_visible(found: Mapping[str, str], warn: Callable[[str], None]) -> None:
    for name in sorted(found):
        if holds_secret(name, found[name]):
            warn(
                f"{printable(name)} stood on the command line, where other users can read it, and"
                " your shell keeps it.\n"
                f"Next time: slug-run config set {printable(name)}=- < FILE"
            )
