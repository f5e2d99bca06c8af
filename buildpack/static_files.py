"""The collectstatic step of the build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.django import collect_static_files, reason_to_skip
from buildpack.report import BuildData
from buildpack.support.output import Output
from buildpack.venv import Venv


def collect_static_step(
    build_dir: Path,
    venv: Venv,
    *,
    config_vars: Mapping[str, str],
    env: Mapping[str, str],
    data: BuildData,
    out: Output,
) -> None:
    """Run collectstatic where it applies, and say why where it does not."""
    manage_py, reason = reason_to_skip(build_dir, venv, config_vars)
    if manage_py is None:
        if reason:
            out.step("Collecting Django's static files")
            out.info(reason)
        return
    out.step(f"$ python {manage_py} collectstatic --noinput")
    data.set("django_collectstatic", True)
    with data.timed("django_collectstatic_duration"):
        enabled = collect_static_files(build_dir, manage_py, env, out.info)
    if not enabled:
        out.info("Skipped: django.contrib.staticfiles is not in INSTALLED_APPS.")
