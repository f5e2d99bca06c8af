"""Names of images in registries: ``HOST/NAME:TAG``.

https://github.com/distribution/reference
"""

from __future__ import annotations

import re

from buildpack.support.values import value
from slugc.transfer.registry_errors import ImageReferenceError

HUB, HUB_SERVER = "docker.io", "registry-1.docker.io"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?")


@value
class Reference:
    """``HOST/NAME:TAG`` or ``HOST/NAME@DIGEST``."""

    host: str
    name: str
    tag: str

    @property
    def shown(self) -> str:
        joint = "@" if DIGEST.fullmatch(self.tag) else ":"
        return f"{self.host}/{self.name}{joint}{self.tag}"


def parse_reference(text: str) -> Reference:
    """The image that ``text`` names. A name without a host is Docker Hub's, as everywhere."""
    host, slash, rest = text.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = HUB, text
    name, at, tag = rest.partition("@")
    if not at:
        name, _, tag = rest.partition(":")
        tag = tag or "latest"
    if host == HUB and "/" not in name:
        name = f"library/{name}"
    if not _HOST.fullmatch(host):
        raise ImageReferenceError(text, f"'{host}' is no name of a host.")
    if not _NAME.fullmatch(name) or len(name) > 255:
        near = name.lower()
        advice = f" Did you mean {near}?" if near != name and _NAME.fullmatch(near) else ""
        raise ImageReferenceError(text, f"'{name}' is no name of a repository.{advice}")
    if not (DIGEST if at else _TAG).fullmatch(tag):
        raise ImageReferenceError(text, f"'{tag}' is no {'digest' if at else 'tag'}.")
    return Reference(host=host, name=name, tag=tag)
