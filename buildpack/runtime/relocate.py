"""Copies an interpreter into a directory from where it runs wherever that directory is moved.

What it takes: the program, its standard library, its headers, libpython, and every shared library
the extension modules need that is not glibc's own. What it leaves: everything an app never imports.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildpack.runtime.interpreter import Interpreter
from buildpack.runtime.libraries import find_libraries
from buildpack.runtime.sysconfigdata import rewrite_sysconfigdata
from buildpack.support.command import Command, capture

LEFT_OUT = frozenset(
    {
        "__pycache__",  # compiled anew, in bytecode.py
        "site-packages",  # the build machine's packages
        "dist-packages",
        "test",  # 137 MB of CPython's own tests
        "tests",
        "idlelib",  # a desktop editor, and what it is drawn with
        "turtledemo",
        "turtle.py",
        "tkinter",
        "ensurepip",  # pip is a build tool
        "lib2to3",
        "pydoc_data",
        "sitecustomize.py",  # Debian's, a link to /etc
        "EXTERNALLY-MANAGED",  # Debian's word to pip about the system's packages
    }
)

LEFT_OUT_MODULES = re.compile(r"(_tkinter|_test.*|_ctypes_test.*|_xx.*|xx.*|nis)\..*so")
"""Extension modules for tests and desktops; nis would drag in Kerberos for a dead protocol."""

GLIBC = re.compile(
    r"(linux-vdso|linux-gate|ld-linux.*|ld64|libc|libm|libmvec|libpthread|libdl|librt|libutil"
    r"|libresolv|libanl|libnss_.*|libBrokenLocale|libthread_db|libgcc_s|libstdc\+\+)\.so(\..*)?"
)
"""Comes with every stack and must match its kernel and its name service: never bundled."""


SYSTEM_PREFIXES = frozenset({Path("/usr"), Path("/usr/local"), Path("/opt")})
"""Name nobody's home, and are too short to be anything but a part of other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocator:
    """Copies ``interpreter`` to ``target``; ``patchelf`` and ``strip`` are programs.

    ``patchelf`` is asked for when all is copied: it may still be on its way.
    """

    interpreter: Interpreter
    target: Path
    patchelf: Callable[[], Path]
    strip: Path | None

    def run(self) -> None:
        """The whole copy, top to bottom."""
        self._copy_program()
        self._copy_stdlib()
        self._copy_headers()
        libraries = self._copy_libraries()
        self._strip_symbols(libraries)
        self._point_at_own_libraries(libraries)
        self._forget_prefix(libraries)
        rewrite_sysconfigdata(
            self._stdlib / f"{self.interpreter.sysconfigdata}.py", self.interpreter.prefix
        )

    @property
    def _series(self) -> str:
        return self.interpreter.version.series

    @property
    def _stdlib(self) -> Path:
        return self.target / "lib" / f"python{self._series}"

    @property
    def _program(self) -> Path:
        return self.target / "bin" / f"python{self._series}"

    def _copy_program(self) -> None:
        self._program.parent.mkdir(parents=True)
        copy_file(self.interpreter.executable, self._program)
        for name in ("python3", "python"):
            (self._program.parent / name).symlink_to(self._program.name)

    def _copy_stdlib(self) -> None:
        copy_tree(self.interpreter.stdlib, self._stdlib)
        (self._stdlib / "site-packages").mkdir()

    def _copy_headers(self) -> None:
        include = self.target / "include" / f"python{self._series}"
        if self.interpreter.include.is_dir():
            copy_tree(self.interpreter.include, include)
            # Debian keeps the real one in a directory named after the processor.
            if self.interpreter.config_header.is_file():
                copy_file(self.interpreter.config_header, include / "pyconfig.h")

    def _elf_files(self) -> list[Path]:
        return [self._program, *sorted((self._stdlib / "lib-dynload").glob("*.so"))]

    def _copy_libraries(self) -> list[Path]:
        """Bundle what the copied files load, as the build machine's loader resolves it."""
        modules = sorted((self.interpreter.stdlib / "lib-dynload").glob("*.so"))
        needed, lacking = find_libraries(
            self.interpreter.executable, [m for m in modules if not _is_left_out(m.name)]
        )
        for module in lacking:
            # Its library is gone from the build machine: it could not be imported.
            (self._stdlib / "lib-dynload" / module.name).unlink()
        bundled = sorted(name for name in needed if not GLIBC.fullmatch(name))
        for name in bundled:
            copy_file(Path(os.path.realpath(needed[name])), self.target / "lib" / name)
        return [self.target / "lib" / name for name in bundled]

    def _strip_symbols(self, libraries: Sequence[Path]) -> None:
        """Debug symbols are two thirds of a home-built Python, and nobody's at run time."""
        if self.strip:
            _run_on((str(self.strip), "--strip-debug"), [*self._elf_files(), *libraries])

    def _point_at_own_libraries(self, libraries: Sequence[Path]) -> None:
        if not libraries:
            self._clear_absolute_runpaths()
            return
        self._set_runpath("$ORIGIN/../lib", [self._program])
        self._set_runpath("$ORIGIN/../..", self._elf_files()[1:])
        self._set_runpath("$ORIGIN", libraries)

    def _forget_prefix(self, libraries: Sequence[Path]) -> None:
        """Overwrite the build machine's directory where programs have it compiled in.

        Python falls back on it only when it finds no standard library beside itself. The last
        component stays: linkers let short strings, such as the version, share the tail of longer
        ones.
        """
        prefix = self.interpreter.prefix
        if prefix in SYSTEM_PREFIXES:
            return
        old = os.fsencode(prefix)
        new = same_length(os.fsencode(prefix.parent)) + b"/" + os.fsencode(prefix.name)
        for file in (*self._elf_files(), *libraries):
            content = file.read_bytes()
            if old in content:
                file.write_bytes(content.replace(old, new))

    def _set_runpath(self, runpath: str, files: Sequence[Path]) -> None:
        _run_on((str(self.patchelf()), "--set-rpath", runpath), files)

    def _clear_absolute_runpaths(self) -> None:
        patchelf = str(self.patchelf())
        for file in self._elf_files():
            command = _command((patchelf, "--print-rpath", str(file)))
            if capture(command).strip().startswith("/"):
                _run_on((patchelf, "--remove-rpath"), [file])


