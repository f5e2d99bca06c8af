"""package_index: which versions a page has."""

from __future__ import annotations

import json

import pytest

from buildpack.package_index import released_versions

FILES = ("a-1.9-py3-none-any.whl", "a-1.10.tar.gz", "a-1.10-py3-none-any.whl", "a-2.0rc1.zip",
         "a-1.10.exe", "nonsense")  # fmt: skip


def test_versions_are_those_of_files_the_newest_first() -> None:
    page = {"files": [{"filename": name, "url": f"/{name}"} for name in FILES]}
    assert released_versions(json.dumps(page).encode()) == ["1.10", "1.9"]
    links = "".join(f'<a href="/files/{name}#sha256=0">{name}</a>' for name in FILES)
    assert released_versions(links.encode()) == ["1.10", "1.9"]


@pytest.mark.parametrize("page", [b"", b"{", b'{"a": 1}', b'{"files": [1]}', b'{"files": null}'])
def test_what_is_no_index_has_none(page: bytes) -> None:
    assert released_versions(page) == []
