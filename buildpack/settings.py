"""What the user chose for the build, by config var or in the build machine's environment."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from buildpack.app import App
from buildpack.sizes.trim import TRIM, Trim, parse_trim
from buildpack.support.errors import SlugkitError, printable
from buildpack.support.values import value

PREFIX = "SLUGKIT_"
APP_DIR = "SLUGKIT_APP_DIR"
PACKAGE_MANAGER = "SLUGKIT_PACKAGE_MANAGER"
REQUIREMENTS = "SLUGKIT_REQUIREMENTS"
CLEAR_CACHE = "SLUGKIT_CLEAR_CACHE"


class AppDirError(SlugkitError):
    """SLUGKIT_APP_DIR does not name a directory of the app."""

    id = "settings::app-dir"

    def __init__(self, value: str, reason: str) -> None:
        self.value, self.reason = value, reason
        super().__init__(
            f"{APP_DIR} does not name a directory of your app",
            details=f"Its value is '{printable(value)}', and {reason}.",
            resolution="Give the path from the root of the source to the directory that holds\n"
            f"your app's requirements, such as:\n\n    {APP_DIR}=services/api",
        )


@value
class BuildSettings:
    """Every choice a user can make; empty means the documented rule decides.

    ``app_dir`` is relative to the root of the source, "" for the root itself. ``groups`` are
    dependency groups beside the main dependencies, ``extras`` those of the app itself, ``trim``
    what is left out to make the slug smaller.
    """

    package_manager: str = ""
    app_dir: str = ""
    requirements_files: tuple[str, ...] = ("requirements.txt",)
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    is_test: bool = False
    clears_cache: bool = False
    trim: tuple[Trim, ...] = ()


def read_settings(env: Mapping[str, str], config_vars: Mapping[str, str]) -> BuildSettings:
    """The choices in ``env``; a config var of the app wins over the machine's variable."""
    both = {**env, **config_vars}
    files = _words(both.get(REQUIREMENTS, ""))
    is_test = _is_on(both.get("INSTALL_TEST", ""))
    trim = parse_trim(_words(both.get(TRIM, "")))
    return BuildSettings(
        package_manager=both.get(PACKAGE_MANAGER, "").strip().lower(),
        app_dir=parse_app_dir(both.get(APP_DIR, "")),
        requirements_files=files or ("requirements.txt",),
        groups=_words(both.get("SLUGKIT_GROUPS", "")),
        extras=_words(both.get("SLUGKIT_EXTRAS", "")),
        is_test=is_test,
        clears_cache=_is_on(both.get(CLEAR_CACHE, "")),
        # Tests may use what packages bring for tests, and nobody ships what they run in.
        trim=() if is_test else trim,
    )


def open_app(source_dir: Path, settings: BuildSettings) -> App:
    """The app the settings mean: the source's root, or the directory of it that was chosen."""
    app = App(root=source_dir / settings.app_dir, source=source_dir)
    if not app.has(".") or not app.root.resolve().is_relative_to(source_dir.resolve()):
        raise AppDirError(settings.app_dir, "the source has no such directory")
    return app


def parse_app_dir(value: str) -> str:
    """A path below the root of the source, without ``.`` parts. Raises AppDirError."""
    text = value.strip()
    if "\0" in text or text.startswith("/"):
        raise AppDirError(value, "it must be relative to the root of the source")
    if not text.isprintable() or ":" in text:
        raise AppDirError(value, "no PYTHONPATH of yours can hold all of its characters")
    path = posixpath.normpath(text) if text else ""
    if path == ".." or path.startswith("../"):
        raise AppDirError(value, "it leads out of the source")
    return "" if path == "." else path


def _is_on(text: str) -> bool:
    return text not in {"", "0"}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)