def same_length(path: bytes) -> bytes:
    """A path that leads nowhere, as long as ``path``: text in a program cannot change its size."""
    return (b"/nonexistent" + b"/" * len(path))[: len(path)]


def copy_tree(source: Path, target: Path) -> None:
    """Copy files and directories, links followed, leaving out what no app imports."""
    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if _is_left_out(entry.name):
                continue
            if entry.is_dir():
                copy_tree(Path(entry.path), target / entry.name)
            elif entry.is_file():
                _copy_bytes(entry.path, f"{target}/{entry.name}")


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes; of the mode only "may be run" is kept."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _copy_bytes(os.fspath(source), os.fspath(target))


def _copy_bytes(source: str, target: str) -> None:
    # shutil.copyfile asks the kernel six more questions about each of 1,500 files.
    with open(source, "rb", buffering=0) as old, open(target, "wb", buffering=0) as new:  # noqa: PTH123 - as above
        os.fchmod(new.fileno(), 0o755 if os.access(source, os.X_OK) else 0o644)
        left = os.fstat(old.fileno()).st_size
        while left and (copied := os.sendfile(new.fileno(), old.fileno(), None, left)):
            left -= copied


def _is_left_out(name: str) -> bool:
    is_build_config = name.startswith("config-")
    is_static = name.endswith((".a", ".o", ".pyc", ".exe", ".whl"))
    return (
        name in LEFT_OUT or is_build_config or is_static or bool(LEFT_OUT_MODULES.fullmatch(name))
    )


def _command(argv: tuple[str, ...]) -> Command:
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return Command(argv=argv, cwd=Path("/"), env=env, timeout=60)


def _run_on(argv: tuple[str, ...], files: Sequence[Path]) -> None:
    if files:
        capture(_command((*argv, *(str(path) for path in files))))
