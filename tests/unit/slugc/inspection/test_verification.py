"""Whether a slug is whole and safe, as slugc verify says it; nothing is unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from buildpack.support.errors import SlugkitError
from slugc.archive.compression import new_compressor
from slugc.archive.errors import UnsafeMemberError
from slugc.commands.verify import command
from slugc.inspection.verification import ProcfileDiffersError, checks_text, verify_slug_file
from slugc.inspection.verify_command import verify_from_options
from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import Layer, Slug, SlugDamagedError, SlugFormat, read_slug
from slugc.slug_format import encode_trailer, end_of
from slugc.slug_index import encode_index
from slugc.store import Store
from slugc.unpack import LayersConflictError
from tests.unit.slugc.trees import FACTS, make_tree

OPTIONS: Mapping[str, object] = {
    "rebuild": None,
    "buildpacks": (),
    "env": (),
    "env_file": (),
    "stack": None,
    "sandbox": None,
    "as_json": False,
    "quiet": True,
}
Members = tuple[tuple[tarfile.TarInfo, bytes], ...]


def file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def directory(name: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info, b""


def forged(path: Path, *layers: Members, lie: bool = False) -> Slug:
    """A slug whose digests are all right, whatever its members are. ``lie``: not diff_id's."""
    frames, content, offset = [], b"", 0
    for number, members in enumerate(layers):
        plain = _tar(members)
        compressor = new_compressor(SlugFormat.ZSTD)
        packed = compressor.compress(plain) + compressor.finish()
        told = b"something else" if lie else plain
        frames.append(
            Layer(
                name=f"layer{number}",
                diff_id=f"sha256:{hashlib.sha256(told).hexdigest()}",
                digest=f"sha256:{hashlib.sha256(packed).hexdigest()}",
                size=len(packed),
                uncompressed_size=len(plain),
                offset=offset,
            )
        )
        content += packed
        offset += len(packed)
    index = encode_index(FACTS, tuple(frames))
    end = end_of(SlugFormat.ZSTD) + encode_trailer(SlugFormat.ZSTD, index)
    path.write_bytes(content + end)
    return read_slug(path)


