"""A slug in other forms: the same bytes each time, its own layers, whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode, UsageError
from buildpack.support.values import changed
from slugc.slug import SlugDamagedError, SlugFormat, read_slug, read_tar
from slugc.stack import Stack
from slugc.transfer.base_image import StackImageMismatchError, StackImageMissingError
from slugc.transfer.export import AttachError, CompressionError, export_slug, image_name
from slugc.transfer.outputs import TargetExistsError
from slugc.transfer.streams import Compression
from tests.unit.slugc.transfer.made import (
    blob_of,
    config_of,
    layer_digests,
    make_slug,
    manifest_of,
    names,
    request,
    rootfs,
)
from tests.unit.slugc.trees import FACTS, contents

FORMATS = pytest.mark.parametrize("kind", list(SlugFormat))


def quiet(_line: str) -> None:
    """Nobody listens."""


@FORMATS
def test_tgz_is_herokus_layout_without_an_index(tmp_path: Path, kind: SlugFormat) -> None:
    slug = make_slug(tmp_path, kind=kind)
    export_slug(slug, request(tmp_path, "out.tgz"), quiet)
    plain = gzip.decompress((tmp_path / "out.tgz").read_bytes())
    assert plain == b"".join(read_tar(slug))
    with tarfile.open(tmp_path / "out.tgz") as tar:
        assert {name.split("/")[0] for name in tar.getnames()} == {"."}
        assert all(name.startswith("./app") for name in tar.getnames())


def test_tar_is_the_slugs_own_stream(tmp_path: Path) -> None:
    slug = make_slug(tmp_path)
    export_slug(slug, request(tmp_path, "out.tar"), quiet)
    assert (tmp_path / "out.tar").read_bytes() == b"".join(read_tar(slug))


def test_directory_holds_the_apps_files(tmp_path: Path) -> None:
    slug = make_slug(tmp_path)
    export_slug(slug, request(tmp_path, "out/"), quiet)
    assert contents(tmp_path / "out") == contents(tmp_path / "tree-hello")


@FORMATS
@pytest.mark.parametrize("compression", list(Compression))
def test_layers_of_an_image_are_the_slugs(
    tmp_path: Path, kind: SlugFormat, compression: Compression
) -> None:
    """Each under its digest, with the diff_id of what it decompresses to."""
    slug = make_slug(tmp_path, kind=kind)
    base = str(rootfs(tmp_path / "root.tar"))
    asked = request(tmp_path, "oci:out", stack_image=base, compression=compression)
    exported = export_slug(slug, asked, quiet)
    config, digests = config_of(tmp_path / "out"), layer_digests(tmp_path / "out")
    diff_ids = config["rootfs"]["diff_ids"]  # type: ignore[index]  # a test reads JSON
    assert len(digests) == len(diff_ids) == 1 + len(slug.metadata.layers) + 1
    for digest, diff_id in zip(digests, diff_ids, strict=True):
        packed = blob_of(tmp_path / "out", digest)
        plain = decompressed(packed, compression)
        assert digest == f"sha256:{hashlib.sha256(packed).hexdigest()}"
        assert diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
        assert plain.endswith(bytes(1024))
    assert exported.digest is not None
    assert exported.digest.removeprefix("sha256:") in names(tmp_path / "out/blobs/sha256")


def decompressed(packed: bytes, compression: Compression) -> bytes:
    from backports import zstd

    match compression:
        case Compression.ZSTD:
            return zstd.decompress(packed)
        case Compression.GZIP:
            return gzip.decompress(packed)
        case _:
            return packed


@FORMATS
def test_layers_of_the_slugs_own_compression_are_its_very_bytes(
    tmp_path: Path, kind: SlugFormat
) -> None:
    slug = make_slug(tmp_path, kind=kind)
    compression = Compression.ZSTD if kind is SlugFormat.ZSTD else Compression.GZIP
    base = str(rootfs(tmp_path / "root.tar"))
    asked = request(tmp_path, "oci:out", stack_image=base, compression=compression)
    export_slug(slug, asked, quiet)
    content = slug.archive.read_bytes()
    for layer, digest in zip(
        slug.metadata.layers, layer_digests(tmp_path / "out")[1:-1], strict=True
    ):
        blob = blob_of(tmp_path / "out", digest)
        assert blob.startswith(content[layer.offset : layer.offset + layer.size])
        assert len(blob) - layer.size in {11, 1047}  # the end frame of docs/slug-format.md


@pytest.mark.parametrize("target", ["oci:out", "oci-archive:out", "docker-archive:out"])
def test_same_slug_gives_the_same_digest(tmp_path: Path, target: str) -> None:
    """Whatever the slug's file is called, wherever it lies, and whatever was noted before."""
    base = rootfs(tmp_path / "root.tar")
    facts = replace(FACTS, name="")
    slug = make_slug(tmp_path, facts=facts)
    first = export_slug(slug, request(tmp_path, target, stack_image=str(base)), quiet)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(slug.archive, elsewhere / "other.slug")
    shutil.copy(base, elsewhere / "base.tar")
    asked = request(elsewhere, target, stack_image="base.tar")
    second = export_slug(read_slug(elsewhere / "other.slug"), asked, quiet)
    again = export_slug(slug, request(tmp_path, f"{target}-2", stack_image=str(base)), quiet)
    assert first.digest == second.digest == again.digest
    assert first.digest is not None


