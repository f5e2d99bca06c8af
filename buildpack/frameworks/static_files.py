"""The collectstatic step of the build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.frameworks.django import (
    collect_static_files,
    collectstatic_command,
    reason_to_skip,
    settings_of,
)
from buildpack.frameworks.opened_files import OpenedFiles
from buildpack.frameworks.static_cache import snapshot, static_cache
from buildpack.report import BuildData
from buildpack.support.errors import printable
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.venv import Venv


@value
class StaticFilesRequest:
    """Everything that decides what collectstatic does. ``venv_name`` names its exact packages,
    ``build_dir`` is the app's own directory, ``switch`` the value of DISABLE_COLLECTSTATIC."""

    build_dir: Path
    cache_dir: Path
    venv: Venv
    venv_name: str
    switch: str
    env: Mapping[str, str]


def collect_static_step(request: StaticFilesRequest, data: BuildData, out: Output) -> None:
    """Run collectstatic where it applies, and say why where it does not."""
    manage_py, reason = reason_to_skip(request.build_dir, request.venv, request.switch)
    if manage_py is None:
        if reason:
            out.step("Collecting Django's static files")
            out.info(reason)
        return
    out.step(f"Collecting Django's static files (python {manage_py} collectstatic --noinput)")
    data.set("django_collectstatic", True)
    with data.timed("django_collectstatic_duration"):
        _collect(request, manage_py, out)


def _collect(request: StaticFilesRequest, manage_py: str, out: Output) -> None:
    kept = static_cache(
        request.cache_dir,
        request.build_dir,
        venv_name=request.venv_name,
        manage_py=manage_py,
        env=request.env,
    )
    restored = kept.restore()
    if restored:
        out.info(f"Nothing has changed: using {restored} files collected in an earlier build.")
        return
    before = snapshot(request.build_dir)
    command = collectstatic_command(request.build_dir, request.venv.python, manage_py, request.env)
    with OpenedFiles(request.build_dir) as opened:
        enabled = collect_static_files(command, manage_py, out.info)
        names = opened.names
    if enabled:
        kept.save(before, names)
    else:
        settings = settings_of(request.build_dir, manage_py, request.env)
        of = f" of {printable(settings)}" if settings else ""
        out.info(f"Skipped: django.contrib.staticfiles is not in INSTALLED_APPS{of}.")
