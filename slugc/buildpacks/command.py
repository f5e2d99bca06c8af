"""From the words of ``slugc detect`` and ``slugc buildpacks`` to what they print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.locks import locked
from slugc.build_command import make_request
from slugc.build_environment import build_path
from slugc.build_request import BuildRequest
from slugc.build_space import temporary_space
from slugc.buildpacks.fetch import Buildpack, fetch_buildpack
from slugc.buildpacks.installed import (
    IS_OWN,
    BuildpackNameError,
    Installed,
    check_name,
    default_name,
    install,
    read_installed,
    uninstall,
)
from slugc.buildpacks.places import INSTALLED, STORE, known_names
from slugc.buildpacks.spec import OWN, OWN_NAME, BuildpackSpec, parse_spec
from slugc.buildpacks.trial import describe, try_on_app
from slugc.plain_build import DEFAULTS
from slugc.privileges import data_dir
from slugc.progress import make_progress
from slugc.store import BUILDPACKS_LOCK


class NothingMatchesError(SlugkitError):
    """No buildpack asked recognised the app: `slugc detect` ends with 1."""

    exit_code = ExitCode.FAILED
    id = "nothing-matches"

    def __init__(self, refusals: Mapping[str, Sequence[str]]) -> None:
        self.refusals = dict(refusals)
        reasons = (
            f"- {printable(name)}: {printable(_first(lines), limit=200)}"
            for name, lines in refusals.items()
        )
        super().__init__(
            "No buildpack recognised this app",
            details="\n".join(reasons),
            resolution="Name another with -b, or install one: slugc buildpacks add SPEC",
        )


def _first(lines: Sequence[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "it gave no reason")


def detect(source: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path) -> str:
    """A line for each buildpack that matches, or a document of all."""
    from slugc.buildpacks.detecting import detect_app

    request = _request(source, options, env=env, cwd=cwd)
    with make_progress(env, quiet=True, color=None) as progress:
        found = detect_app(request, progress)
    if not found.matches:
        raise NothingMatchesError(found.refusals)
    if options["as_json"] is not True:
        return "\n".join(f"{match.name}\t{match.buildpack}" for match in found.matches)
    keys = ("name", "buildpack", "source", "version", "digest")
    return json.dumps(
        {
            "matches": [{key: getattr(match, key) for key in keys} for match in found.matches],
            "refused": {name: list(lines) for name, lines in found.refusals.items()},
        }
    )


def lock(source: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path) -> str:
    """Write or check a lock; its path."""
    from slugc.buildpacks.detecting import lock_buildpacks

    request = _request(source, options, env=env, cwd=cwd)
    with make_progress(env, quiet=options["quiet"] is True, color=None) as progress:
        return str(lock_buildpacks(request, progress, update=options["update"] is True))


def add(
    text: str, *, name: str | None, position: int | None, env: Mapping[str, str], cwd: Path
) -> str:
    """Fetch a buildpack and install it; its line in the list."""
    home = data_dir(env)
    spec = _spec(text, home, env=env, cwd=cwd)
    if spec == OWN:  # a copy would stay behind when slugc is brought up to date
        raise BuildpackNameError(
            OWN_NAME, IS_OWN, "It is asked last. To have it alone: -b " + OWN_NAME
        )
    chosen = name or spec.name or default_name(spec)
    check_name(chosen)
    buildpack = _fetched(spec, home, env, store=INSTALLED)
    added = Installed(
        name=chosen,
        source=buildpack.source,
        version=buildpack.version,
        digest=buildpack.digest,
    )
    install(home, added, position=position)
    return f"{added.name}  {_origin(added)}"


def remove(name: str, *, env: Mapping[str, str]) -> None:
    """Take one off the list."""
    uninstall(data_dir(env), name)


def listing(env: Mapping[str, str], *, as_json: bool) -> str:
    """The installed buildpacks in the order in which they are asked, our own last."""
    from buildpack.version import __version__

    found = read_installed(data_dir(env))
    if as_json:
        keys = ("name", "source", "version", "digest")
        documents: list[object] = [{key: getattr(one, key) for key in keys} for one in found]
        # Its digest is that of a copy, which is made when it is used.
        own = {"name": OWN_NAME, "source": OWN_NAME, "version": __version__, "digest": None}
        return json.dumps([*documents, own])
    from slugc.upkeep.units import in_columns

    rows = [(one.name, _origin(one)) for one in found]
    rows.append((OWN_NAME, f"{__version__}, part of slugc"))
    return in_columns([(f"{number:>2}", *row) for number, row in enumerate(rows, start=1)])[:-1]


def trial(
    text: str,
    app: str | None,
    options: Mapping[str, object],
    *,
    env: Mapping[str, str],
    cwd: Path,
) -> str:
    """Check a buildpack, and build an app with it if one is given."""
    home = data_dir(env)
    spec = _spec(text, home, env=env, cwd=cwd)
    lines = list(describe(_fetched(spec, home, env)))
    if app is not None:
        request = _request(app, options, env=env, cwd=cwd)
        with make_progress(env, quiet=options["quiet"] is True, color=None) as progress:
            try_on_app(request, spec, progress, lines.append)
    return "\n".join(lines)


def _request(
    source: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> BuildRequest:
    return make_request(source, {**DEFAULTS, **options}, env=env, cwd=cwd)


def _spec(text: str, home: Path, *, env: Mapping[str, str], cwd: Path) -> BuildpackSpec:
    return parse_spec(text, cwd=cwd, known=known_names(home, env))


def _fetched(
    spec: BuildpackSpec, home: Path, env: Mapping[str, str], *, store: str = STORE
) -> Buildpack:
    """The buildpack in a store of ours, by its content."""
    with temporary_space(home) as space, locked(home / BUILDPACKS_LOCK, shared=True):
        return fetch_buildpack(
            spec, store=home / store, scratch=space.scratch_dir, env=env, path=build_path()
        )


def _origin(one: Installed) -> str:
    version = f" at {printable(one.version)}" if one.version else ""
    return f"{printable(one.source, limit=4096)}{version} ({one.digest[:19]})"
