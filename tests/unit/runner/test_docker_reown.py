"""Another owner for every member of a tar stream, wherever the stream is cut."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from runner.engines.docker.reown import TarStreamError, reown

LONG = "d" * 90 + "/" + "f" * 120


def sample() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (
            ("app/a", b"x" * 700),
            ("app/empty", b""),
            (LONG, b"long"),
            ("z", b""),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("app/link")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        archive.addfile(link)
        return raw.getvalue()[: archive.offset]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 511, 512, 513, 10_000])
def test_every_member_gets_the_owner_and_keeps_the_rest(size: int) -> None:
    changed = b"".join(reown(cut(sample(), size), uid=1000, gid=1001))
    with (
        tarfile.open(fileobj=io.BytesIO(changed)) as after,
        tarfile.open(fileobj=io.BytesIO(sample() + bytes(1024))) as before,
    ):
        assert {(member.uid, member.gid) for member in after} == {(1000, 1001)}
        facts = [
            [(m.name, m.size, m.mode, m.type, m.linkname) for m in archive.getmembers()]
            for archive in (after, before)
        ]
        assert facts[0] == facts[1]
        assert after.extractfile("app/a").read() == b"x" * 700  # type: ignore[union-attr]  # a file


@pytest.mark.parametrize("missing", [1, 400, 600])
def test_a_stream_that_ends_early_is_refused(missing: int) -> None:
    with pytest.raises(TarStreamError) as caught:
        list(reown([sample()[:-missing]], uid=1, gid=1))
    assert caught.value.brief == "The slug's layers cannot be read as a tar stream"
    assert caught.value.found.startswith("It ends")


def test_what_is_no_tar_is_refused() -> None:
    with pytest.raises(TarStreamError) as caught:
        list(reown([b"no tar at all".ljust(512)], uid=1, gid=1))
    assert caught.value.text() == (
        "The slug's layers cannot be read as a tar stream\n\n"
        "Here a header should begin: b'no tar at all   '\n\n"
        "Build the slug again with this version of slugc."
    )
