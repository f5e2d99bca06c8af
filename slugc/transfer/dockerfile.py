"""A Dockerfile and its context, for platforms that build images themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from buildpack.support.errors import printable
from slugc.transfer.image import (
    APP_HOME,
    APP_USER,
    DEFAULT_PORT,
    PROCESS_LABEL,
    STARTER,
    AppFacts,
    ImageLayer,
    default_type,
)
from slugc.transfer.outputs import write_all
from slugc.transfer.streams import checked

LAYERS = "layers"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def write_dockerfile(
    app: AppFacts, layers: Iterable[ImageLayer], directory: Path, *, base: str, shown: str
) -> None:
    """Fill the empty ``directory``. ``layers`` are gzip: every builder unpacks those."""
    (directory / LAYERS).mkdir()
    files = []
    for number, layer in enumerate(layers):
        # ADD unpacks in the order of its lines; a number says so to a reader too.
        file = f"{LAYERS}/{number}.tar.gz"
        with (directory / file).open("xb") as out:
            write_all(out, checked(layer.blob.read(), layer.blob.digest, where=shown))
        files.append(file)
    text = dockerfile(app, files, base=base)
    (directory / "Dockerfile").write_text(text, encoding="utf-8")
    # Nothing of the context but the layers is needed, whatever is put beside them later.
    (directory / ".dockerignore").write_text(f"*\n!{LAYERS}\n", encoding="utf-8")


def dockerfile(app: AppFacts, files: Iterable[str], *, base: str) -> str:
    """The Dockerfile's text."""
    facts = app.facts
    default = default_type(facts)
    lines = [
        f"# {printable(app.name) or 'An app'}: slug {app.checksum}, written by slugc export.",
        f"ARG STACK_IMAGE={base}",
        "FROM ${STACK_IMAGE}",
        "USER root",
        *(f"ADD {file} /" for file in files),
        "ENV HOME=" + APP_HOME,
        f"ENV STACK={_escaped(facts.stack.id)}",
        *_settings("ENV", facts.config_vars),
        *_settings("LABEL", {f"{PROCESS_LABEL}{k}": v for k, v in facts.process_types.items()}),
        f"USER {APP_USER}",
        f"WORKDIR {APP_HOME}",
        *([f"EXPOSE {DEFAULT_PORT}"] if "web" in facts.process_types else []),
        f"ENTRYPOINT {json.dumps([STARTER])}",
        f"CMD {json.dumps([default] if default else [])}",
    ]
    return "\n".join(lines) + "\n"


def _settings(instruction: str, values: Mapping[str, str]) -> list[str]:
    """What fits on a line of a Dockerfile; STARTER knows the defaults that do not."""
    return [
        f"{instruction} {name}={_escaped(text)}"
        for name, text in sorted(values.items())
        if text.isprintable() and (instruction != "ENV" or _NAME.fullmatch(name))
    ]


def _escaped(text: str) -> str:
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'
