"""Installs the app itself as Poetry does: with Poetry's own backend, whatever it names.

``poetry sync`` links the app's modules from the environment and never asks the backend in
[build-system], which may be another one or missing. uv asks what the project names, so it is given
a project that stands in for the app: its backend builds the app with poetry-core.
"""

from __future__ import annotations

import json

from buildpack.installers.base import Install, OnLine
from buildpack.installers.requirements import install_requirements
from buildpack.support import files

PROJECT = """\
[build-system]
requires = ["poetry-core>=2.1,<3"]
build-backend = "stand_in"
backend-path = ["."]
"""

STAND_IN = '''\
"""Builds the app in {app!r}, whose own backend is not asked."""
import os

from poetry.core.masonry import api


def get_requires_for_build_editable(config_settings=None):
    return []


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    os.chdir({app!r})
    return api.prepare_metadata_for_build_editable(metadata_directory, config_settings)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    os.chdir({app!r})
    return api.build_editable(wheel_directory, config_settings, metadata_directory)
'''


def install_root(install: Install, on_line: OnLine) -> None:
    """Install the app as an editable package built by poetry-core."""
    place = install.scratch_dir / "stand-in"
    place.mkdir()
    (place / "pyproject.toml").write_text(PROJECT, "utf-8")
    (place / "stand_in.py").write_text(STAND_IN.format(app=str(install.app_dir)), "utf-8")
    arguments = ("--no-deps", "-e", str(place))
    install_requirements(install, on_line, arguments=arguments, title="uv pip install -e .")
    for record in sorted(install.venv.site_packages.glob("*.dist-info/direct_url.json")):
        found = json.loads(record.read_text("utf-8"))
        if found.get("url") == place.as_uri():
            text = json.dumps({**found, "url": install.app_dir.as_uri()})
            files.write_atomically(record, text)
