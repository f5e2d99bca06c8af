"""Heroku's words for what has another name here, for fingers that know them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from buildpack.support.errors import SlugkitError, UsageError, printable
from runner.requests import COMMANDS

# No process type has a colon in its name, so these are always commands.
ALIASES = {
    "config:add": "config set",
    "config:remove": "config unset",
    "dyno:kill": "stop",
    "dyno:resize": "scale",
    "dyno:restart": "restart",
    "dyno:scale": "scale",
    "dyno:stop": "stop",
    "dyno:type": "scale",
    "local:run": "run",
    "local:start": "start",
    "pipelines:promote": "promote",
    "ps:exec": "exec",
    "ps:kill": "stop",
    "ps:resize": "scale",
    "ps:restart": "restart",
    "ps:scale": "scale",
    "ps:stop": "stop",
    "ps:type": "scale",
    "releases:rollback": "rollback",
    "run:detached": "run --detach",
    "run:inside": "exec",
}
# These may be process types: they are told of only where there is none of that name.
_MEANT = {
    "create": "apps create NAME",
    "destroy": "apps destroy NAME",
    "info": "apps info",
    "list": "apps",
    "local": "start",
    "rename": "apps rename NEW",
}
_NO_SUCH_TYPE = {"no-slug", "several-slugs", "unknown-process-type", "not-deployed"}


class UnknownCommandError(UsageError):
    """A word that is no command, and cannot be a process type."""

    id = "unknown-command"

    def __init__(self, word: str, meant: str = "", *, found: str = "") -> None:
        self.word, self.meant = word, meant
        hint = f"Did you mean:\n\n    slug-run {meant}" if meant else "See:\n\n    slug-run --help"
        super().__init__(
            f"slug-run has no command called '{printable(word)}'",
            details=found,
            resolution=hint,
        )


def spelled_out(word: str) -> Sequence[str]:
    """``config:set`` is ``config set``. Raises UnknownCommandError."""
    if word in ALIASES:
        return ALIASES[word].split()
    first, colon, second = word.partition(":")
    if not colon:
        return (word,)
    if first in COMMANDS:
        return (first, second)
    near = difflib.get_close_matches(word, ALIASES, n=1, cutoff=0.75)
    raise UnknownCommandError(word, ALIASES[near[0]] if near else "")


def explain(words: Sequence[str], error: SlugkitError) -> SlugkitError:
    """``error``, or what is clearer to somebody who meant a command, of ours or of Heroku's."""
    if words and words[0] in _MEANT and error.id in _NO_SUCH_TYPE:
        return UnknownCommandError(words[0], _MEANT[words[0]])
    if words and words[0] not in COMMANDS and error.id == "no-slug":
        near = difflib.get_close_matches(words[0], COMMANDS, n=1, cutoff=0.75)
        if near:
            found = "Nor is there a slug here, which may have such a process type."
            return UnknownCommandError(words[0], near[0], found=found)
    return error
