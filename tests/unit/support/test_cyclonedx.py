"""cyclonedx: what anybody may have written becomes a valid document, without secrets."""

from __future__ import annotations

import json

import pytest

from buildpack.support.cyclonedx import bare_url, document, edges, json_object, pypi_component


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://u:secret@host.example/a.whl", "https://host.example/a.whl"),
        ("https://host.example/a.whl?token=secret", "https://host.example/a.whl"),
        ("git+ssh://git@host.example/a.git", "git+ssh://host.example/a.git"),
        ("file:///home/me/a", None),
        ("https://host.example/a b", None),
        ("https://[::1", None),
        ("https://host.example:port/", None),
        ("https://", None),
        (7, None),
    ],
)
def test_a_url_is_told_without_what_opens_it(url: object, wanted: str | None) -> None:
    assert bare_url(url) == wanted


def test_an_archive_installed_by_url_is_told_with_its_hash() -> None:
    said = {"url": "https://host.example/a.whl", "archive_info": {"hashes": {"sha256": "a" * 64}}}
    found = pypi_component({}, name="a", version="1", direct_url=json.dumps(said).encode())
    hashes = [{"alg": "SHA-256", "content": "a" * 64}]
    source = {"type": "distribution", "url": "https://host.example/a.whl", "hashes": hashes}
    assert found["externalReferences"] == [source]


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_says_nothing(content: bytes | None) -> None:
    assert json_object(content) == {}


def test_a_distribution_that_needs_itself_has_no_edge_to_itself() -> None:
    assert list(edges([("a", "ref", ["A[x]", "b"])])) == [{"ref": "ref", "dependsOn": []}]


def test_the_serial_number_is_of_everything_that_is_told() -> None:
    one, other = document([], [], seed="a"), document([], [], seed="b")
    assert one["serialNumber"] != other["serialNumber"]
    assert one == document([], [], seed="a")
