"""Where keys come from: a file, an environment variable or standard input; never an argument."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from buildpack.support.values import value
from slugc.supply_chain.errors import KeyMissingError, KeyOnCommandLineError, KeyUnusableError

MAX_KEY = 64 * 1024
ENV_PREFIX = "env:"
PASSPHRASE = "SLUGC_KEY_PASSPHRASE"  # noqa: S105  # a variable's name

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.S)


@value
class KeyText:
    """The content of a key file. ``shown`` is how the key was named."""

    shown: str
    content: bytes
    open_to_others: bool = False
    """The file can be read by other users of the machine."""


@value
class Block:
    """One PEM block: what it says it is, and all of its text."""

    label: str
    text: bytes


def read_key(spec: str, env: Mapping[str, str]) -> KeyText:
    """The key that ``spec`` names: ``env:NAME``, ``-`` or a file."""
    if "-----BEGIN" in spec or "\n" in spec:
        raise KeyOnCommandLineError
    if spec == "-":
        return _limited("standard input", sys.stdin.buffer.read(MAX_KEY + 1))
    if spec.startswith(ENV_PREFIX):
        name = spec.removeprefix(ENV_PREFIX)
        if not env.get(name):
            raise KeyMissingError(spec, f"The environment variable {name} is not set.")
        # Many CI systems keep a variable on one line, so \n in it is a line's end.
        return _limited(spec, os.fsencode(env[name].replace("\\n", "\n")))
    return _from_file(Path(spec))


def _from_file(path: Path) -> KeyText:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            found = _limited(str(path), file.read(MAX_KEY + 1))
    except OSError as err:
        raise KeyMissingError(str(path), err.strerror or str(err)) from err
    is_open = stat.S_ISREG(mode) and bool(stat.S_IMODE(mode) & 0o077)
    return KeyText(shown=found.shown, content=found.content, open_to_others=is_open)


def _limited(shown: str, content: bytes) -> KeyText:
    if len(content) > MAX_KEY:
        raise KeyUnusableError(shown, "a key", f"It is larger than {MAX_KEY:,} bytes.")
    return KeyText(shown=shown, content=content)


def blocks(key: KeyText, wanted: str) -> tuple[Block, ...]:
    """The PEM blocks in a key file, of which there must be one at least."""
    content = key.content.replace(b"\r\n", b"\n")
    found = tuple(
        Block(label=match[1].decode("ascii"), text=match[0]) for match in _BLOCK.finditer(content)
    )
    begun = len(_BEGIN.findall(content))
    if begun > len(found):
        raise KeyUnusableError(key.shown, wanted, "Its PEM block is cut short: it has no end.")
    if not found:
        kind = "It is empty." if not content.strip() else "There is no PEM block in it."
        raise KeyUnusableError(key.shown, wanted, kind)
    return found


def passphrase_from(env: Mapping[str, str], ask: Callable[[str], str | None]) -> Passphrase:
    """How a passphrase is come by: the variable, else ``ask``, which may have nobody to ask."""

    def passphrase(shown: str) -> bytes | None:
        given = env.get(PASSPHRASE)
        if given is None:
            given = ask(f"Passphrase of {shown}: ")
        return None if given is None else os.fsencode(given)

    return passphrase


Passphrase = Callable[[str], bytes | None]


def ask_on_terminal(prompt: str) -> str | None:
    """What somebody types at the terminal, unseen; None where there is no terminal."""
    import getpass

    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return None
    return getpass.getpass(prompt)
