"""How large an archive, and what comes out of it, may be."""

from __future__ import annotations

from buildpack.support.values import value

BLOCK = 512
MAX_COMPONENT = 255  # one name on every Linux file system
MAX_TARGET = 4095  # PATH_MAX without its NUL


@value
class Limits:
    """Limits of one archive. The defaults are Heroku's slug limit and room for large apps."""

    packed: int = 500 * 1000 * 1000
    """bytes of the compressed file"""
    unpacked: int = 2 * 1024**3
    """bytes of all files together"""
    entries: int = 200_000
    depth: int = 64
    path: int = 3_840
    """bytes of one path: PATH_MAX less room for where the tree is unpacked"""
    ratio: int | None = None
    """bytes that may come out for each one that went in, beyond RATIO_SLACK"""


RATIO_SLACK = 64 * 1024 * 1024  # a small file of zeros is no bomb, however well it packs
DEFAULT_LIMITS = Limits()
# Of a slug the index says how large its layers are, and digests vouch for it; of what strangers
# packed nothing does. gzip reaches 1,032, an app 3 to 10.
STRANGERS_LIMITS = Limits(ratio=100)
