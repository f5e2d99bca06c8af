"""Writes bytecode beside the modules of a buildpack's copy. Runs under the Python of the builds.

Bytecode that lies beside the original, and is that of this very source and Python, is taken over:
our own modules were compiled when slugc was installed, or when it ran before. It is marked as
never to be checked (PEP 552): the copy's digest has pinned the source.

Usage: compile_modules.py COPY [ORIGINAL]
"""

import marshal
import os
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

UNCHECKED_HASH = b"\x01\x00\x00\x00"
HEADER = 16


def modules(top: str) -> "list[str]":
    """Every module below ``top``, relative to it."""
    return [
        os.path.relpath(f"{directory}/{name}", top)
        for directory, _, names in os.walk(top)
        for name in names
        if name.endswith(".py")
    ]


def old_code(path: str, source: bytes) -> "bytes | None":
    """The marshalled code of the module at ``path``, if it was compiled from this ``source``."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes longer than all of this
            status = os.fstat(file.fileno())
            if file.read() != source:
                return None
        with open(cache_from_source(path), "rb") as file:  # noqa: PTH123 - as above
            content = file.read()
    except OSError:
        return None
    times = (0, int(status.st_mtime), status.st_size)
    timed = b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in times)
    hashed = UNCHECKED_HASH + source_hash(source)
    is_valid = content[:4] == MAGIC_NUMBER and content[4:HEADER] in {timed, hashed}
    return content[HEADER:] if is_valid else None


def new_code(name: str, source: bytes) -> "bytes | None":
    """None for a module that is none of this Python's."""
    try:
        return marshal.dumps(compile(source, name, "exec", dont_inherit=True))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None


def main(copy: str, original: str = "") -> None:
    for name in modules(copy):
        with open(f"{copy}/{name}", "rb") as file:  # noqa: PTH123 - as above
            source = file.read()
        code = (original and old_code(f"{original}/{name}", source)) or new_code(name, source)
        if code:
            target = cache_from_source(f"{copy}/{name}")
            os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - as above
            with open(target, "wb") as file:  # noqa: PTH123 - as above
                file.write(MAGIC_NUMBER + UNCHECKED_HASH + source_hash(source) + code)


if __name__ == "__main__":
    main(*sys.argv[1:])
