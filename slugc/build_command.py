"""From the options of ``slugc build`` to a request, and from its result to what is printed."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, UsageError, printable, printable_path
from buildpack.support.values import changed
from slugc.archive.limits import DEFAULT_LIMITS
from slugc.build_request import BuildRequest, BuiltSlug
from slugc.build_space import space_name
from slugc.builder import build_slug
from slugc.buildpacks.choice import Choice, asked_for
from slugc.buildpacks.errors import PhaseFailedError
from slugc.buildpacks.places import known_names
from slugc.config_vars import gather_config_vars
from slugc.privileges import data_dir
from slugc.progress import Progress, make_progress
from slugc.sandbox.base import NetworkPolicy, SandboxKind
from slugc.sandbox.limits import BuildLimits, parse_size
from slugc.slug import SlugFormat
from slugc.sources.source import Source, parse_source
from slugc.sources.trusted import parse_trusted

_USUAL_SIZES = {"500M": DEFAULT_LIMITS.packed, "300M": 300 * 1000 * 1000}  # the defaults
_YEAR = 365 * 86_400.0
_FEWEST_CPUS = 0.01
APP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class AppNameError(UsageError):
    """A name that could not stand in a path, a label or a host name."""

    id = "app-name"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"'{printable(name)}' is no name for an app",
            resolution="Letters, digits, '-' and '_' are allowed, a letter or digit first, at\n"
            "most 63 in all: slugc build --name polls",
        )


class OutputError(SlugkitError):
    """-o names something a slug cannot be written to."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "output"

    def __init__(self, output: Path, found: str) -> None:
        self.output, self.found = output, found
        super().__init__(
            f"The slug cannot be written to {printable_path(output)}",
            details=found,
            resolution="Give a file: slugc build -o app.slug",
        )


