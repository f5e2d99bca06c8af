"""Images are read from layouts and archives of every make, and doubted."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.archive.errors import ArchiveError
from slugc.transfer.bases import image_target, kind_of, open_base, open_image
from slugc.transfer.export import export_slug, opened_packing
from slugc.transfer.image_source import StoredImage
from slugc.transfer.image_stores import ImageUnusableError, LayoutDir, split_tag
from slugc.transfer.peeking import peek
from slugc.transfer.streams import BlobDamagedError
from slugc.transfer.tar_files import SourceUnreadableError, TarFiles
from slugc.transfer.targets import Transport
from tests.unit.slugc.transfer.made import OS_RELEASE, make_slug, request, rootfs


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def write_tar(
    path: Path, files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None
) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path


def layer() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo("usr/lib/os-release")
        member.size = len(OS_RELEASE)
        tar.addfile(member, io.BytesIO(OS_RELEASE.encode()))
    return raw.getvalue()


def config(diff_ids: list[str], arch: str = "amd64") -> bytes:
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps(
        {"architecture": arch, "os": "linux", "config": {}, "rootfs": rootfs}
    ).encode()


def saved(path: Path, **changes: object) -> Path:
    """As `docker save` of an older engine: directories, and a link for a layer met twice."""
    content = layer()
    entry = {
        "Config": "c.json",
        "RepoTags": ["x:1"],
        "Layers": ["a/layer.tar", "b/layer.tar"],
        **changes,
    }
    files = {
        "a/layer.tar": content,
        "c.json": config([digest(content)] * 2),
        "manifest.json": json.dumps([entry]).encode(),
    }
    return write_tar(path, files, links={"b/layer.tar": "../a/layer.tar"})


def opened(directory: Path, text: str, arch: str = "x86_64") -> StoredImage:
    asked = request(directory, "oci:none")
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    return open_image(image_target(text, directory), asked, scratch, arch=arch)


def test_docker_save_of_any_age_is_read(tmp_path: Path) -> None:
    saved(tmp_path / "x.tar")
    found = opened(tmp_path, "x.tar")
    assert [b"".join(each.tar()) for each in found.layers] == [layer(), layer()]
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress((tmp_path / "x.tar").read_bytes()))
    assert opened(tmp_path, "docker-archive:x.tar.gz").config == found.config


def test_layers_of_an_archive_may_be_compressed(tmp_path: Path) -> None:
    content = layer()
    files = {
        "l": gzip.compress(content),
        "c": config([digest(content)]),
        "manifest.json": json.dumps([{"Config": "c", "Layers": ["l"]}]).encode(),
    }
    write_tar(tmp_path / "x.tar", files)
    (found,) = opened(tmp_path, "docker-archive:x.tar").layers
    assert found.blob.media_type == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert found.blob.digest == digest(files["l"])
    assert b"".join(found.tar()) == content


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"Config": "none"}, "It has no file none."),
        ({"Layers": ["a/layer.tar"]}, "Its layers and their digests are not as many."),
        ({"Layers": ["a/layer.tar", "nowhere"]}, "It has no file nowhere."),
        ({"Config": 3}, "'Config' is not a text."),
        ({"Config": "a/layer.tar"}, "Its Config is not JSON."),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(
    tmp_path: Path, changes: dict[str, object], found: str
) -> None:
    saved(tmp_path / "x.tar", **changes)
    with pytest.raises(ImageUnusableError) as caught:
        opened(tmp_path, "x.tar")
    assert caught.value.exit_code == ExitCode.DATA
    assert caught.value.text() == f"{tmp_path}/x.tar is no image that can be used\n\n{found}"


def test_a_layer_with_another_content_is_refused(tmp_path: Path) -> None:
    files = {
        "l": layer(),
        "c": config([digest(b"other")]),
        "manifest.json": json.dumps([{"Config": "c", "Layers": ["l"]}]).encode(),
    }
    write_tar(tmp_path / "x.tar", files)
    slug = make_slug(tmp_path)
    with pytest.raises(BlobDamagedError):
        export_slug(slug, request(tmp_path, "oci:out", stack_image="x.tar"), lambda _line: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "found"),
    [("none.tar", "There is no such file."), ("docker-archive:.", "It is no file.")],
)
def test_what_is_not_there_is_told(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(SourceUnreadableError) as caught:
        opened(tmp_path, text)
    assert caught.value.exit_code == ExitCode.NO_INPUT
    where = tmp_path / "none.tar" if text == "none.tar" else tmp_path
    assert caught.value.text() == (
        f"{where} cannot be read\n\n{found}\n\n"
        "An image is a tar of it, oci:DIR[:TAG] or docker://HOST/NAME:TAG;\n"
        "`slugc stack build -o FILE` makes a stack image."
    )


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tar")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ArchiveError) as caught:
        opened(tmp_path, "docker-archive:x.tar")
    assert caught.value.details.startswith(f"{path}\n\nAt byte ")


def layout(directory: Path, platforms: Mapping[str, str]) -> Path:
    """A layout with one image for each platform, by name."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, object]:
        (blobs / digest(content).removeprefix("sha256:")).write_bytes(content)
        return {"digest": digest(content), "size": len(content)}

    content = layer()
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    entries = []
    for name, arch in platforms.items():
        manifest = {
            "config": put(config([digest(content)], arch)),
            "layers": [{"mediaType": kind, **put(gzip.compress(content, mtime=0))}],
        }
        entries.append(
            {
                **put(json.dumps(manifest).encode()),
                "platform": {"os": "linux", "architecture": arch},
                "annotations": {"org.opencontainers.image.ref.name": name},
            }
        )
    (directory / "oci-layout").write_text("{}")
    (directory / "index.json").write_text(json.dumps({"manifests": entries}))
    return directory


