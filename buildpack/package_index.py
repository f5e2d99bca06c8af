"""Reads a package's page on an index, in either of its formats: one file, or which versions."""

from __future__ import annotations

import contextlib
import html.parser
import json
import os
import urllib.parse
from collections.abc import Sequence

from buildpack.support.download import fetch
from buildpack.support.urls import same_origin

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{SIMPLE_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def find_file(index: str, project: str, filename: str) -> str | None:
    """The URL of ``filename`` among the files of ``project``; None when it is not there."""
    page = f"{index.rstrip('/')}/{project}/"
    body, final_url = fetch(page, accept=ACCEPT)
    # Whoever the index sent us on to was not given its password.
    base = _with_credentials(final_url, index) if same_origin(final_url, index) else final_url
    for name, url in _parse_simple_page(body):
        if name == filename:
            return urllib.parse.urljoin(base, url)
    return None


def released_versions(page: bytes) -> Sequence[str]:
    """The versions a page of an index has files of, newest first, without pre-releases."""
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        names = [name for name, _ in _parse_simple_page(page)]
    except (KeyError, TypeError, ValueError):
        return []  # JSON, and no index: this only adds to an error that is told anyway
    found = set()
    for name in names:
        with contextlib.suppress(InvalidSdistFilename, InvalidWheelFilename):
            is_wheel = name.endswith(".whl")
            found.add((parse_wheel_filename(name) if is_wheel else parse_sdist_filename(name))[1])
    return [str(x) for x in sorted(found, reverse=True) if not x.is_prerelease]


def _with_credentials(url: str, index: str) -> str:
    userinfo, at, _ = urllib.parse.urlsplit(index).netloc.rpartition("@")
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{userinfo}{at}{parts.netloc}"))


def _parse_simple_page(body: bytes) -> Sequence[tuple[str, str]]:
    """(file name, URL) pairs of a PEP 691 or PEP 503 page."""
    if body.lstrip()[:1] == b"{":
        return [(entry["filename"], entry["url"]) for entry in json.loads(body)["files"]]
    links = _Links()
    links.feed(body.decode("utf-8", "replace"))
    return [(urllib.parse.unquote(os.path.basename(u.partition("#")[0])), u) for u in links.urls]  # noqa: PTH119 - a URL


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.urls.append(href)
