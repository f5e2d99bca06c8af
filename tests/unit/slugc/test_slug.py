"""What a slug's index says is what is read; whatever is not a slug is told apart from a cut one."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.packing.slug_writer import write_slug
from slugc.slug import (
    NotASlugError,
    Slug,
    SlugDamagedError,
    SlugFormat,
    SlugIndexError,
    SlugMissingError,
    SlugSchemaError,
    SlugTruncatedError,
    read_slug,
    verify_slug,
)
from slugc.slug_format import (
    FOOTER_MAGIC,
    GZIP_END,
    TAR_END,
    ZSTD_END,
    decode_footer,
    decode_trailer,
    encode_trailer,
    end_of,
)
from slugc.slug_index import canonical, checksum_of
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, make_tree

FORMATS = pytest.mark.parametrize("kind", list(SlugFormat))


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    tree = make_tree(tmp_path / "tree")
    return write_slug(tree, tmp_path / "x.slug", facts=FACTS, store=Store(tmp_path / "s")).slug


def with_index(slug: Slug, change: Callable[[dict[str, object]], object]) -> Path:
    """The slug's file with another index, checksum and all in order."""
    layers_end = sum(layer.size for layer in slug.metadata.layers)
    content = slug.archive.read_bytes()
    trailer = content[layers_end + len(ZSTD_END) :]
    index = decode_trailer(SlugFormat.ZSTD, trailer)
    assert index is not None
    document = json.loads(index)
    change(document)
    document["checksum"] = checksum_of(document)
    changed = encode_trailer(SlugFormat.ZSTD, canonical(document))
    slug.archive.write_bytes(content[: -len(trailer)] + changed)
    return slug.archive


def test_end_frames_are_what_every_decoder_reads_as_two_blocks() -> None:
    import gzip

    from backports import zstd

    assert zstd.decompress(ZSTD_END) == TAR_END
    assert gzip.decompress(GZIP_END) == TAR_END


@FORMATS
@pytest.mark.parametrize("size", [2, 1_000, 64_999, 65_000, 65_001, 200_000])
def test_trailer_round_trip(kind: SlugFormat, size: int) -> None:
    """An index of any size, over several members where a gzip extra field cannot hold it."""
    document = b"{" + b" " * (size - 2) + b"}"
    trailer = encode_trailer(kind, document)
    assert decode_footer(b"before" + trailer) == (kind, len(trailer))
    assert decode_trailer(kind, trailer) == document


@FORMATS
def test_trailer_decodes_to_nothing(kind: SlugFormat) -> None:
    import gzip

    from backports import zstd

    trailer = encode_trailer(kind, b"{}" * 50_000)
    decompress = zstd.decompress if kind is SlugFormat.ZSTD else gzip.decompress
    assert decompress(end_of(kind) + trailer) == TAR_END


def test_index_larger_than_the_first_read_is_found(slug: Slug) -> None:
    path = with_index(slug, lambda document: document.update(note="x" * 300_000))
    assert read_slug(path).metadata.name == "hello"


def test_unknown_keys_are_allowed_and_covered_by_the_checksum(slug: Slug) -> None:
    before = slug.metadata.checksum
    path = with_index(slug, lambda document: document.update(later="idea"))
    assert read_slug(path).metadata.checksum != before


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda d: d.update(name=3), "'name' is not a text"),
        (lambda d: d.pop("stack"), "'stack' is not an object"),
        (lambda d: d["layers"][0].update(size=-1), "'layers[0].size' is not a whole number from 0"),
        (
            lambda d: d["layers"][0].update(size=True),
            "'layers[0].size' is not a whole number from 0",
        ),
        (
            lambda d: d["layers"][1].update(diff_id="../x"),
            "'layers[1].diff_id' is not a sha256 digest",
        ),
        (
            lambda d: d["process_types"].update({"a b": "x"}),
            "'process_types.a b' is not a process type",
        ),
        (lambda d: d["layers"][1].update(offset=1), "layer 'dependencies' lies at a wrong place"),
        (lambda d: d["layers"].pop(), "its layers take"),
        (lambda d: d.update(layers={}), "'layers' is not a list"),
        (lambda d: d.update(name="../../etc/cron.d/x"), "'name' is not the name of an app"),
        (lambda d: d.update(name="syntax=docker.io/a/b x"), "'name' is not the name of an app"),
        (lambda d: d["config_vars"].update(A="\ud800"), "it holds half of a character"),
        (
            lambda d: d["layers"][0].update(uncompressed_size=10**400),
            "'layers[0].uncompressed_size' is not a number below 2^63",
        ),
    ],
)
def test_index_that_contradicts_itself_is_refused(
    slug: Slug, change: Callable[[dict[str, object]], object], found: str
) -> None:
    path = with_index(slug, change)
    with pytest.raises(SlugIndexError) as caught:
        read_slug(path)
    assert caught.value.found.startswith(found)


