"""Targets are told by their transport, or by a name that leaves no doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from slugc.transfer.targets import Target, Transport, UnknownTargetError, parse_target

CWD = Path("/home/me")


@pytest.mark.parametrize(
    ("text", "transport", "place"),
    [
        ("a.tgz", Transport.TGZ, "/home/me/a.tgz"),
        ("a.tar.gz", Transport.TGZ, "/home/me/a.tar.gz"),
        ("a.tar", Transport.TAR, "/home/me/a.tar"),
        ("-", Transport.TGZ, "-"),
        ("tar:-", Transport.TAR, "-"),
        ("heroku:x", Transport.TGZ, "/home/me/x"),
        ("out/", Transport.DIRECTORY, "/home/me/out"),
        ("dir:/srv/app", Transport.DIRECTORY, "/srv/app"),
        ("docker-archive:x.tar", Transport.DOCKER_ARCHIVE, "/home/me/x.tar"),
        ("docker-archive:-", Transport.DOCKER_ARCHIVE, "-"),
        ("oci:layout", Transport.OCI, "/home/me/layout"),
        ("oci-archive:l.tar", Transport.OCI_ARCHIVE, "/home/me/l.tar"),
        ("docker://host:5000/a/b:c", Transport.REGISTRY, "host:5000/a/b:c"),
        ("registry:host/a", Transport.REGISTRY, "host/a"),
        ("dockerfile:ctx", Transport.DOCKERFILE, "/home/me/ctx"),
    ],
)
def test_target_is_told_by_its_words(text: str, transport: Transport, place: str) -> None:
    assert parse_target(text, cwd=CWD) == Target(transport=transport, place=place)


def test_a_directory_that_is_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert parse_target("out", cwd=tmp_path).transport is Transport.DIRECTORY


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("polls", "It has no transport before a colon, and no ending we know."),
        ("ftp:x", "It has no transport before a colon, and no ending we know."),
        ("oci:", "Nothing follows the colon."),
        ("docker://", "Nothing follows the colon."),
        ("rootfs:x.tar", "A rootfs can only be read."),
        ("oci:-", "oci cannot go to standard output."),
        ("oci:out:v1", "An image is named with --tag NAME:TAG, not after its path."),
        ("oci-archive:a.tar:v1", "An image is named with --tag NAME:TAG, not after its path."),
        ("", "It is empty."),
    ],
)
def test_unknown_target_is_refused_with_those_there_are(text: str, found: str) -> None:
    with pytest.raises(UnknownTargetError) as caught:
        parse_target(text, cwd=CWD)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        f"'{text}' does not say what to make\n\n{found}\n\n"
        "Targets are:\n"
        "  FILE.tgz, tgz:FILE, -       Heroku's layout, ./app/... as gzip (- is standard output)\n"
        "  FILE.tar, tar:FILE          the same, not compressed\n"
        "  DIR/, dir:DIR               the app's files\n"
        "  docker-archive:FILE         an image for `docker load`\n"
        "  oci:DIR, oci-archive:FILE   an image in the OCI layout\n"
        "  docker://HOST/NAME:TAG      an image in a registry\n"
        "  dockerfile:DIR              a Dockerfile and what it needs"
    )