def test_configuration_starts_the_app_as_slug_run_does(tmp_path: Path) -> None:
    slug = make_slug(tmp_path)
    base = str(rootfs(tmp_path / "root.tar"))
    export_slug(slug, request(tmp_path, "oci:out", stack_image=base), quiet)
    found = config_of(tmp_path / "out")
    config = found["config"]
    assert isinstance(config, dict)
    labels = config.pop("Labels")
    assert config == {
        "Cmd": ["web"],
        "Entrypoint": ["/usr/local/bin/slug-start"],
        "Env": [
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "LANG=C.UTF-8",
            "HOME=/app",
            "STACK=debian-12",
        ],
        "ExposedPorts": {"5000/tcp": {}},
        "StopSignal": "SIGTERM",
        "User": "1000:1000",
        "WorkingDir": "/app",
    }
    assert (found["architecture"], found["os"]) == ("amd64", "linux")
    assert labels["io.slugkit.process-type.web"] == "gunicorn app:app"
    assert labels["io.slugkit.checksum"] == slug.metadata.checksum
    assert labels["org.opencontainers.image.title"] == "hello"
    assert labels["org.opencontainers.image.revision"] == "c0ffee"
    assert json.loads(labels["io.slugkit.slug"])["process_types"] == {"web": "gunicorn app:app"}
    assert manifest_of(tmp_path / "out")["annotations"] == {
        "io.slugkit.checksum": slug.metadata.checksum,
        "org.opencontainers.image.created": "1980-01-01T00:00:00Z",
        "org.opencontainers.image.revision": "c0ffee",
        "org.opencontainers.image.title": "hello",
    }


def test_docker_archive_can_be_loaded_by_old_engines(tmp_path: Path) -> None:
    """Plain layers, one file each, and the name the image gets."""
    slug = make_slug(tmp_path)
    base = str(rootfs(tmp_path / "root.tar"))
    asked = request(tmp_path, "docker-archive:out.tar", stack_image=base, tag="me/polls:v1")
    export_slug(slug, asked, quiet)
    with tarfile.open(tmp_path / "out.tar") as tar:
        files = {each.name: tar.extractfile(each) for each in tar}
        read = {name: file.read() for name, file in files.items() if file is not None}
    (entry,) = json.loads(read["manifest.json"])
    assert entry["RepoTags"] == ["me/polls:v1"]
    config = json.loads(read[entry["Config"]])
    for name, diff_id in zip(entry["Layers"], config["rootfs"]["diff_ids"], strict=True):
        assert f"sha256:{hashlib.sha256(read[name]).hexdigest()}" == diff_id
        tarfile.open(fileobj=io.BytesIO(read[name]), mode="r:").close()


