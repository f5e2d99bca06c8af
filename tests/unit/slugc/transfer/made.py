"""A slug and a stack image of a few files, for tests of what becomes of slugs elsewhere."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug, SlugFacts, SlugFormat
from slugc.store import Store
from slugc.transfer.export import ExportRequest
from slugc.transfer.targets import parse_target
from tests.unit.slugc.trees import FACTS, SMALL, make_tree

OS_RELEASE = 'ID=debian\nVERSION_ID="12"\n'
ELF_X86_64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00"


def make_slug(
    directory: Path,
    *,
    facts: SlugFacts = FACTS,
    kind: SlugFormat = SlugFormat.ZSTD,
    files: Mapping[str, str] = SMALL,
    name: str = "hello",
) -> Slug:
    tree = make_tree(directory / f"tree-{name}", files)
    store = Store(directory / "store")
    output = directory / f"{name}.{kind.value}"
    return write_slug(tree, output, facts=facts, store=store, format=kind).slug


def rootfs(
    path: Path,
    *,
    release: str = OS_RELEASE,
    shell: bytes = ELF_X86_64,
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """The tar of a root file system, with a device as real ones have."""
    files = {"usr/bin/bash": shell, "usr/lib/os-release": release.encode(), **(extra or {})}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        device = tarfile.TarInfo("./dev/null")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
        link = tarfile.TarInfo("./etc/os-release")
        link.type, link.linkname = tarfile.SYMTYPE, "../usr/lib/os-release"
        tar.addfile(link)
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            member.mtime = 1.5  # a PAX header of its own
            tar.addfile(member, io.BytesIO(content))
    return path


def request(
    directory: Path,
    target: str,
    *,
    stack_image: str | None = None,
    **options: object,
) -> ExportRequest:
    return ExportRequest(
        target=parse_target(target, cwd=directory),
        stack_image=stack_image,
        cwd=directory,
        env={"SLUGKIT_HOME": str(directory / "data"), "HOME": str(directory)},
        **options,  # type: ignore[arg-type]  # the options of this test
    )


def manifest_of(layout: Path) -> dict[str, object]:
    """The manifest that a layout's index names."""
    index = json.loads((layout / "index.json").read_bytes())
    found = json.loads(blob_of(layout, index["manifests"][0]["digest"]))
    assert isinstance(found, dict)
    return found


def config_of(layout: Path) -> dict[str, object]:
    manifest = manifest_of(layout)
    config = manifest["config"]
    assert isinstance(config, dict)
    found = json.loads(blob_of(layout, config["digest"]))
    assert isinstance(found, dict)
    return found


def layer_digests(layout: Path) -> list[str]:
    layers = manifest_of(layout)["layers"]
    assert isinstance(layers, list)
    return [layer["digest"] for layer in layers]


def blob_of(layout: Path, digest: str) -> bytes:
    return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


def names(directory: Path) -> list[str]:
    """What lies in a directory, leftovers included."""
    return sorted(path.name for path in directory.iterdir())