def _tar(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
        end = archive.offset
    return out.getvalue()[:end]


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    tree = make_tree(tmp_path / "tree")
    return write_slug(tree, tmp_path / "a.slug", facts=FACTS, store=Store(tmp_path / "s")).slug


def verify(slug: Slug, **options: object) -> str:
    text, same = verify_from_options(
        slug.archive.name, {**OPTIONS, **options}, env={"COLUMNS": "120"}, cwd=slug.archive.parent
    )
    assert same
    return text


def test_a_whole_slug(slug: Slug) -> None:
    checks = verify_slug_file(slug)

    assert checks_text("It is whole", checks, width=120) == (
        "It is whole\n\n"
        f"  Index     canonical, as its checksum says: {slug.metadata.checksum}\n"
        "  Frames    3 frames of 3 layers, each as its digests say, packed and unpacked\n"
        f"  Contents  8 files, {verified_size(slug)}; no path or link leads out of the app\n"
        "  Layers    fit together: no path lies in two of them\n"
        "  Procfile  says what the slug runs\n"
    )
    assert verify(slug).startswith(f"{slug.archive} is whole\n\n  Index ")
    document = json.loads(verify(slug, as_json=True))
    assert document["checksum"] == slug.metadata.checksum
    assert {"name": "Layers", "found": checks[3].found} in document["checks"]


def verified_size(slug: Slug) -> str:
    return f"{sum(x.uncompressed_size for x in slug.metadata.layers) / 1000:.1f} kB"


@pytest.mark.parametrize(
    ("types", "wrong"),
    [
        ({"web": "evil"}, "web"),
        ({"worker": "gunicorn app:app"}, "web"),
        ({"web": "gunicorn app:app", "more": "of a buildpack"}, ""),
    ],
)
def test_the_procfile_in_a_slug_says_what_it_runs(
    tmp_path: Path, types: Mapping[ProcessType, str], wrong: str
) -> None:
    tree = make_tree(tmp_path / "tree")
    facts = replace(FACTS, process_types=types)
    slug = write_slug(tree, tmp_path / "a.slug", facts=facts, store=Store(tmp_path / "s")).slug

    if not wrong:
        assert verify_slug_file(slug)[-1].found == "says what the slug runs"
        return
    with pytest.raises(ProcfileDiffersError) as caught:
        verify_slug_file(slug)
    assert caught.value.exit_code == 65
    assert caught.value.text() == (
        f"The slug {slug.archive} does not run what the Procfile in it says\n\n"
        f"Its index has other commands for: {wrong}.\n\n"
        "Slugkit does not write such slugs. Build it again with `slugc build`."
    )


def test_what_is_imported_may_have_been_told_otherwise(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    facts = replace(FACTS, process_types={ProcessType("web"): "other"}, buildpacks=())
    slug = write_slug(tree, tmp_path / "a.slug", facts=facts, store=Store(tmp_path / "s")).slug
    assert verify_slug_file(slug)[-1].name == "Layers"


def test_nothing_is_written(slug: Slug) -> None:
    before = sorted(slug.archive.parent.rglob("*"))
    verify(slug)

    assert sorted(slug.archive.parent.rglob("*")) == before


def test_every_byte_counts(slug: Slug) -> None:
    """One flipped bit, anywhere, in steps that meet each part of the file."""
    whole = slug.archive.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        slug.archive.write_bytes(changed)
        with pytest.raises(SlugkitError):
            verify_slug_file(read_slug(slug.archive))


UNSAFE: Mapping[str, tuple[Members, str]] = {
    "goes up": ((file("./app/../../etc/passwd"),), "its name goes up with '..'"),
    "absolute": ((file("/etc/passwd"),), "its name is absolute"),
    "beside": ((file("./other/x"),), "it lies outside ./app/"),
    "absolute link": ((link("./app/x", "/etc"),), "it is a link to the absolute path '/etc'"),
    "link out": ((link("./app/x", "../../x"),), "it is a link that leaves the tree, to '../../x'"),
    "below a link": (
        (link("./app/x", "y"), file("./app/x/z")),
        "it lies below a symlink",
    ),
    "twice": ((file("./app/x"), file("./app/x")), "another member has the same name"),
    "hard link": (
        (link("./app/x", "./app/none", tarfile.LNKTYPE),),
        "it is a hard link to no earlier file",
    ),
    "device": ((link("./app/x", "", tarfile.CHRTYPE),), "it is a character device"),
    "fifo": ((link("./app/x", "", tarfile.FIFOTYPE),), "it is a FIFO"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_what_may_not_be_unpacked_is_refused(tmp_path: Path, case: str) -> None:
    members, reason = UNSAFE[case]

    with pytest.raises(UnsafeMemberError) as caught:
        verify_slug_file(forged(tmp_path / "bad.slug", (directory("./app/"), *members)))
    assert caught.value.reason.startswith(reason)
    assert caught.value.exit_code == 65


def test_hard_links_to_earlier_files_are_fine(tmp_path: Path) -> None:
    members = (directory("./app/"), file("./app/a"), link("./app/b", "./app/a", tarfile.LNKTYPE))

    checks = verify_slug_file(forged(tmp_path / "good.slug", members))
    assert checks[2].found.startswith("2 files, ")


def test_layers_that_hold_the_same_path(tmp_path: Path) -> None:
    one, other = (
        (directory("./app/"), file("./app/a")),
        (directory("./app/"), file("./app/a", b"y")),
    )

    with pytest.raises(LayersConflictError):
        verify_slug_file(forged(tmp_path / "bad.slug", one, other))


def test_tar_bytes_that_are_not_what_the_index_says(tmp_path: Path) -> None:
    with pytest.raises(SlugDamagedError) as caught:
        verify_slug_file(forged(tmp_path / "bad.slug", (directory("./app/"),), lie=True))
    assert "Layer 'layer0' should unpack to sha256:" in caught.value.text()


def test_the_exit_code(slug: Slug, monkeypatch: pytest.MonkeyPatch) -> None:
    from slugc.inspection import verify_command

    def code(*words: str) -> int:
        return CliRunner().invoke(command, [str(slug.archive), *words]).exit_code

    assert code() == 0
    answer: Callable[..., tuple[str, bool]] = lambda *_a, **_k: ("different\n", False)  # noqa: E731
    monkeypatch.setattr(verify_command, "verify_from_options", answer)
    assert code("--rebuild", ".") == 1
