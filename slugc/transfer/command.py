"""What ``slugc export``, ``rebase`` and ``import`` do with their words: options to requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import UsageError, printable_path
from slugc.build_command import APP_NAME, AppNameError
from slugc.progress import make_progress
from slugc.slug import SlugFormat, read_slug
from slugc.sources.git.urls import shown_url
from slugc.transfer.export import Exported, ExportRequest, export_slug
from slugc.transfer.rebase import rebase
from slugc.transfer.slug_import import ImportRequest, import_slug
from slugc.transfer.streams import Compression
from slugc.transfer.targets import Transport, parse_target

Options = Mapping[str, object]


def export_from_options(
    slug: str, target: str, options: Options, *, env: Mapping[str, str], cwd: Path
) -> str:
    """Export, and return what is printed: where it is, or nothing if it went there."""
    request = _export_request(target, options, env, cwd)
    with make_progress(env, quiet=options["quiet"] is True, color=None) as progress:
        progress.step(f"Exporting {Path(slug).name} to {request.target.shown}")
        exported = export_slug(read_slug(cwd / slug), request, progress.info)
    return _shown(exported, options)


def rebase_from_options(
    image: str, target: str, options: Options, *, env: Mapping[str, str], cwd: Path
) -> str:
    """Rebase, and return what is printed."""
    request = _export_request(target, options, env, cwd)
    with make_progress(env, quiet=options["quiet"] is True, color=None) as progress:
        progress.step(f"Rebasing {image} to {request.target.shown}")
        exported = rebase(image, request, progress.info)
    return _shown(exported, options)


def import_from_options(source: str, options: Options, *, env: Mapping[str, str], cwd: Path) -> str:
    """Import, and return what is printed: the slug's path."""
    if not source:  # as from "$SLUG", where nobody set it: never the directory we are in
        raise UsageError("slugc import needs SOURCE, and it is empty")
    name = _text(options, "name")
    if name and not APP_NAME.fullmatch(name):
        raise AppNameError(name)
    output = _text(options, "output")
    request = ImportRequest(
        source=source,
        output=cwd / output if output else None,
        name=name,
        stack=_text(options, "stack"),
        format=SlugFormat(_text(options, "slug_format") or SlugFormat.ZSTD.value),
        cwd=cwd,
        env=env,
        force=options["force"] is True,
        plain_http=options["plain_http"] is True,
    )
    with make_progress(env, quiet=options["quiet"] is True, color=None) as progress:
        progress.step(f"Importing {printable_path(shown_url(source))}")
        slug = import_slug(request, progress.info)
    if options["as_json"] is not True:
        return str(slug.archive)
    metadata = slug.metadata
    return json.dumps(
        {
            "event": "result",
            "ok": True,
            "slug": str(slug.archive),
            "checksum": metadata.checksum,
            "stack": metadata.stack.id,
            "process_types": dict(metadata.process_types),
        }
    )


def _export_request(
    target: str, options: Options, env: Mapping[str, str], cwd: Path
) -> ExportRequest:
    compression = _text(options, "compression")
    return ExportRequest(
        target=parse_target(target, cwd=cwd),
        stack_image=_text(options, "stack_image"),
        cwd=cwd,
        env=env,
        compression=Compression(compression) if compression else None,
        tag=_text(options, "tag"),
        force=options["force"] is True,
        plain_http=options["plain_http"] is True,
        attach=options.get("attach") is True,
    )


def _shown(exported: Exported, options: Options) -> str:
    target = exported.target
    if target.is_stdout:
        return ""
    if options["as_json"] is True:
        place = target.shown
        return json.dumps(
            {"event": "result", "ok": True, "target": place, "digest": exported.digest}
        )
    if target.transport is Transport.REGISTRY:
        return f"{target.place}@{exported.digest}"
    return target.place


def _text(options: Options, name: str) -> str | None:
    found = options.get(name)
    return found if isinstance(found, str) and found else None