@pytest.mark.parametrize("target", ["docker-archive:x", "dockerfile:x"])
def test_compression_nobody_could_read_is_refused(tmp_path: Path, target: str) -> None:
    slug = make_slug(tmp_path)
    base = str(rootfs(tmp_path / "root.tar"))
    asked = request(tmp_path, target, stack_image=base, compression=Compression.ZSTD)
    with pytest.raises(CompressionError) as caught:
        export_slug(slug, asked, quiet)
    kind = target.removesuffix(":x")
    allowed = "gzip or none" if kind == "docker-archive" else "gzip"
    assert caught.value.text() == (
        f"A {kind} with zstd layers would load nowhere\n\nIts compression can be {allowed}."
    )


def test_only_a_registry_keeps_what_is_attached(tmp_path: Path) -> None:
    asked = changed(request(tmp_path, "oci:x"), attach=True)
    with pytest.raises(AttachError) as caught:
        export_slug(make_slug(tmp_path), asked, quiet)
    assert caught.value.exit_code == 64
    assert caught.value.text() == (
        f"Nothing can be attached to oci:{tmp_path}/x\n\n"
        "--attach is for docker://HOST/NAME:TAG. Elsewhere the SBOM can lie beside\n"
        "it: slugc inspect SLUG --sbom"
    )


@pytest.mark.parametrize(
    ("option", "given"), [("--tag", {"tag": "x:1"}), ("--compression", {"compression": "gzip"})]
)
def test_what_is_for_images_is_not_passed_over(
    tmp_path: Path, option: str, given: dict[str, str]
) -> None:
    asked = changed(request(tmp_path, "x.tar"), **given)
    with pytest.raises(UsageError) as caught:
        export_slug(make_slug(tmp_path), asked, quiet)
    assert caught.value.brief == f"{option} says nothing about tar:{tmp_path}/x.tar"
    assert not (tmp_path / "x.tar").exists()


def test_dockerfile_gives_the_same_app(tmp_path: Path) -> None:
    facts = replace(FACTS, config_vars={"A": 'x "$HOME" \\', "B": "two\nlines"})
    slug = make_slug(tmp_path, facts=facts)
    export_slug(slug, request(tmp_path, "dockerfile:out"), quiet)
    adds = "".join(f"ADD layers/{n}.tar.gz /\n" for n in range(len(slug.metadata.layers) + 1))
    assert (tmp_path / "out/Dockerfile").read_text() == (
        f"# hello: slug {slug.metadata.checksum}, written by slugc export.\n"
        "ARG STACK_IMAGE=slugkit-stack:debian-12\n"
        "FROM ${STACK_IMAGE}\n"
        "USER root\n"
        f"{adds}"
        "ENV HOME=/app\n"
        'ENV STACK="debian-12"\n'
        'ENV A="x \\"\\$HOME\\" \\\\"\n'
        'LABEL io.slugkit.process-type.web="gunicorn app:app"\n'
        "USER 1000:1000\n"
        "WORKDIR /app\n"
        "EXPOSE 5000\n"
        'ENTRYPOINT ["/usr/local/bin/slug-start"]\n'
        'CMD ["web"]\n'
    )
    assert (tmp_path / "out/.dockerignore").read_text() == "*\n!layers\n"
    joined = b""
    for number in range(len(slug.metadata.layers)):
        packed = (tmp_path / f"out/layers/{number}.tar.gz").read_bytes()
        joined += gzip.decompress(packed)[:-1024]
    assert joined + bytes(1024) == b"".join(read_tar(slug))