@pytest.mark.parametrize("schema", [2, 99, 0, "1", None, True])
def test_unknown_schema_is_refused(slug: Slug, schema: object) -> None:
    path = with_index(slug, lambda document: document.update(schema=schema))
    with pytest.raises(SlugSchemaError) as caught:
        read_slug(path)
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text() == (
        f"The slug {path} needs a newer Slugkit\n\n"
        f"Its format is version {schema}; this one reads 1.\n\n"
        "Install a newer Slugkit, or build the slug again with this one."
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "It is empty."),
        (b"<html>404</html>", "It begins with '<htm' and has no slug's index at its end."),
        (b"\x00\x01\x02\x03rest", "It begins with '\\x00\\x01\\x02\\x03' and has no slug's index"),
    ],
)
def test_what_never_was_a_slug_is_called_so(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "x.slug"
    path.write_bytes(content)
    with pytest.raises(NotASlugError) as caught:
        read_slug(path)
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.brief == f"{path} is not a slug"
    assert caught.value.details.startswith(found)
    assert caught.value.resolution == (
        "A slug is the file that slugc build writes:\n\n    slugc build APP_DIR -o app.slug"
    )


def test_other_zstd_files_are_not_called_cut_slugs(tmp_path: Path) -> None:
    from backports import zstd

    path = tmp_path / "x.slug"
    path.write_bytes(zstd.compress(b"just text" * 100))
    with pytest.raises(NotASlugError):
        read_slug(path)


def test_cut_slug_is_called_cut(slug: Slug) -> None:
    content = slug.archive.read_bytes()
    slug.archive.write_bytes(content[:-1])
    with pytest.raises(SlugTruncatedError) as caught:
        read_slug(slug.archive)
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.text() == (
        f"The slug {slug.archive} is cut short\n\n"
        f"It ends after {len(content) - 1:,} bytes, before its index is complete.\n\n"
        "Build it again with `slugc build`, or copy it again from where it came."
    )


def test_missing_slug_message(tmp_path: Path) -> None:
    with pytest.raises(SlugMissingError) as caught:
        read_slug(tmp_path / "none.slug")
    assert caught.value.exit_code is ExitCode.NO_INPUT
    assert caught.value.text() == (
        f"The slug {tmp_path}/none.slug cannot be opened\n\n"
        "No such file or directory\n\n"
        "Build one:\n\n    slugc build APP_DIR -o app.slug"
    )


def test_footer_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.slug"
    path.write_bytes(b"x" * 100 + struct.pack("<Q", 1 << 60) + FOOTER_MAGIC)
    with pytest.raises(SlugIndexError):
        read_slug(path)


def test_damaged_layers_are_all_named(slug: Slug) -> None:
    content = bytearray(slug.archive.read_bytes())
    layers = slug.metadata.layers
    for layer in (layers[0], layers[2]):
        content[layer.offset + layer.size // 2] ^= 1
    slug.archive.write_bytes(content)
    with pytest.raises(SlugDamagedError) as caught:
        verify_slug(slug)
    named = [line for line in caught.value.details.splitlines() if line.startswith("Layer")]
    assert named == [f"Layer '{x.name}' should be {x.digest}," for x in (layers[0], layers[2])]
    assert caught.value.brief == f"The slug {slug.archive} is damaged"


def test_reading_a_slug_imports_no_compressor(slug: Slug) -> None:
    """`slug-run` reads metadata at every start; codecs and tarfile cost it twenty milliseconds."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from slugc.slug import read_slug;"
        f"read_slug(Path({str(slug.archive)!r}));"
        "heavy = {'tarfile', 'tarsafe', 'backports.zstd', 'ctypes', 'subprocess'};"
        "print(*(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == []


def test_characters_that_json_writes_as_two_escapes_are_whole(slug: Slug) -> None:
    path = with_index(slug, lambda document: document.update(materials={"source": "\U0001f40d"}))
    assert read_slug(path).metadata.materials == {"source": "\U0001f40d"}


def test_a_fifo_is_not_waited_for(slug: Slug) -> None:
    slug.archive.unlink()
    os.mkfifo(slug.archive)
    for look in (lambda: read_slug(slug.archive), lambda: verify_slug(slug)):
        with pytest.raises(NotASlugError) as caught:
            look()
        assert caught.value.details == "It is no regular file."
    slug.archive.unlink()
    slug.archive.mkdir()
    with pytest.raises(NotASlugError, match="is not a slug") as caught:
        read_slug(slug.archive)
    assert caught.value.details == "It is a directory."
