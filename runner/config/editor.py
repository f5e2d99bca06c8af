"""Config vars in the person's own editor, in a file that nobody else can read."""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from buildpack.support.command import Command, CommandNotFoundError, spawn
from buildpack.support.env_file import read_env_file
from buildpack.support.errors import SlugkitError, UsageError, printable, printable_path
from runner.app_lock import app_dir
from runner.app_option import OpenedApp
from runner.config.changes import ConfigChange
from runner.config.written import env_text
from runner.requests import current_dir

DEFAULT_EDITOR = "vi"
HEADER = """\
# The config vars of {app}. Save and leave the editor to set them; a line that you remove is unset.
# NAME=value   NAME='as it is'   NAME="two\\nlines"

"""

T = TypeVar("T")


class EditorError(SlugkitError):
    """The editor did not end well: nothing is changed."""

    id = "editor"

    def __init__(self, editor: str, code: int) -> None:
        self.editor, self.code = editor, code
        how = f"with status {code}" if code >= 0 else f"by signal {-code}"
        super().__init__(
            f"The editor {printable(editor)} ended {how}",
            details="Nothing was changed.",
            resolution="VISUAL or EDITOR names the editor to use.",
        )


class EditorNameError(UsageError):
    """EDITOR is no command line."""

    id = "editor-name"

    def __init__(self, editor: str) -> None:
        self.editor = editor
        super().__init__(
            f"'{printable(editor)}' is not a command for an editor",
            resolution="Name it in EDITOR:\n\n    EDITOR='code --wait' slug-run config edit",
        )


def determine_editor(env: Mapping[str, str]) -> tuple[str, ...]:
    """The words that start the editor: VISUAL, EDITOR, or vi."""
    chosen = env.get("VISUAL") or env.get("EDITOR") or DEFAULT_EDITOR
    try:
        words = tuple(shlex.split(chosen))
    except ValueError as err:
        raise EditorNameError(chosen) from err
    if not words:
        raise EditorNameError(chosen)
    return words


def edit_config(
    opened: OpenedApp,
    before: Mapping[str, str],
    env: Mapping[str, str],
    apply: Callable[[ConfigChange], T],
) -> T:
    """Let the person edit ``before``, and ``apply`` the change. What was written is kept if that
    fails, and the error says where."""
    editor = determine_editor(env)
    original = HEADER.format(app=opened.app.name) + env_text(before)
    path = _private_file(app_dir(opened.data_dir, opened.app), original)
    try:
        _run_editor(editor, path, env)
        done = apply(edited_change(before, read_env_file(path)))
    except BaseException as err:  # Ctrl-C too: what was typed is worth more
        _keep_if_changed(path, original, err)
        raise
    path.unlink(missing_ok=True)
    return done


def edited_change(before: Mapping[str, str], after: Mapping[str, str]) -> ConfigChange:
    """What the person changed, and nothing else: others may have changed the rest meanwhile."""
    assigned = {name: text for name, text in after.items() if before.get(name) != text}
    unset = frozenset(name for name in before if name not in after)
    expected = {name: before.get(name) for name in {*assigned, *unset}}
    return ConfigChange(
        assigned=MappingProxyType(assigned), unset=unset, expected=MappingProxyType(expected)
    )


def _private_file(directory: Path, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="config-", suffix=".env", dir=directory)  # 0600
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor, not a path
        file.write(text)
    return Path(name)


def _run_editor(editor: tuple[str, ...], path: Path, env: Mapping[str, str]) -> None:
    # A handler of ours, not SIG_IGN: that would be inherited. Ctrl-C belongs to the editor.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    cwd = current_dir()
    where = cwd if cwd.is_dir() else path.parent
    command = Command(argv=(*editor, os.fspath(path)), cwd=where, env=env)
    try:
        code = spawn(command, stdin=0, stdout=1, stderr=2, new_session=False).wait()
    except CommandNotFoundError as err:
        raise EditorNameError(" ".join(editor)) from err
    finally:
        signal.signal(signal.SIGINT, before)
    if code != 0:
        raise EditorError(editor[0], code)


def _keep_if_changed(path: Path, original: str, err: BaseException) -> None:
    try:
        is_changed = path.read_bytes() != original.encode()
    except OSError:  # the editor took it away
        return
    if not is_changed:
        path.unlink(missing_ok=True)
    elif isinstance(err, SlugkitError):
        err.resolution += (
            ("\n\n" if err.resolution else "")
            + "What you wrote is kept, where only you can read it. To use it after all:\n\n"
            + f"    slug-run config import --replace {shlex.quote(printable_path(path))}"
        )
