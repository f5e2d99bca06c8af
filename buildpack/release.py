"""What the app should run if it has no Procfile: a web server, where we can tell which."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildpack.app_dir import process_types_of, read_app_dir
from buildpack.frameworks.procfile_tools import absent_tools_warning
from buildpack.report import BuildData
from buildpack.support.output import Output

if TYPE_CHECKING:
    from buildpack.frameworks.web_process import WebProcess


MISSPELT_PROCFILES = frozenset(
    {"procfile", "PROCFILE", "ProcFile", "Procfile.txt", "procfile.txt", "Procfile.yml"}
)


def has_procfile(build_dir: Path, app_dir: str) -> bool:
    return any((directory / "Procfile").exists() for directory in (build_dir, build_dir / app_dir))


def default_web_process(build_dir: Path, app_dir: str = "") -> WebProcess | None:
    """The web process we suggest; None for an app with a Procfile, which says all there is."""
    if has_procfile(build_dir, app_dir):
        return None
    from buildpack.frameworks.web_process import find_venv, find_web_process

    venv = find_venv(build_dir)
    return find_web_process(build_dir, venv, app_dir) if venv else None


def default_process_types(build_dir: Path) -> Mapping[str, str]:
    """The process types of a built app; empty when nothing is certain.

    An app in a subdirectory has its Procfile there, where nobody else looks for it.
    """
    app_dir = read_app_dir(build_dir)
    declared = process_types_of(build_dir, app_dir)
    if declared:
        return declared
    found = default_web_process(build_dir, app_dir)
    return {"web": found.command} if found else {}


def web_process_step(build_dir: Path, data: BuildData, out: Output) -> None:
    """Show during the build what ``bin/release`` will say, or why it will say nothing."""
    app_dir = read_app_dir(build_dir)
    if has_procfile(build_dir, app_dir):
        for directory in dict.fromkeys((build_dir, build_dir / app_dir)):
            if warning := absent_tools_warning(build_dir, directory / "Procfile"):
                out.warning(warning)
        return
    for name in sorted(MISSPELT_PROCFILES.intersection(os.listdir(build_dir / app_dir))):  # noqa: PTH208
        out.warning(f"Your Procfile is not called Procfile\n\n    git mv {name} Procfile")
    found = default_web_process(build_dir, app_dir)
    if found is None:
        _say_why_none(build_dir, app_dir, out)
        return
    data.set("default_web_process", found.command)
    out.step(f"Default web process ({found.reason}, and no Procfile)")
    out.info(f"web: {found.command}")
    out.info("For another, add a Procfile to your app: it wins over this.")


def _say_why_none(build_dir: Path, app_dir: str, out: Output) -> None:
    from buildpack.frameworks.web_process import example_for, find_venv, why_no_web_process

    venv = find_venv(build_dir)
    why = why_no_web_process(build_dir, venv, app_dir) if venv else ""
    if venv and why:
        server, command = example_for(venv)
        out.step("No web process (the app has no Procfile)")
        out.info(why)
        out.info(f"Say in a Procfile what to run. With {server}, for example:")
        out.info(f"web: {command}")


def release_yaml(process_types: Mapping[str, str]) -> str:
    """The answer of ``bin/release``. A JSON string is a YAML string, with its escapes.

    Not those for characters beyond U+FFFF, which are two in JSON and one in YAML.
    """
    if not process_types:
        return "--- {}\n"
    lines = [f"  {name}: {_yaml(command)}" for name, command in process_types.items()]
    return "\n".join(["---", "default_process_types:", *lines, ""])


def _yaml(text: str) -> str:
    parts = (c if c > "\x7f" and c.isprintable() else json.dumps(c)[1:-1] for c in text)
    return '"' + "".join(parts) + '"'