def test_of_several_images_the_one_for_the_slug_is_taken(tmp_path: Path) -> None:
    layout(tmp_path / "l", {"a": "amd64", "b": "arm64"})
    assert opened(tmp_path, "l").config["architecture"] == "amd64"
    assert opened(tmp_path, "oci:l", arch="aarch64").config["architecture"] == "arm64"
    assert opened(tmp_path, "oci:l:b").config["architecture"] == "arm64"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("oci:l", "0 of its images are for linux/s390x; it has: a, b."),
        ("oci:l:c", "It holds no image called c."),
    ],
)
def test_no_image_that_fits_is_told(tmp_path: Path, text: str, found: str) -> None:
    layout(tmp_path / "l", {"a": "amd64", "b": "arm64"})
    with pytest.raises(ImageUnusableError) as caught:
        opened(tmp_path, text, arch="s390x")
    assert caught.value.found == found


def test_a_tag_is_what_follows_a_path_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    assert split_tag(f"{tmp_path}/a:b") == (f"{tmp_path}/a:b", None)
    assert split_tag(f"{tmp_path}/a:c") == (f"{tmp_path}/a", "c")
    assert split_tag("/x:y/z") == ("/x:y/z", None)


@pytest.mark.parametrize("packed", [False, True])
def test_a_root_file_system_is_told_from_an_image(tmp_path: Path, packed: bool) -> None:
    path = rootfs(tmp_path / "root.tar")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    asked = request(tmp_path, "oci:none")
    with opened_packing(asked) as packing:
        found = open_base("root.tar", asked, packing, arch="aarch64")
        assert len(found.layers) == 1
        assert found.config["architecture"] == "amd64"  # what its shell was made for
        explicit = open_base("rootfs:root.tar", asked, packing, arch="aarch64")
        assert explicit.layers[0].diff_id == found.layers[0].diff_id


def test_kinds_of_archives(tmp_path: Path) -> None:
    def kind(*names: str) -> Transport | None:
        write_tar(tmp_path / "k.tar", dict.fromkeys(names, b"x"))
        return kind_of(TarFiles(tmp_path / "k.tar", tmp_path))

    assert kind("manifest.json", "index.json", "oci-layout") is Transport.DOCKER_ARCHIVE
    assert kind("index.json", "oci-layout") is Transport.OCI_ARCHIVE
    assert kind("etc/passwd") is None


def test_peeking_takes_files_by_name_past_devices_and_long_names(tmp_path: Path) -> None:
    long = "d/" * 80 + "file"
    path = rootfs(tmp_path / "root.tar", extra={long: b"deep", "srv/x": b"12345678"})
    found = peek((path.read_bytes(),), (long, "srv/x", "none", "dev/null"), limit=5)
    assert found == {long: b"deep", "srv/x": b"12345"}
    assert peek((b"no tar at all" * 100,), ("a",), limit=5) == {}


def test_a_layout_of_fifos_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").touch()
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(SourceUnreadableError) as caught:
        LayoutDir(tmp_path).index()
    assert caught.value.details == "It is no regular file."