def test_a_damaged_slug_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    slug = make_slug(tmp_path)
    content = bytearray(slug.archive.read_bytes())
    content[slug.metadata.layers[0].offset + 30] ^= 1
    slug.archive.write_bytes(content)
    base = str(rootfs(tmp_path / "root.tar"))
    for target in ("x.tgz", "x.tar", "x/", "oci:x", "oci-archive:x", "docker-archive:x"):
        with pytest.raises(SlugDamagedError):
            export_slug(slug, request(tmp_path, target, stack_image=base), quiet)
    assert names(tmp_path) == ["hello.slug", "root.tar", "store", "tree-hello"]


def test_nothing_is_read_for_a_target_that_is_there(tmp_path: Path) -> None:
    slug = make_slug(tmp_path)
    (tmp_path / "x.tgz").write_text("mine")
    slug.archive.write_bytes(b"")
    with pytest.raises(TargetExistsError):
        export_slug(slug, request(tmp_path, "x.tgz"), quiet)
    assert (tmp_path / "x.tgz").read_text() == "mine"


def test_an_image_needs_a_stack_image(tmp_path: Path) -> None:
    with pytest.raises(StackImageMissingError) as caught:
        export_slug(make_slug(tmp_path), request(tmp_path, "oci:x"), quiet)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        "An image needs a stack image to stand on\n\n"
        "The slug was built for debian-12.\n\n"
        "Name one with --stack-image or SLUGC_STACK_IMAGE, in one of these:\n\n"
        "    stack.tar                 made by `docker save`, an OCI archive,\n"
        "                              or the tar of a root file system\n"
        "    oci:DIR[:TAG]             an OCI layout\n"
        "    docker://HOST/NAME:TAG    an image in a registry\n\n"
        "Or make one, without Docker: slugc stack build -o stack.tar"
    )


def test_stack_image_of_another_world_is_refused(tmp_path: Path) -> None:
    arm = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00"
    base = rootfs(tmp_path / "root.tar", release='ID=ubuntu\nVERSION_ID="24.04"\n', shell=arm)
    with pytest.raises(StackImageMismatchError) as caught:
        export_slug(make_slug(tmp_path), request(tmp_path, "oci:x", stack_image=str(base)), quiet)
    assert caught.value.exit_code == ExitCode.DATA
    assert caught.value.text() == (
        f"The stack image {base} does not fit this slug\n\n"
        "architecture: the slug needs amd64, the image is for arm64\n"
        "stack: the slug needs debian-12, the image is ubuntu-24.04\n\n"
        "Give the image of the slug's own stack, or build the app for this one."
    )
    assert not (tmp_path / "x").exists()


def test_stack_image_that_says_not_what_it_is_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("./srv"))
    asked = request(tmp_path, "oci:x", stack_image="root.tar")
    with pytest.raises(StackImageMismatchError) as caught:
        export_slug(make_slug(tmp_path), asked, quiet)
    assert caught.value.reasons == (
        "stack: the slug needs debian-12, the image does not say what it is",
    )


@pytest.mark.parametrize(
    ("app", "given", "name"),
    [
        ("polls", None, ("polls", "latest")),
        ("My_App!", None, ("my-app", "latest")),
        ("polls", "v2", ("v2", "latest")),
        ("polls", ":v2", ("polls", "v2")),
        ("polls", "host:5000/a/b", ("host:5000/a/b", "latest")),
        ("polls", "host:5000/a/b:v1", ("host:5000/a/b", "v1")),
    ],
)
def test_an_image_is_called_after_its_app(
    app: str, given: str | None, name: tuple[str, str]
) -> None:
    assert image_name(app, given) == name


def test_an_architecture_is_called_as_images_call_it(tmp_path: Path) -> None:
    arm = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00"
    stack = Stack(id="debian-12", distribution="debian", glibc="2.36", arch="aarch64")
    slug = make_slug(tmp_path, facts=replace(FACTS, stack=stack))
    base = str(rootfs(tmp_path / "root.tar", shell=arm))
    export_slug(slug, request(tmp_path, "oci:x", stack_image=base), quiet)
    assert config_of(tmp_path / "x")["architecture"] == "arm64"
