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
# What Heroku's command has and this one has not, by the word before a colon: what to do instead.
_SERVICE = """A service of yours is bound by its address; one on this machine is let in by its port:

    slug-run config set DATABASE_URL=postgres://... SLUG_RUN_HOST_PORTS=5432"""
_SOURCE = """A slug is built from a directory, a tarball or a git repository, and then deployed:

    slugc build . -o app.slug
    slug-run deploy app.slug"""
_ACCOUNT = "There is nothing to log in to: apps belong to whoever makes them on this machine."
_NAMES = """Names and certificates are kept by a web server of yours, which passes requests on to
the address that this tells:

    slug-run apps info"""
_INSTEAD = {
    "addons": _SERVICE,
    "auth": _ACCOUNT,
    "buildpacks": "A build names its buildpacks:\n\n    slugc build . -b BUILDPACK -o app.slug",
    "builds": _SOURCE,
    "certs": _NAMES,
    "domains": _NAMES,
    "git": _SOURCE,
    "keys": _ACCOUNT,
    "login": _ACCOUNT,
    "logout": _ACCOUNT,
    "maintenance": "Without web containers requests get a 503:\n\n    slug-run scale web=0",
    "open": "Where an app answers is told by:\n\n    slug-run apps info",
    "pg": _SERVICE,
    "pipelines": "From one app to another:\n\n    slug-run promote --app FROM --to TO",
    "psql": _SERVICE,
    "push": _SOURCE,
    "redis": _SERVICE,
    "stack": "A slug is of the stack it is built on:\n\n    slugc stack --help",
}
_FOUND = {
    "no-slug": "Nor is there a slug here, which may have such a process type.",
    "several-slugs": "If it is a process type, say of which slug here: --slug FILE.",
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
            resolution=_INSTEAD.get(word.partition(":")[0], hint),
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
    if words and words[0] in {*_MEANT, *_INSTEAD} and error.id in _NO_SUCH_TYPE:
        return UnknownCommandError(
            words[0], _MEANT.get(words[0], ""), found=_FOUND.get(error.id, "")
        )
    if words and words[0] not in COMMANDS and error.id == "no-slug":
        near = difflib.get_close_matches(words[0], COMMANDS, n=1, cutoff=0.75)
        if near:
            return UnknownCommandError(words[0], near[0], found=_FOUND[error.id])
    return error
