"""What is said about the Python version once it is settled; never before an error."""

from __future__ import annotations

from datetime import timedelta

from buildpack.support.output import Output
from buildpack.versions.last_version import LastVersion
from buildpack.versions.python_version import (
    ALLOW_EOL,
    KnownVersion,
    PythonVersion,
    VersionOrigin,
    VersionPolicy,
    VersionSource,
    VersionStatus,
    default_series,
)
from buildpack.versions.version_resolver import Resolution

SOON = timedelta(days=180)


def version_warnings(
    resolution: Resolution, version: PythonVersion, policy: VersionPolicy
) -> tuple[str, ...]:
    """What will stop working later, with the lines that change it."""
    entry = policy.known[version.series]
    found = (
        _byte_order_mark(resolution),
        _runtime_txt(resolution, version),
        _outdated(resolution, version, entry),
        _ending(resolution, entry, policy),
    )
    return tuple(text for text in found if text)


def say_version_messages(
    resolution: Resolution,
    version: PythonVersion,
    policy: VersionPolicy,
    last: LastVersion | None,
    out: Output,
) -> None:
    """Warn where the choice will not last; say what has moved on since the last build."""
    for notice in version_notices(resolution, version, policy, last):
        out.notice(notice)
    for warning in version_warnings(resolution, version, policy):
        out.warning(warning)


def version_notices(
    resolution: Resolution,
    version: PythonVersion,
    policy: VersionPolicy,
    last: LastVersion | None,
) -> tuple[str, ...]:
    """What changed, or did not, since the last build."""
    default = default_series(policy.known)
    notices = [
        f"Python {series} of the last build is not used any more\n\n"
        f"{place} does not allow it now. This build uses Python {version.series}."
        for series, place in resolution.passed_over.items()
    ]
    stays = resolution.origin is VersionOrigin.LAST_BUILD
    if stays and last and default not in {last.default, version.series}:
        notices.append(
            f"Your app stays with Python {version.series}, as in its last build\n\n"
            f"Apps that say nothing get Python {default} now. To move to it, or to stay where\n"
            "you are whatever happens to the cache, write the version down:\n\n"
            f"    echo {default} > .python-version\n    echo {version.series} > .python-version"
        )
    return tuple(notices)


def _byte_order_mark(resolution: Resolution) -> str:
    marked = [source.file for source in resolution.sources if source.has_mark]
    if not marked:
        return ""
    return (
        f"Your {marked[0]} begins with a byte order mark\n\nOther tools trip over it. Save the"
        " file as UTF-8 without one."
    )


def _runtime_txt(resolution: Resolution, version: PythonVersion) -> str:
    files = {source.file: source for source in resolution.sources}
    source = files.get(VersionOrigin.RUNTIME_TXT)
    if source is None:
        return ""
    if VersionOrigin.PYTHON_VERSION_FILE in files:
        return (
            "runtime.txt is deprecated\n\nYour .python-version says the same. Remove the other:\n\n"
            "    git rm runtime.txt"
        )
    return (
        "runtime.txt is deprecated\n\nWrite the version into .python-version instead:\n\n"
        f"    echo {source.requested or version.series} > .python-version\n    git rm runtime.txt"
    )


def _outdated(resolution: Resolution, version: PythonVersion, entry: KnownVersion) -> str:
    if not resolution.is_pinned or version >= entry.latest:
        return ""
    source = resolution.decided_by
    if resolution.requested is None or resolution.requested.patch is None:
        source = resolution.limits[0]
    return (
        f"Python {version} is not the newest patch release\n\n"
        f"{source.place}: {source.value}\n\n"
        f"The newest is {entry.latest}. Patch releases correct errors and close\n"
        f"security holes. {how_to_float(source, version.series)}"
    )


def how_to_float(source: VersionSource, series: str) -> str:
    """How to get every new patch release from now on, where the version was written."""
    if source.specifier:
        return f"Allow every patch release of {series} there."
    if source.origin is VersionOrigin.LOCK_FILE:
        return (
            "To get each new one, have\n"
            f'python_version = "{series}" and no python_full_version in your Pipfile, then run:\n\n'
            "    pipenv lock"
        )
    return f"To get each new one:\n\n    echo {series} > .python-version"


def _ending(resolution: Resolution, entry: KnownVersion, policy: VersionPolicy) -> str:
    newest = default_series(policy.known)
    change = _how_to_change(resolution, newest)
    if entry.status is VersionStatus.EOL:
        return (
            f"Python {entry.series} has had no security fixes since {entry.end_of_life}\n\n"
            f"It is used because {ALLOW_EOL} is set. Known holes in it stay\n"
            f"open, and packages no longer support it. {change}"
        )
    if entry.status is VersionStatus.ENDING:
        return (
            f"Python {entry.series} gets no more security fixes\n\n"
            f"They ended on {entry.end_of_life}. Builds with it will be refused after\n"
            f"{entry.refused_after}. {change}"
        )
    if entry.end_of_life - policy.today <= SOON:
        return (
            f"Python {entry.series} gets security fixes until {entry.end_of_life} only\n\n"
            f"Builds with it will be refused after {entry.refused_after}. {change}"
        )
    return ""


def _how_to_change(resolution: Resolution, newest: str) -> str:
    limits = [
        limit.place
        for limit in resolution.limits
        if resolution.requested is None or resolution.origin is VersionOrigin.LOCK_FILE
    ]
    if resolution.origin is VersionOrigin.LOCK_FILE:
        return f'Move on: have python_version = "{newest}" in your Pipfile.'
    if resolution.origin is VersionOrigin.REQUIRES_PYTHON:
        return f"Move on: let {limits[0]} allow {newest}."
    return f"Move on to a newer version:\n\n    echo {newest} > .python-version"
