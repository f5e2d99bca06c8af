"""Compiles groups of Python files to byte-identical .pyc files. Runs under the TARGET Python.

marshal writes a flag where an object has more than one reference, so the bytes depend on what the
interpreter did before. Hence: one process that has done nothing yet forks a child for each group,
each child starts from that same state and walks its files in the order given, and nothing that
differs between builds (paths, schedule, hash seed) reaches a code object.

Usage: compile_pyc.py JOBS_DIR COUNT WORKERS
Job files are JOBS_DIR/0 and so on: NUL-separated root directory, bundle file, source names.
A bundle is, for each .pyc, its name, a NUL, its length in decimal, a NUL, its bytes.
"""

# Imports only what the bare interpreter has loaded already: pathlib would change its state.
# ruff: noqa: PTH102, PTH105, PTH120, PTH123, SIM115

import _imp
import gc
import marshal
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER

UNCHECKED_HASH = b"\x01\x00\x00\x00"
TAG = "." + sys.implementation.cache_tag + ".pyc"


def pyc_name(name: str) -> str:
    directory, slash, base = name.rpartition("/")
    return directory + slash + "__pycache__/" + base[:-3] + TAG


def compile_source(source: bytes, name: str) -> "bytes | None":
    """The .pyc of one file, or None for one that does not compile (pip skips those too)."""
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None
    key = int.from_bytes(MAGIC_NUMBER[:4], "little")
    return MAGIC_NUMBER + UNCHECKED_HASH + _imp.source_hash(key, source) + marshal.dumps(code)


def write(path: str, content: bytes) -> None:
    """Whole or absent: the standard library is compiled while it is in use."""
    temporary = path + ".tmp"
    try:
        file = open(temporary, "wb")
    except FileNotFoundError:
        os.mkdir(os.path.dirname(path))
        file = open(temporary, "wb")
    with file:
        file.write(content)
    os.replace(temporary, path)


def run_job(job: str) -> None:
    with open(job, encoding="utf-8", errors="surrogateescape") as file:
        root, bundle, *names = file.read().split("\0")
    os.chdir(root)
    parts = []
    for name in names:
        with open(name, "rb") as file:
            source = file.read()
        content = compile_source(source, name)
        if content is not None:
            target = pyc_name(name)
            write(target, content)
            head = target + "\0" + str(len(content)) + "\0"
            parts.append(head.encode("utf-8", "surrogateescape") + content)
    with open(bundle, "wb") as file:
        file.writelines(parts)


def main() -> int:
    jobs_dir, count, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.setrecursionlimit(5000)
    gc.disable()
    gc.freeze()
    running = failed = 0
    for number in range(count):
        if running == workers:
            failed |= os.wait()[1]
            running -= 1
        if os.fork() == 0:
            code = 1
            try:
                run_job(jobs_dir + "/" + str(number))
                code = 0
            finally:
                sys.stderr.flush()
                if code:
                    sys.excepthook(*sys.exc_info())
                os._exit(code)
        running += 1
    while running:
        failed |= os.wait()[1]
        running -= 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
