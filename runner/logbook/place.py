"""Where an app's log is."""

from __future__ import annotations

from pathlib import Path

from runner.app_lock import app_dir
from runner.state.values import App


def log_dir(data_dir: Path, app: App) -> Path:
    """The directory for ``AppLog`` and ``LogReader``."""
    return app_dir(data_dir, app) / "log"


def drains_dir(data_dir: Path, app: App) -> Path:
    """The directory for ``Drains``."""
    return app_dir(data_dir, app) / "drains"
