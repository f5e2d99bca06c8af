"""A rebased image is the image that an export onto the new base would have made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.transfer.app_facts import NotOurImageError
from slugc.transfer.base_image import StackImageMismatchError
from slugc.transfer.export import export_slug
from slugc.transfer.rebase import NotAnImageTargetError, rebase
from tests.unit.slugc.transfer.made import (
    config_of,
    layer_digests,
    make_slug,
    request,
    rootfs,
)


def quiet(_line: str) -> None:
    """Nobody listens."""


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An image on the old base."""
    base = rootfs(tmp_path / "old.tar", extra={"old": b"1"})
    export_slug(make_slug(tmp_path), request(tmp_path, "oci:old", stack_image=str(base)), quiet)
    return tmp_path / "old"


def test_only_the_base_and_the_configuration_change(tmp_path: Path, exported: Path) -> None:
    rootfs(tmp_path / "new.tar", extra={"new": b"2"})
    rebase("oci:old", request(tmp_path, "oci:new", stack_image="new.tar"), quiet)
    before, after = layer_digests(exported), layer_digests(tmp_path / "new")
    assert before[0] != after[0]
    assert before[1:] == after[1:]
    old, new = config_of(exported), config_of(tmp_path / "new")
    assert old["config"] == new["config"]


@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
def test_rebasing_gives_what_exporting_gives(tmp_path: Path, form: str) -> None:
    slug = make_slug(tmp_path)
    rootfs(tmp_path / "old.tar", extra={"old": b"1"})
    rootfs(tmp_path / "new.tar", extra={"new": b"2"})
    export_slug(slug, request(tmp_path, f"{form}:image", stack_image="old.tar"), quiet)
    wanted = export_slug(slug, request(tmp_path, f"{form}:wanted", stack_image="new.tar"), quiet)
    found = rebase(
        f"{form}:image", request(tmp_path, f"{form}:found", stack_image="new.tar"), quiet
    )
    assert found.digest == wanted.digest


def test_an_image_rebased_onto_its_own_base_is_itself(tmp_path: Path, exported: Path) -> None:
    found = rebase("oci:old", request(tmp_path, "oci:same", stack_image="old.tar"), quiet)
    index = json.loads((exported / "index.json").read_bytes())
    assert found.digest == index["manifests"][0]["digest"]


def test_another_stack_is_refused(tmp_path: Path, exported: Path) -> None:
    rootfs(tmp_path / "new.tar", release='ID=debian\nVERSION_ID="13"\n')
    with pytest.raises(StackImageMismatchError) as caught:
        rebase("oci:old", request(tmp_path, "oci:new", stack_image="new.tar"), quiet)
    assert caught.value.reasons == ("stack: the slug needs debian-12, the image is debian-13",)
    assert not (tmp_path / "new").exists()


def test_an_image_that_is_not_ours_is_refused(tmp_path: Path, exported: Path) -> None:
    """Its label gone, as other tools may leave it."""
    strip_labels(exported)
    with pytest.raises(NotOurImageError) as caught:
        rebase("oci:old", request(tmp_path, "oci:new", stack_image="old.tar"), quiet)
    assert caught.value.exit_code == ExitCode.DATA
    assert caught.value.text() == (
        f"oci:{exported} is no image of a slug\n\nIt has no label io.slugkit.slug.\n\n"
        "Only images that `slugc export` made can be imported or rebased."
    )


def strip_labels(layout: Path) -> None:
    import hashlib

    def put(document: object) -> dict[str, object]:
        content = json.dumps(document).encode()
        digest = hashlib.sha256(content).hexdigest()
        (layout / "blobs/sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    index = json.loads((layout / "index.json").read_bytes())
    entry = index["manifests"][0]
    blobs = layout / "blobs/sha256"
    manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_bytes())
    config = config_of(layout)
    config["config"]["Labels"] = {}  # type: ignore[index]  # a test edits JSON
    manifest["config"] |= put(config)
    entry |= put(manifest)
    (layout / "index.json").write_text(json.dumps(index))


def test_a_tarball_is_no_place_for_an_image(tmp_path: Path) -> None:
    with pytest.raises(NotAnImageTargetError) as caught:
        rebase("oci:old", request(tmp_path, "x.tgz"), quiet)
    assert caught.value.text() == (
        f"tgz:{tmp_path}/x.tgz is no place for an image\n\n"
        "Give docker-archive:FILE, oci:DIR, oci-archive:FILE or docker://HOST/NAME:TAG."
    )
