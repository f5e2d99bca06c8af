"""One module for each package manager: what it will install, and how it does that."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from buildpack.installers.base import Installer
    from buildpack.package_manager import PackageManager

MODULES = {
    "pip": "requirements",
    "pip-tools": "pip_tools",
    "uv": "uv_project",
    "poetry": "poetry",
    "pipenv": "pipenv",
    "pdm": "pdm",
    "pylock": "pylock",
    "pyproject": "pyproject",
    "setup.py": "setup_py",
    "script": "script",
}
"""Which module installs for which package manager."""


def load_installer(manager: PackageManager) -> Installer:
    """The module for ``manager``; the others stay unread, because a build needs only one."""
    return cast("Installer", import_module(f"buildpack.installers.{MODULES[manager]}"))
