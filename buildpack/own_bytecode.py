"""Keeps the bytecode of the buildpack's modules in the cache.

The checkout may be read-only, and to compile these modules anew takes longer than a whole build in
which nothing has changed. Python's own modules have theirs beside them: with a ``pycache_prefix``
they would be compiled once more, a tenth of a second of a first build. Imports nothing that
Python's start has not loaded, or hardly.
"""

from __future__ import annotations

import encodings
import os
import sys
from importlib.machinery import FileFinder, SourceFileLoader

TYPE_CHECKING = False  # as in typing, which is not loaded yet
if TYPE_CHECKING:
    from types import CodeType

HERE = os.path.dirname(__file__)  # noqa: PTH120 - pathlib is not loaded yet


def keep_bytecode(cache_dir: str) -> None:
    """From now on, unless all of it was made in advance."""
    if _is_made_in_advance():
        return
    prefix = f"{cache_dir}/buildpack-bytecode"
    beside = encodings.__spec__.cached  # a module that is always read from a file
    if beside and not os.path.exists(beside):  # noqa: PTH110 - as above
        # As in images that were made small: what is Python's own would be compiled in every build.
        sys.pycache_prefix, sys.dont_write_bytecode = prefix, False
        return

    class Loader(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType | None:
            sys.pycache_prefix, sys.dont_write_bytecode = prefix, False
            try:
                return super().get_code(fullname)
            except (EOFError, TypeError, ValueError):  # half a file, as a power cut leaves it
                from importlib.util import cache_from_source

                os.unlink(cache_from_source(self.path))  # noqa: PTH108 - as above
                return super().get_code(fullname)
            finally:
                sys.pycache_prefix, sys.dont_write_bytecode = None, True

    def finder(path: str) -> FileFinder:
        if not _is_ours(path):
            raise ImportError
        return FileFinder(path, (Loader, [".py"]))

    sys.path_hooks.insert(0, finder)
    for path in filter(_is_ours, [*sys.path_importer_cache]):
        del sys.path_importer_cache[path]


def _is_ours(directory: str) -> bool:
    return f"{directory}/".startswith(f"{HERE}/")


def _is_made_in_advance() -> bool:
    """Whether these modules were compiled before, as slugc does with its copy of them.

    Such bytecode is marked as never to be checked (PEP 552); what Python writes beside a module
    that happened to be imported is not.
    """
    try:
        with open(__spec__.cached or "", "rb") as file:  # noqa: PTH123 - as above
            return file.read(8)[4:] == b"\1\0\0\0"
    except OSError:
        return False
