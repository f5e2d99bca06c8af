"""Compiles groups of Python files to byte-identical .pyc files. Runs under the TARGET Python.

marshal writes a flag where an object has more than one reference, so the bytes depend on what the
interpreter did before. Hence: one process that has done nothing yet forks a child for each group,
each child starts from that same state and walks its files in the order given, and nothing that
differs between builds (paths, schedule, hash seed) reaches a code object.

The standard library was compiled before, when the build machine's Python was installed: where that
bytecode is valid its code objects are taken (a tenth of the work). Then it must not show whether it
was there: a child that has never compiled anything loads all code objects, old and new, from
marshalled bytes, and writes them again.

Usage: compile_pyc.py JOBS_DIR COUNT WORKERS
Job files are JOBS_DIR/0 and so on: NUL-separated root directory, bundle file, the directory the
sources were copied from or nothing, source names.
A bundle is, for each .pyc, its name, a NUL, its length in decimal, a NUL, its bytes.
"""

# Imports only what the bare interpreter has loaded already: pathlib would change its state.
# ruff: noqa: PTH102, PTH105, PTH108, PTH120, PTH123, SIM105, SIM115

import _imp
import gc
import marshal
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER

TYPE_CHECKING = False  # as in typing, which is not loaded yet
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Any

UNCHECKED_HASH = b"\x01\x00\x00\x00"
CHECKED_HASH = b"\x03\x00\x00\x00"
# Before, a frozenset is written in an order that the hash seed decides; later, not proven yet.
RENEWING = ((3, 11), (3, 14))
CODE = type(compile("", "", "exec"))
TAG = "." + sys.implementation.cache_tag + ".pyc"


def pyc_name(name: str) -> str:
    directory, slash, base = name.rpartition("/")
    return directory + slash + "__pycache__/" + base[:-3] + TAG


def compile_code(source: bytes, name: str) -> "CodeType | None":
    """The code of one file, or None for one that does not compile (pip skips those too)."""
    try:
        return compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None


def source_key(source: bytes) -> bytes:
    return _imp.source_hash(int.from_bytes(MAGIC_NUMBER[:4], "little"), source)


def pyc(source: bytes, code: "CodeType") -> bytes:
    return MAGIC_NUMBER + UNCHECKED_HASH + source_key(source) + marshal.dumps(code)


def old_code(source: bytes, path: str) -> "bytes | None":
    """Marshalled code from the bytecode beside ``path``, if it is that of this very source."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if file.read() != source:
                return None
        with open(pyc_name(path), "rb") as file:
            content = file.read()
    except OSError:
        return None
    timed = b"".join(
        (int(number) & 0xFFFFFFFF).to_bytes(4, "little")
        for number in (0, status.st_mtime, status.st_size)
    )
    key = source_key(source)
    is_valid = content[4:16] in (timed, UNCHECKED_HASH + key, CHECKED_HASH + key)
    return content[16:] if is_valid and content[:4] == MAGIC_NUMBER else None


def is_as_made_here(code: "CodeType") -> bool:
    """Whether nothing shows in what circumstances the code was compiled.

    With -X no_debug_ranges it has no columns. In a process that had imported the module already,
    the name of a nested class and the constant of its __qualname__ became two strings, not one.
    """
    if all(position[2] is None for position in code.co_positions()):
        return False
    name = code.co_qualname
    return all(
        is_as_made_here(constant) if isinstance(constant, CODE) else constant is name
        for constant in code.co_consts
        if isinstance(constant, CODE) or (type(constant) is str and constant == name)
    )


def is_usable(marshalled: bytes) -> bool:
    try:
        code = marshal.loads(marshalled)  # noqa: S302  # of the Python we are a copy of
    except (EOFError, ValueError, TypeError):
        return False
    return isinstance(code, CODE) and is_as_made_here(code)


def aside(make: "Callable[[], Any]", file_name: str) -> "Any":
    """What ``make`` returns, made in a child: loading and compiling leave strings behind."""
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            with open(file_name, "wb") as file:
                marshal.dump(make(), file)
            failed = 0
        finally:
            if failed:
                sys.excepthook(*sys.exc_info())
            os._exit(failed)
    if os.waitpid(child, 0)[1]:
        raise ChildProcessError(file_name)
    with open(file_name, "rb") as file:
        return marshal.load(file)  # noqa: S302  # our own


def renewed(names: "list[str]", original: str, file_name: str) -> "Iterator[tuple[str, bytes]]":
    """(name, .pyc) of every file, the same bytes whichever had valid bytecode in ``original``."""
    sources = {name: read(name) for name in names}
    old = {name: old_code(source, original + "/" + name) for name, source in sources.items()}
    usable = aside(lambda: [n for n, code in old.items() if code and is_usable(code)], file_name)
    for name, source in sources.items():
        if name in usable:
            code = marshal.loads(old[name] or b"")  # noqa: S302  # as above
        else:
            code = aside(lambda: compile_code(source, "?"), file_name)  # noqa: B023  # used at once
        if code is not None:
            _imp._fix_co_filename(code, name)  # type: ignore[attr-defined]  # importlib's own
            yield name, pyc(source, code)
    os.unlink(file_name)


def compiled_here(names: "list[str]") -> "Iterator[tuple[str, bytes]]":
    for name in names:
        source = read(name)
        code = compile_code(source, name)
        if code is not None:
            yield name, pyc(source, code)


def read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()


def write(path: str, content: bytes) -> None:
    """Whole or absent: the standard library is compiled while it is in use."""
    temporary = path + ".tmp"
    try:
        file = open(temporary, "wb")
    except FileNotFoundError:
        try:
            os.mkdir(os.path.dirname(path))
        except FileExistsError:
            pass  # by another child: a large package is cut into several groups
        file = open(temporary, "wb")
    with file:
        file.write(content)
    os.replace(temporary, path)


def run_job(job: str) -> None:
    with open(job, encoding="utf-8", errors="surrogateescape") as file:
        root, bundle, original, *names = file.read().split("\0")
    os.chdir(root)
    parts = []
    can_renew = original and RENEWING[0] <= sys.version_info < RENEWING[1]
    pycs = renewed(names, original, bundle + ".codes") if can_renew else compiled_here(names)
    for name, content in pycs:
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
    for number in range(256):
        sys.intern(chr(number))  # one object each, which some of what is compiled interns: "*"
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
