"""`slugc build SRC -o FILE` and its like, understood without click.

click and what it imports take longer than most steps of a build, so the ways of building that
people type every day are read here. Whatever is not plain (any other option, any mistake, any
request for help) is not judged but left to click, whose options `cli.py` holds; tests compare
the two.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import UsageError

DEFAULT_TIMEOUT = 1500.0  # seconds: Heroku's 25 minutes
DETECT_TIMEOUT = 60.0  # seconds; a detect that thinks longer hangs
FETCH_TIMEOUT = 90.0  # seconds for one source or buildpack
FEWEST_PROCESSES = 16  # the walls around the phases take up to eight themselves
SANDBOX_VARIABLE = "SLUGC_SANDBOX"
FETCH_VARIABLE = "BUILDPACK_FETCH_TIMEOUT"  # as older slug compilers call it

DEFAULTS: Mapping[str, object] = {
    "source": ".",
    "output": None,
    "buildpacks": (),
    "name": None,
    "slug_format": "slug",
    "cache_dir": None,
    "no_cache": False,
    "env": (),
    "env_file": (),
    "trust": (),
    "stack": None,
    "sandbox": None,
    "timeout": DEFAULT_TIMEOUT,
    "detect_timeout": DETECT_TIMEOUT,
    "fetch_timeout": FETCH_TIMEOUT,
    "max_size": "500M",
    "warn_size": "300M",
    "strict_secrets": False,
    "network": "on",
    "memory": None,
    "cpus": None,
    "processes": None,
    "disk": None,
    "files": None,
    "allow_no_processes": False,
    "as_json": False,
    "quiet": False,
    "no_color": False,
}
_TEXTS = {"-o": "output", "--output": "output", "-n": "name", "--name": "name"}
_FLAGS = {
    "--no-cache": "no_cache",
    "--strict-secrets": "strict_secrets",
    "--allow-no-processes": "allow_no_processes",
    "--json": "as_json",
    "-q": "quiet",
    "--quiet": "quiet",
    "--no-color": "no_color",
}


def plain_options(words: Sequence[str], env: Mapping[str, str]) -> Mapping[str, object] | None:
    """What click would hand to `build` for ``words``; None unless they are plain."""
    if not words or words[0] != "build" or SANDBOX_VARIABLE in env or FETCH_VARIABLE in env:
        return None
    found: dict[str, object] = {}
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") and "source" not in found:
            found["source"] = word
        elif word in _FLAGS:
            found[_FLAGS[word]] = True
        elif word in _TEXTS and rest and not rest[0].startswith("-"):
            found[_TEXTS[word]] = rest.pop(0)
        else:
            return None
    return {**DEFAULTS, **found}


def build_plainly(words: Sequence[str]) -> bool:
    """Build what ``words`` ask for and print the result; False unless they are plain."""
    options = plain_options(words, os.environ)
    if options is None:
        return False
    from slugc.build_command import build_from_options

    source = str(options["source"])
    build_from_options(source, options, env=os.environ, cwd=starting_dir(source, options))
    return True


def starting_dir(source: str, options: Mapping[str, object]) -> Path:
    """Where we were started; any place if that is gone, and nothing given is relative to it."""
    given: list[object] = [source, options["output"], options["cache_dir"] or "/"]
    for name in ("buildpacks", "env_file"):
        several = options[name]
        given += several if isinstance(several, tuple) else ()
    try:
        return current_dir()
    except UsageError:
        if all(isinstance(each, str) and (each[:1] == "/" or "://" in each) for each in given):
            return Path("/")
        raise


def current_dir() -> Path:
    """Where we were started."""
    try:
        return Path.cwd()
    except FileNotFoundError as err:
        raise UsageError(
            "The current directory is gone", resolution="Change to one that exists: cd ~"
        ) from err
