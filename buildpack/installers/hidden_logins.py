"""Logins in files of the app that uv reads where they lie: pyproject.toml, locks, scripts.

uv hands what stands there on to git, as an argument, which every user of a machine can read. So for
as long as uv runs, the files are there without it, and git has it from its environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from buildpack.hostile_text import loads_toml
from buildpack.installers.base import Install
from buildpack.installers.git_logins import GIT_URL, login_settings, without_logins
from buildpack.installers.originals import original_of
from buildpack.support import files
from buildpack.support.values import changed

LOGIN = re.compile(rb"https?://[^\s/\"']+@")


@contextmanager
def hidden_logins(install: Install, inputs: Mapping[str, bytes]) -> Iterator[Install]:
    """The installation with git's logins in its environment, and in no file of ``inputs``."""
    urls: list[str] = []
    with ExitStack() as stack:
        for name, content in inputs.items():
            path = install.app_dir / name
            if LOGIN.search(content) and path.is_file() and (found := _urls_with_login(content)):
                stack.enter_context(_replaced(path, _without(path, found)))
                urls += found
        env = login_settings("\n".join(urls), install.env)
        yield changed(install, env={**install.env, **env}) if env else install


def _urls_with_login(content: bytes) -> tuple[str, ...]:
    """Those of repositories, each behind ``git+``."""
    try:
        texts = tuple(_texts(loads_toml(content.decode("utf-8-sig"))))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return ()  # setup.py or setup.cfg
    return tuple(dict.fromkeys(url[0] for text in texts for url in GIT_URL.finditer(text)))


def _texts(value: object, key: str = "", table: str = "") -> Iterator[str]:
    """Every text at any depth; where the key says that it is a repository's URL, with ``git+``."""
    if isinstance(value, str):
        # In [tool.uv.sources] and uv.lock; in pylock.toml.
        yield f"git+{value}" if key == "git" or (table, key) == ("vcs", "url") else value
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _texts(entry, name, key)


def without_logins_in(path: Path) -> str | None:
    """What uv is shown in place of the file; None where that is the file itself."""
    urls = _urls_with_login(path.read_bytes())
    return _without(path, urls) if urls else None


def _without(path: Path, urls: Sequence[str]) -> str:
    text = path.read_text("utf-8")
    for url in (url.removeprefix("git+") for url in urls):
        text = text.replace(url, without_logins(f"git+{url}").removeprefix("git+"))
    return text


@contextmanager
def _replaced(path: Path, text: str) -> Iterator[None]:
    """The file with ``text`` in it, until it is as it was."""
    original = original_of(path)
    try:
        path.rename(original)
        files.write_whole(path, text)
        yield
    finally:
        if os.path.lexists(original):
            original.replace(path)
