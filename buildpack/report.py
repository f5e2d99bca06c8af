"""Build data: what happened in the last build, as JSON, also after one that failed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildpack.support import files
from buildpack.support.output import redact

LONGEST_VALUE = 200
Value = str | int | float | bool

KEYS = {
    "cache_restore_duration": "seconds to put runtime and packages into the build directory",
    "cache_save_duration": "seconds to keep what a next build can use",
    "cache_status": "packages: empty, reused",
    "default_web_process": "the web process type of an app without a Procfile",
    "dependencies_count": "distributions installed",
    "dependencies_install_duration": "seconds to install or find the packages",
    "dependencies_size": "bytes of all packages, unpacked and with bytecode",
    "django_collectstatic": "whether collectstatic was started",
    "django_collectstatic_duration": "seconds",
    "failure_detail": "headline of the error that ended the build",
    "failure_reason": "its stable id, such as checks::existing-venv-dir",
    "nltk_downloader": "whether NLTK data was asked for",
    "nltk_downloader_duration": "seconds",
    "package_manager": "who installed: pip, uv, poetry, pipenv, ...",
    "package_manager_install_duration": "seconds to get the tools of the build",
    "pip_tools_version": "as used by this build, where it was",
    "pip_version": "among the app's packages, where it is there",
    "pipenv_version": "among the app's packages, where it is there",
    "poetry_version": "among the app's packages, where it is there",
    "post_compile_hook": "whether the app has bin/post_compile",
    "post_compile_hook_duration": "seconds",
    "pre_compile_hook": "whether the app has bin/pre_compile",
    "pre_compile_hook_duration": "seconds",
    "python_install_duration": "seconds",
    "python_provider": "where the Python came from",
    "python_version": "3.13.1",
    "python_version_files": "every file that asks for a Python version, sorted",
    "python_version_major": "3.13",
    "python_version_origin": "the file that decided",
    "python_version_outdated": "whether a newer patch is known",
    "python_version_pinned": "whether a patch was asked for",
    "python_version_sources": "each of them with what it asks for",
    "python_version_requested": "as asked for, or default",
    "setuptools_version": "among the app's packages, where it is there",
    "total_duration": "seconds",
    "uv_version": "of the installer",
}
"""Every key a report may have, and what it says. Names stay; what a build did not reach is
absent, also after one that failed."""


def data_file(cache_dir: Path) -> Path:
    return cache_dir / "build-data" / "python.json"


class BuildData:
    """Collects facts while the build runs. Not frozen: it is the build's notebook.

    ``secrets`` are values that must not get into a file that others read.
    """

    def __init__(self, *, secrets: tuple[str, ...] = ()) -> None:
        self.started = time.monotonic()
        self.facts: dict[str, Value] = {}
        self.secrets = secrets

    def set(self, name: str, value: Value) -> None:
        # Masked before it is cut: a piece of a secret would not be recognised.
        if isinstance(value, str):
            value = redact(value, self.secrets)[:LONGEST_VALUE]
        self.facts[name] = value

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record how many seconds the block took."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.set(name, round(time.monotonic() - begun, 3))

    def save(self, cache_dir: Path) -> None:
        """Keep the previous build's data as python-prev.json."""
        self.set("total_duration", round(time.monotonic() - self.started, 3))
        target = data_file(cache_dir)
        if target.exists():
            target.replace(target.with_name("python-prev.json"))
        files.write_whole(target, json.dumps(self.facts, sort_keys=True, indent=1) + "\n")


def read_build_data(cache_dir: Path) -> str:
    """The JSON for ``bin/report``: sorted, on one level; ``{}`` before the first build."""
    try:
        return data_file(cache_dir).read_text("utf-8") or "{}\n"  # empty after a power cut
    except FileNotFoundError:
        return "{}\n"
