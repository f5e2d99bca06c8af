"""A server with NLTK's index and one package of it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NLTK_SITE = "http://nltk.test"
"""A name that no machine has (RFC 6761). NLTK refuses indexes at addresses of this machine, so the
server is a proxy, as a company's would be."""


@contextmanager
def serving_nltk_data(directory: Path) -> Iterator[dict[str, str]]:
    """NLTK's index and one package of it, on a server of our own: the config vars that say so."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("slugkit_words/words.txt", "build run build\n")
    (directory / "slugkit_words.zip").write_bytes(content.getvalue())
    (directory / "index.xml").write_text(index_xml(content.getvalue()))
    handler = functools.partial(QuietProxy, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {
        "http_proxy": f"http://127.0.0.1:{server.server_port}",
        "NLTK_ALLOW_PROXIED_URLOPEN": "1",
        "NLTK_DOWNLOAD_URL": f"{NLTK_SITE}/index.xml",
    }
    server.shutdown()
    thread.join()
    server.server_close()


class QuietProxy(http.server.SimpleHTTPRequestHandler):
    """A proxy for one site, whose files are in a directory."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(NLTK_SITE))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nobody reads it."""


def index_xml(package: bytes) -> str:
    md5, sha256 = hashlib.md5(package).hexdigest(), hashlib.sha256(package).hexdigest()
    return (
        '<?xml version="1.0"?><nltk_data><packages>'
        f'<package id="slugkit_words" name="Words" subdir="corpora" unzip="1" '
        f'url="{NLTK_SITE}/slugkit_words.zip" size="{len(package)}" unzipped_size="16" '
        f'checksum="{md5}" sha256_checksum="{sha256}"/>'
        "</packages><collections></collections></nltk_data>"
    )