def build_from_options(
    source: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> None:
    """Build, and write to standard output what was asked for: the slug's path, its bytes or
    events, and nothing else."""
    if options["output"] == "-":
        from slugc.to_stdout import build_to_stdout  # few builds go there

        build_to_stdout(source, options, env=env, cwd=cwd)
        return
    built = build_and_show(make_request(source, options, env=env, cwd=cwd), options)
    if options["as_json"] is not True:
        sys.stdout.write(f"{built.slug.archive}\n")
        sys.stdout.flush()


def build_and_show(request: BuildRequest, options: Mapping[str, object]) -> BuiltSlug:
    """Build, and show how it goes in the way the options ask for."""
    progress = _progress(request.env, options)
    with progress:
        try:
            built = build_slug(request, progress)
        except PhaseFailedError as err:
            # Of the other phases only what they wrote in success is shown.
            err.lines_shown = err.phase == "compile" and progress.has_shown_all()
            raise
        progress.event("result", **result_document(built))
    return built


def _progress(env: Mapping[str, str], options: Mapping[str, object]) -> Progress:
    quiet = options["quiet"] is True
    if options["as_json"] is True:
        from slugc.progress_events import JsonLines

        return JsonLines(sys.stdout, quiet=quiet)
    return make_progress(env, quiet=quiet, color=False if options["no_color"] is True else None)


def make_request(
    source_text: str, options: Mapping[str, object], *, env: Mapping[str, str], cwd: Path
) -> BuildRequest:
    """Every default settled and every path absolute; nothing is built yet."""
    timeout = _seconds(options, "timeout")
    source = parse_source(source_text, cwd=cwd, home=env.get("HOME"), timeout=timeout)
    name = _text(options, "name")
    if options["name"] is not None and not APP_NAME.fullmatch(name):
        raise AppNameError(name)
    app = name or source.app_name
    home = data_dir(env)
    config_vars = gather_config_vars(
        _texts(options, "env"), [cwd / file for file in _texts(options, "env_file")]
    )
    cache_dir = _text(options, "cache_dir")
    sandbox = _text(options, "sandbox")
    slug_format = SlugFormat(_text(options, "slug_format"))
    return BuildRequest(
        source=source,
        app=app,
        name=name,
        output=_output(options["output"], f"{app}.{slug_format.value}", cwd=cwd),
        data_dir=home,
        space_root=cwd / cache_dir if cache_dir else _space_root(home, app, source, options),
        env=env,
        trusted=parse_trusted(_texts(options, "trust"), env=env, cwd=cwd),
        buildpacks=named_buildpacks(
            _texts(options, "buildpacks"), config_vars, env=env, cwd=cwd, home=home
        ),
        config_vars=config_vars,
        sandbox=SandboxKind(sandbox) if sandbox else None,
        stack=_text(options, "stack") or None,
        format=slug_format,
        timeout=timeout,
        detect_timeout=_seconds(options, "detect_timeout"),
        fetch_timeout=_seconds(options, "fetch_timeout"),
        limits=changed(DEFAULT_LIMITS, packed=_size(options, "max_size")),
        warn_size=_size(options, "warn_size"),
        strict_secrets=options["strict_secrets"] is True,
        network=NetworkPolicy(_text(options, "network")),
        build_limits=_limits(options),
        keep_cache=options["no_cache"] is not True,
        allow_no_processes=options["allow_no_processes"] is True,
    )


def _limits(options: Mapping[str, object]) -> BuildLimits:
    memory, disk = _text(options, "memory"), _text(options, "disk")
    cpus, processes, files = options["cpus"], options["processes"], options["files"]
    if isinstance(cpus, float) and not _FEWEST_CPUS <= cpus < inf:
        raise UsageError(f"--cpus cannot be {cpus:g}: it is a number, at least {_FEWEST_CPUS:g}")
    return BuildLimits(
        memory=parse_size(memory, "--memory") if memory else None,
        cpus=cpus if isinstance(cpus, float) else None,
        processes=processes if isinstance(processes, int) else None,
        disk=parse_size(disk, "--disk", smallest=1) if disk else None,
        files=files if isinstance(files, int) else None,
    )


def named_buildpacks(
    words: Sequence[str],
    config_vars: Mapping[str, str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    home: Path,
) -> Choice | None:
    """The buildpacks that options and variables name, if they do."""
    return asked_for(
        words, config_vars=config_vars, env=env, cwd=cwd, known=lambda: known_names(home, env)
    )


def _space_root(home: Path, app: str, source: Source, options: Mapping[str, object]) -> Path:
    """A container has other interpreters than this host: its builds have their own cache."""
    name = space_name(app, source.place)
    if _text(options, "sandbox") == SandboxKind.DOCKER:
        name = "-".join(filter(None, (name, "docker", _text(options, "stack").replace("/", "-"))))
    return home / "cache" / name


def _output(given: object, default: str, *, cwd: Path) -> Path:
    output = cwd / (given if isinstance(given, str) else default)
    if output.is_dir():
        raise OutputError(output, "It is a directory.")
    if not output.parent.is_dir():
        raise OutputError(output, f"There is no directory {printable_path(output.parent)}.")
    if output.exists() and not output.is_file():  # /dev/null would be lost to the whole machine
        raise OutputError(output, "It is no regular file.")
    return output


def result_document(built: BuiltSlug) -> Mapping[str, object]:
    """The result, for programs."""
    metadata = built.slug.metadata
    return {
        "ok": True,
        "slug": str(built.slug.archive),
        "size": built.size,
        "checksum": metadata.checksum,
        "unchanged": built.unchanged,
        "sandbox": built.sandbox,
        "stack": metadata.stack.id,
        "python_version": metadata.python_version,
        "commit": metadata.commit,
        "buildpacks": [
            {"name": record.name, "version": record.version, "source": record.source}
            for record in metadata.buildpacks
        ],
        "process_types": dict(metadata.process_types),
        "duration": round(built.duration, 3),
    }


def _text(options: Mapping[str, object], key: str) -> str:
    value = options[key]
    return value if isinstance(value, str) else ""


def _texts(options: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = options[key]
    return tuple(str(text) for text in value) if isinstance(value, tuple) else ()


def _size(options: Mapping[str, object], key: str) -> int:
    text = _text(options, key)
    if text in _USUAL_SIZES:
        return _USUAL_SIZES[text]
    from slugc.upkeep.units import DiskSizeError, parse_disk_size

    flag = f"--{key.replace('_', '-')}"
    size = parse_disk_size(text, flag)
    if size == 0:
        raise DiskSizeError(text, flag)
    return size


def _seconds(options: Mapping[str, object], key: str) -> float:
    seconds = options[key]
    assert isinstance(seconds, float)
    if not 0 < seconds <= _YEAR:  # which no NaN is, either
        what = "seconds, above 0 and at most those of a year"
        raise UsageError(
            f"--{key.replace('_', '-')} cannot be {seconds:g}: it is a number of {what}"
        )
    return seconds
