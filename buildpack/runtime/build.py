"""Makes one relocatable Python from an interpreter, compiles what is at hand, and proves it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import partial
from pathlib import Path

from buildpack.bytecode import BytecodeCompiler, has_bytecode, stdlib_groups
from buildpack.runtime.errors import RuntimeBrokenError
from buildpack.runtime.install import COMPILED
from buildpack.runtime.interpreter import Interpreter
from buildpack.runtime.relocate import Relocator
from buildpack.support import files
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, capture
from buildpack.tools import ToolBox
from buildpack.versions.python_version import PythonVersion

PROOF = """\
import sys, zlib, ssl, sqlite3, ctypes, hashlib, json, sysconfig
hashlib.sha256(b""); sysconfig.get_config_vars()
print(json.dumps([sys.version.split()[0], sys.prefix]))
"""


def build_runtime(
    interpreter: Interpreter,
    temporary: Path,
    provider: str,
    reason: str,
    tools: ToolBox,
    cache_dir: Path,
) -> None:
    """Fill ``temporary`` with what a cached runtime is: ``python/`` and the facts about it."""
    home = temporary / "python"
    strip = shutil.which("strip", path="/usr/bin:/bin")
    Relocator(
        interpreter=interpreter,
        target=home,
        patchelf=partial(tools.program, "patchelf"),
        strip=Path(strip) if strip else None,
    ).run()
    is_host = provider == "host"
    facts = {
        "version": str(interpreter.version),
        "provider": provider,
        "reason": reason,
        "build_id": tree_digest(home),
        "stamp": interpreter.stamp if is_host else "",
        "executable": str(interpreter.executable) if is_host else "",
        "stdlib": str(interpreter.stdlib) if is_host else "",
    }
    if is_host and has_bytecode(interpreter.stdlib):
        _compile_stdlib(home, interpreter, facts["build_id"], cache_dir)
        files.write_atomically(temporary / COMPILED, "")
    prove(home, interpreter.version)
    files.write_atomically(temporary / "runtime.json", json.dumps(facts, sort_keys=True))


def _compile_stdlib(home: Path, interpreter: Interpreter, build_id: str, cache_dir: Path) -> None:
    """Now, as it takes a fifth of a second: everything that is started later starts faster."""
    version = interpreter.version
    compiler = BytecodeCompiler(
        python=home / "bin" / f"python{version.series}", build_id=build_id, cache_dir=cache_dir
    )
    stdlib = home / "lib" / f"python{version.series}"
    try:
        compiler.compile(stdlib, stdlib_groups(stdlib), original=interpreter.stdlib)
    except CommandFailedError:
        prove(home, version)  # The better words, if the copy does not work at all.
        raise


def prove(home: Path, version: PythonVersion) -> None:
    """Run the copy once; an interpreter that cannot import the basics is not delivered."""
    command = Command(
        argv=(str(home / "bin" / f"python{version.series}"), "-I", "-S", "-B", "-c", PROOF),
        cwd=Path("/"),
        env={"LC_ALL": "C.UTF-8"},
        timeout=30,
    )
    try:
        found, prefix = json.loads(capture(command))
    except CommandFailedError as err:
        raise RuntimeBrokenError(err.last_lines[-1] if err.last_lines else str(err)) from err
    except CommandTimeoutError as err:
        raise RuntimeBrokenError("it did not answer within 30 seconds") from err
    except (OSError, ValueError) as err:  # for another processor; or it says something else
        raise RuntimeBrokenError(str(err)) from err
    if found != str(version) or Path(prefix) != home:
        raise RuntimeBrokenError(f"the copy says it is Python {found} in {prefix}")


def tree_digest(root: Path) -> str:
    """sha256 over names, kinds and contents; the same tree gives the same digest anywhere."""
    digest = hashlib.sha256()
    top = len(f"{root}/")
    for directory, names, filenames in os.walk(root):
        names.sort()
        for name in sorted(filenames):
            path = Path(directory, name)
            digest.update(f"{path}\0"[top:].encode())
            if path.is_symlink():
                digest.update(f"link {path.readlink()}\0".encode())
            else:
                # Not hashlib.file_digest, whose buffer takes longer than most of these files.
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
