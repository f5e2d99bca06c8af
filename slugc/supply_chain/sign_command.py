"""``slugc sign`` behind its command line: options in, one text for standard output out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from buildpack.support.errors import (
    ExitCode,
    SlugkitError,
    UsageError,
    printable,
    printable_path,
)
from buildpack.support.output import Output, wants_color
from slugc.history import find_build
from slugc.privileges import data_dir
from slugc.slug import Slug, read_slug
from slugc.supply_chain.keys import ask_on_terminal, passphrase_from
from slugc.supply_chain.provenance import BUILDER_ID, RememberedRun
from slugc.supply_chain.sign import (
    make_keys,
    new_passphrase,
    read_private_keys,
    sign_slug,
)

_URI = "[A-Za-z][A-Za-z0-9+.-]*:[!-~]+"


class BuildNotRememberedError(SlugkitError):
    """Somebody wants the times of a build that this machine knows nothing of."""

    exit_code = ExitCode.NO_INPUT
    id = "build-not-remembered"

    def __init__(self, slug: Path) -> None:
        self.slug = slug
        super().__init__(
            f"This machine does not remember building {printable_path(slug)}",
            details="--times needs the record of the build, which is not part of a slug.",
            resolution="Sign without --times, or where the slug was built.",
        )


def run_sign(slug: Path | None, options: Mapping[str, object], *, env: Mapping[str, str]) -> str:
    """Make keys or sign, whichever was asked for; what to print."""
    if (name := options["new_key"]) is not None:
        _refuse(slug is not None or bool(options["keys"]), "--new-key signs nothing")
        path = Path(cast("str", name))
        _refuse(not path.name, f"'{printable(str(name))}' is no name for a key")
        return _new_key(path, options, env)
    _refuse(slug is None, "There is no slug to sign")
    _refuse(not options["keys"], "There is no key to sign with")
    _refuse(bool(options["passphrase"]), "--passphrase is for --new-key")
    assert slug is not None
    return _sign(read_slug(slug), options, env)


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise UsageError(
            what,
            resolution="Make a pair of keys once, then sign with the private one:\n\n"
            "    slugc sign --new-key deploy\n    slugc sign FILE.slug --key deploy.key",
        )


def _sign(slug: Slug, options: Mapping[str, object], env: Mapping[str, str]) -> str:
    out = Output(out=sys.stderr, err=sys.stderr, color=wants_color(sys.stderr, env))
    builder_id = str(options["builder_id"] or BUILDER_ID)
    _require_uri(builder_id)
    keys = read_private_keys(
        cast("tuple[str, ...]", options["keys"]),
        env,
        passphrase=passphrase_from(env, ask_on_terminal),
        warn=out.warning,
    )
    output = Path(str(options["output"])) if options["output"] else None
    run = _remembered(slug, env) if options["times"] else None
    signed = sign_slug(slug, keys, output=output, builder_id=builder_id, run=run)
    if options["as_json"]:
        found = {"attestations": str(signed.attestations), "sha256": signed.sha256}
        return json.dumps({**found, "keys": signed.keyids})
    out.step(f"Signed sha256:{signed.sha256}")
    for keyid in signed.keyids:
        out.info(f"with key {keyid}")
    return str(signed.attestations)


def _require_uri(text: str) -> None:
    import re

    if not re.fullmatch(_URI, text):
        raise UsageError(
            "The builder's id is no URI",
            details=f"--builder-id {text}",
            resolution="Give one that others know you by: https://ci.example.com/slugs",
        )


def _remembered(slug: Slug, env: Mapping[str, str]) -> RememberedRun:
    record = find_build(data_dir(env), slug.metadata.checksum)
    if record is None:
        raise BuildNotRememberedError(slug.archive)
    finished = datetime.fromisoformat(record.built_at)
    started = finished - timedelta(seconds=record.duration)
    return RememberedRun(
        sandbox=record.sandbox, started=_rfc3339(started), finished=_rfc3339(finished)
    )


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _new_key(name: Path, options: Mapping[str, object], env: Mapping[str, str]) -> str:
    passphrase = new_passphrase(env, ask_on_terminal) if options["passphrase"] else None
    made = make_keys(name, passphrase)
    if options["as_json"]:
        paths = {"private": os.fspath(made.private), "public": os.fspath(made.public)}
        return json.dumps({**paths, "keyid": made.keyid})
    out = Output(out=sys.stderr, err=sys.stderr, color=wants_color(sys.stderr, env))
    out.step(f"Made key {made.keyid}")
    out.info(f"{made.private} signs: keep it to yourself")
    out.info(f"{made.public} checks: give it to everybody")
    return os.fspath(made.public)
