"""Slugs of a few files, for tests of what is said about them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.values import changed
from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug, SlugFacts, SlugFormat
from slugc.store import Store
from slugc.supply_chain.inventory import read_inventory
from slugc.supply_chain.provenance import BUILDER_ID, RememberedRun, provenance_predicate
from slugc.supply_chain.statements import PROVENANCE, encode_statement, file_sha256
from tests.unit.slugc.trees import FACTS

SITE = ".heroku/venv/lib/python3.13/site-packages"
Files = Mapping[str, str | bytes]


def distribution(
    name: str,
    version: str,
    metadata: str = "",
    *,
    site: str = SITE,
    tags: tuple[str, ...] = ("py3-none-any",),
    **files: str,
) -> dict[str, str]:
    """An installed wheel: its modules, METADATA, WHEEL and a RECORD that is true."""
    info = f"{name}-{version}.dist-info"
    text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}\nDescription\n"
    wheel = "Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in tags)
    content = {f"{name}/__init__.py": f"# {name}\n", f"{info}/METADATA": text}
    content |= {f"{info}/WHEEL": wheel, **{k.replace("__", "/"): v for k, v in files.items()}}
    rows = [f"{path},sha256={_encoded(text)},{len(text)}" for path, text in content.items()]
    rows += [f"{info}/RECORD,,", f"{info}/INSTALLER,sha256=x,2"]
    content |= {f"{info}/RECORD": "\n".join(rows) + "\n", f"{info}/INSTALLER": "uv"}
    return {f"{site}/{path}": text for path, text in content.items()}


def _encoded(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def changelog(package: str, version: str) -> bytes:
    """What a Debian package leaves in its documentation."""
    text = f"{package} ({version}) bookworm; urgency=medium\n\n  * Changes.\n"
    return gzip.compress(text.encode(), mtime=0)


FLASK = distribution(
    "flask",
    "3.1.3",
    "Summary: A framework\nLicense-Expression: BSD-3-Clause\nRequires-Dist: werkzeug>=3\n",
)
WERKZEUG = distribution("Werkzeug", "3.1.4", "Classifier: License :: OSI Approved :: MIT License\n")
NODE = {
    "node_modules/left-pad/package.json": json.dumps(
        {"name": "left-pad", "version": "1.3.0", "license": "WTFPL", "description": "Pads"}
    ),
    "node_modules/left-pad/index.js": "module.exports = 1\n",
    "node_modules/@scope/tool/package.json": json.dumps(
        {"name": "@scope/tool", "version": "2.0.0"}
    ),
}
APP = {"Procfile": "web: gunicorn app:app\n", "app.py": "print('hello')\n"}
RUNTIME = {".heroku/python/lib/os.py": "import sys\n", ".heroku/python/bin/python3.13": "elf"}


def make_slug(
    where: Path,
    files: Files,
    *,
    facts: SlugFacts = FACTS,
    slug_format: SlugFormat = SlugFormat.ZSTD,
    **given: object,
) -> Slug:
    """A slug of these files; ``given`` are facts that differ."""
    tree = where / "tree"
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    told = changed(facts, **given)
    store = Store(where / "store")
    return write_slug(tree, where / "polls.slug", facts=told, store=store, format=slug_format).slug


def provenance(
    slug: Slug, *, builder_id: str = BUILDER_ID, run: RememberedRun | None = None
) -> bytes:
    """The statement that would be signed about the file of ``slug``."""
    predicate = provenance_predicate(slug, read_inventory(slug), builder_id=builder_id, run=run)
    return encode_statement(slug.archive.name, file_sha256(slug), PROVENANCE, predicate)
