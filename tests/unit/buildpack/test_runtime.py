"""runtime: where a Python comes from, what is taken of it, and what it forgets."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from buildpack.runtime.build import tree_digest
from buildpack.runtime.errors import PythonUnavailableError
from buildpack.runtime.install import (
    Runtime,
    RuntimeRequest,
    install_runtime,
    read_cached_runtime,
)
from buildpack.runtime.interpreter import Interpreter, find_interpreters, probe
from buildpack.runtime.managed import ManagedBuilds, ProviderFailure, explain
from buildpack.runtime.providers import available_versions, first_managed
from buildpack.runtime.relocate import copy_tree, same_length
from buildpack.runtime.sysconfigdata import rewrite_sysconfigdata, rewrite_variables
from buildpack.support.command import Command, CommandFailedError
from buildpack.support.output import Output
from buildpack.tools import ToolBox
from buildpack.versions.python_version import (
    AllowedVersions,
    PythonVersion,
    RequestedPythonVersion,
    VersionOrigin,
    parse_exact_version,
    read_known_versions,
)

PREFIX = "/home/me/.pyenv/versions/3.13.0"


def asked(minor: int, patch: int | None = None) -> RequestedPythonVersion:
    origin = VersionOrigin.PYTHON_VERSION_FILE
    return RequestedPythonVersion(major=3, minor=minor, patch=patch, origin=origin)


def request(tmp_path: Path, *, asks: RequestedPythonVersion | None, **env: str) -> RuntimeRequest:
    return RuntimeRequest(requested=asks, known=read_known_versions(), env=env, cache_dir=tmp_path)


def test_nothing_of_the_build_machine_is_left_in_the_variables() -> None:
    rewritten = rewrite_variables(
        {
            "prefix": PREFIX,
            "LIBDIR": f"{PREFIX}/lib",
            "LDFLAGS": f"-L{PREFIX}/lib -Wl,-rpath,{PREFIX}/lib -O2",
            "CONFIG_ARGS": f"'--prefix={PREFIX}'",
            "abs_srcdir": "/tmp/python-build.1/Python-3.13.0",
            "CFLAGS": "-I/tmp/python-build.1/Python-3.13.0/Include",
            "NEIGHBOUR": f"{PREFIX}-other",
            "HAVE_FORK": 1,
        },
        PREFIX,
    )
    assert rewritten == {
        "prefix": "@BASE@",
        "LIBDIR": "@BASE@/lib",
        "LDFLAGS": "-L@BASE@/lib -O2",
        "CFLAGS": "-I./Include",
        "NEIGHBOUR": f"{PREFIX}-other",
        "HAVE_FORK": 1,
    }


def test_a_system_prefix_moves_only_where_it_names_a_directory_of_pythons() -> None:
    variables = {"LIBDIR": "/usr/lib", "INSTALL": "/usr/bin/install -c"}
    assert rewrite_variables(variables, "/usr") == {
        "LIBDIR": "@BASE@/lib",
        "INSTALL": "/usr/bin/install -c",
    }


def test_the_rewritten_module_follows_the_interpreter(tmp_path: Path) -> None:
    file = tmp_path / "_sysconfigdata.py"
    file.write_text(f"# x\nbuild_time_vars = {{'LIBDIR': '{PREFIX}/lib', 'N': 1}}\n")
    rewrite_sysconfigdata(file, Path(PREFIX))
    namespace: dict[str, object] = {}
    exec(file.read_text(), namespace)
    assert namespace["build_time_vars"] == {"LIBDIR": f"{sys.base_prefix}/lib", "N": 1}


def test_a_forgotten_path_keeps_its_length() -> None:
    for path in (b"/home/me/.pyenv/versions", b"/opt/py"):
        assert len(same_length(path)) == len(path)
    assert same_length(b"/home/me/.pyenv") == b"/nonexistent///"


def test_a_copy_leaves_out_what_no_app_imports_and_follows_links(tmp_path: Path) -> None:
    source = tmp_path / "lib"
    for name in (
        "os.py", "test/x.py", "idlelib/x.py", "__pycache__/os.pyc", "site-packages/pip.py",
        "config-3.13-x86_64-linux-gnu/Makefile", "libpython3.13.a", "json/tests/x.py",
        "json/__init__.py", "lib-dynload/_tkinter.cpython-313.so", "EXTERNALLY-MANAGED",
        "lib-dynload/_testcapi.cpython-313.so", "lib-dynload/_ssl.cpython-313.so",
    ):  # fmt: skip
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("x")
    (source / "linked.py").symlink_to("os.py")
    copy_tree(source, tmp_path / "copy")
    copied = sorted(str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*.*"))
    assert copied == ["json/__init__.py", "lib-dynload/_ssl.cpython-313.so", "linked.py", "os.py"]
    assert not (tmp_path / "copy" / "linked.py").is_symlink()


def test_shims_venvs_and_broken_programs_are_no_interpreters(tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "python3.99").write_text("#!/bin/sh\nexit 1\n")
    (shims / "python3.99").chmod(0o755)
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin" / "python3.99").symlink_to(sys.executable)
    env = {"PATH": f"{shims}:{venv / 'bin'}:relative", "PYENV_ROOT": str(tmp_path)}
    assert list(find_interpreters("3.99", env, requested=None)) == []


def test_probe_tells_what_an_interpreter_is() -> None:
    executable = Path(os.path.realpath(sys.executable))
    found = probe(executable, "ours")
    assert found is not None
    assert str(found.version) == ".".join(str(part) for part in sys.version_info[:3])
    assert (found.stdlib / "os.py").is_file()


def test_probe_of_what_is_no_python_is_none(tmp_path: Path) -> None:
    assert probe(Path("/bin/true"), "true") is None
    assert probe(tmp_path / "gone", "gone") is None


def test_pyenv_versions_are_asked_newest_first(tmp_path: Path) -> None:
    real = Path(os.path.realpath(sys.executable))
    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for patch in (2, 10, 9):
        bin_dir = tmp_path / "versions" / f"{series}.{patch}" / "bin"
        bin_dir.mkdir(parents=True)
        (bin_dir / f"python{series}").symlink_to(real)
    found = next(find_interpreters(series, {"PYENV_ROOT": str(tmp_path)}, requested=None))
    assert found.label == f"pyenv's {series}.10"


def test_the_environment_chooses_the_providers(tmp_path: Path) -> None:
    assert request(tmp_path, asks=None).providers == ("uv", "host")
    chosen = request(tmp_path, asks=None, SLUGKIT_PYTHON_PROVIDER="host")
    assert chosen.providers == ("host",)
    assert chosen.key != request(tmp_path, asks=None).key


def test_without_a_request_only_stable_versions_are_considered(tmp_path: Path) -> None:
    assert request(tmp_path, asks=None).series == ("3.14", "3.13", "3.12", "3.11")
    assert request(tmp_path, asks=asked(10)).series == ("3.10",)


def cached(tmp_path: Path, executable: Path | None, stamp: str) -> Runtime | None:
    facts = (
        f'{{"version": "3.13.1", "provider": "host", "reason": "r", "build_id": "b",'
        f' "executable": "{executable or ""}", "stamp": "{stamp}", "stdlib": ""}}'
    )
    (tmp_path / "runtime.json").write_text(facts)
    (tmp_path / "python").mkdir(exist_ok=True)
    return read_cached_runtime(tmp_path)


def test_a_cached_runtime_is_forgotten_when_its_interpreter_was_upgraded(tmp_path: Path) -> None:
    program = tmp_path / "python3"
    program.write_text("x")
    facts = program.stat()
    assert cached(tmp_path, program, f"{program}:{facts.st_size}:{facts.st_mtime_ns}")
    assert cached(tmp_path, program, f"{program}:{facts.st_size}:1") is None
    assert cached(tmp_path, tmp_path / "gone", "x") is None


def test_a_cached_runtime_that_a_hook_has_taken_away_is_none(tmp_path: Path) -> None:
    assert cached(tmp_path, None, "")
    (tmp_path / "python").rmdir()
    assert read_cached_runtime(tmp_path) is None


def test_half_a_note_on_a_cached_runtime_is_none(tmp_path: Path) -> None:
    assert cached(tmp_path, None, "")
    whole = (tmp_path / "runtime.json").read_text()
    for text in ("", whole[:40]):
        (tmp_path / "runtime.json").write_text(text)
        assert read_cached_runtime(tmp_path) is None


def test_a_downloaded_runtime_needs_no_interpreter(tmp_path: Path) -> None:
    assert cached(tmp_path, None, "") is not None
    assert read_cached_runtime(tmp_path / "none") is None


def test_a_cached_runtime_that_is_used_again_is_not_the_next_to_be_reaped(tmp_path: Path) -> None:
    wanted = request(tmp_path, asks=asked(13))
    home = tmp_path / "runtimes" / wanted.key
    home.mkdir(parents=True)
    cached(home, None, "")
    os.utime(home, (0, 0))
    tools = ToolBox(directory=tmp_path / "tools", env={})
    runtime, is_cached = install_runtime(wanted, tools, Output())
    assert is_cached
    assert runtime.home == home / "python"
    assert home.stat().st_mtime > 0


def test_tree_digest_sees_names_contents_and_links(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = tree_digest(tmp_path)
    (tmp_path / "b").symlink_to("a")
    second = tree_digest(tmp_path)
    (tmp_path / "b").unlink()
    (tmp_path / "b").symlink_to("c")
    assert len({first, second, tree_digest(tmp_path)}) == 3


def failed(*lines: str) -> CommandFailedError:
    command = Command(argv=("uv",), cwd=Path("/"), env={})
    return CommandFailedError(command, 1, lines)


def test_why_uv_could_not_deliver_is_one_line() -> None:
    error = failed(
        "error: Failed to install cpython-3.13.18-linux-x86_64-gnu",
        "  cause: Failed to download `https://github.com/astral-sh/x.tar.gz`",
        "  cause: dns error",
        "  cause: failed to lookup address information: Name or service not known",
    )
    assert explain(error) == (
        "github.com: failed to lookup address information: Name or service not known"
    )
    assert explain(failed("error: anything")) == "error: anything"


def test_uv_is_told_to_give_up_soon_and_where_its_mirror_is(tmp_path: Path) -> None:
    mirror = {"UV_PYTHON_INSTALL_MIRROR": "file:///mirror", "AWS_SECRET": "x", "HOME": "/h"}
    managed = ManagedBuilds(uv=Path("/uv"), env=mirror, directory=tmp_path)
    command = managed.command("3.13", tmp_path / "t")
    assert command.argv[-3:] == ("--install-dir", str(tmp_path / "t"), "3.13")
    assert command.env["UV_PYTHON_INSTALL_MIRROR"] == "file:///mirror"
    assert command.env["UV_HTTP_RETRIES"] == "0"
    assert "AWS_SECRET" not in command.env


def test_an_unavailable_version_names_the_nearest() -> None:
    versions = [PythonVersion(major=3, minor=m, patch=p) for m, p in ((13, 0), (11, 7), (11, 2))]
    error = PythonUnavailableError(
        asked(11, 3),
        [ProviderFailure("uv", "no network")],
        versions,
        ("3.11",),
        newest=PythonVersion(major=3, minor=11, patch=18),
    )
    assert error.reason_id == "python-version::unknown-patch"
    assert error.text() == (
        "Python 3.11.3 is not available here\n\n"
        "These were asked for it:\n\n  uv: no network\n\n"
        "The newest release of Python 3.11 that we know is 3.11.18.\n\n"
        "The build machine has: 3.11.2, 3.11.7, 3.13.0\n\n"
        "To get the newest patch release of Python 3.11 that can be had, name none:\n\n"
        "    echo 3.11 > .python-version\n\n"
        "Install it on the build machine (for example with pyenv), or let\n"
        "uv download it (see UV_PYTHON_INSTALL_MIRROR for a mirror)."
    )


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (VersionOrigin.PYTHON_VERSION_FILE, "    echo 3.13 > .python-version"),
        (VersionOrigin.RUNTIME_TXT, "    echo 3.13 > .python-version\n    git rm runtime.txt"),
        (VersionOrigin.LOCK_FILE, '    python_version = "3.13" in your Pipfile, then: pipenv lock'),
    ],
)
def test_another_version_is_asked_for_where_the_first_was(origin: VersionOrigin, line: str) -> None:
    wanted = RequestedPythonVersion(major=3, minor=12, patch=None, origin=origin)
    nearest = PythonVersion(major=3, minor=13, patch=0)
    error = PythonUnavailableError(wanted, [], [nearest], ("3.12",), limits=(">=3.12.4",))
    assert f"To use the nearest, name it instead:\n\n{line}\n\n" in error.resolution
    assert "It must also be within the limits of your app: >=3.12.4" in error.details


def limited(tmp_path: Path, *limits: str, series: tuple[str, ...], **env: str) -> RuntimeRequest:
    allowed = AllowedVersions(series=series, wanted=series, limits=limits)
    known = read_known_versions()
    return RuntimeRequest(requested=None, allowed=allowed, known=known, env=env, cache_dir=tmp_path)


def test_limits_choose_among_the_machines_interpreters(tmp_path: Path) -> None:
    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    own = ".".join(str(part) for part in sys.version_info[:3])
    env = {"PATH": str(Path(os.path.realpath(sys.executable)).parent)}
    version = parse_exact_version(own)
    within = limited(tmp_path, f">={own}", series=("3.99", series), **env)
    outside = limited(tmp_path, f"!={own}", series=(series,), **env)
    assert (within.series, within.wanted) == (("3.99", series), ("3.99", series))
    assert (within.accepts(version), outside.accepts(version)) == (True, False)
    assert version in available_versions(within)
    assert version not in available_versions(outside)


class Downloads(ManagedBuilds):
    """Managed builds of the given versions; remembers what it was asked for."""

    asked_for: ClassVar[list[str]] = []

    def install(self, wanted: str) -> Interpreter | ProviderFailure:
        self.asked_for.append(wanted)
        own = probe(Path(os.path.realpath(sys.executable)), "managed")
        assert own is not None
        version = wanted if wanted.count(".") == 2 else f"{wanted}.9"
        return replace(own, version=parse_exact_version(version))


def test_a_managed_build_outside_the_limits_is_passed_over(tmp_path: Path) -> None:
    Downloads.asked_for.clear()
    managed = Downloads(uv=Path("/uv"), env={}, directory=tmp_path)
    allowed = AllowedVersions(
        series=("3.13", "3.12"), wanted=("3.13", "3.12.4"), limits=("<3.13.9", "!=3.12.9")
    )
    wanted = replace(request(tmp_path, asks=None), allowed=allowed)
    found = first_managed(managed, wanted)
    assert isinstance(found, Interpreter)
    assert (str(found.version), Downloads.asked_for) == ("3.12.4", ["3.13", "3.12.4"])
    only = AllowedVersions(series=("3.13",), wanted=("3.13",), limits=("<3.13.9",))
    refused = first_managed(managed, replace(wanted, allowed=only))
    assert isinstance(refused, ProviderFailure)
    assert refused.reason == "its 3.13.9 is outside the limits"


def test_limits_leave_the_key_of_the_cached_runtime_alone(tmp_path: Path) -> None:
    """What the first build chose is found by the second, which asks for the last build's."""
    assert limited(tmp_path, series=("3.13",)).key == request(tmp_path, asks=None).key


@pytest.mark.parametrize("asks", [None, asked(12)])
def test_no_python_at_all_is_said_too(asks: RequestedPythonVersion | None) -> None:
    error = PythonUnavailableError(asks, [], [], ("3.14", "3.11"))
    assert "No other Python was found on the build machine either." in error.resolution
