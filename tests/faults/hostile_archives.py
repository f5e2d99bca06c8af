"""A corpus of archives that must be refused, and of odd ones that are honest.

The kinds are those that broke tarfile, tarsafe and GNU tar over the years: names that leave,
links, special files, bombs, parser traps, damage, and headers that two readers read differently.
Everything happens below a directory that lies beside a file called ``secret``.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Mapping

from tests.faults.tar_blocks import (
    BELOW,
    END,
    GNU,
    Fields,
    directory,
    entry,
    file,
    gnu_long,
    gz,
    hard_link,
    header,
    padded,
    pax,
    raw_pax,
    symlink,
    zst,
)


def _many(count: int, member: Callable[[int], bytes]) -> bytes:
    return b"".join(member(number) for number in range(count))


def _beyond_path_max() -> bytes:
    """Links whose real path is longer than the kernel takes: realpath() gives up, and tarfile
    took what it had by then for the answer (CVE-2025-4517)."""
    long, made, path, steps = b"d" * 247, b"", b"", [b"%c" % n for n in b"abcdefghijklmnop"]
    for step in steps:
        made += pax({b"path": path + long}) + directory(b"cut")
        made += pax({b"path": path + step}) + symlink(b"cut", long)
        path += long + b"/"
    deepest = b"/".join(steps) + b"/" + b"l" * 254
    made += pax({b"path": deepest, b"linkpath": b"../" * len(steps)}) + symlink(b"cut", b"cut")
    made += pax({b"linkpath": deepest + b"/../secret"}) + symlink(b"escape", b"cut")
    return made


def _names() -> dict[str, bytes]:
    """Names that leave, or are none."""
    return {
        "name-dotdot": file(b"../secret"),
        "name-dotdot-deep": file(b"a/b/../../../secret"),
        "name-dotdot-inside": file(b"a/../b"),
        "name-dotdot-last": file(b"a/.."),
        "name-absolute": file(b"/tmp/slugkit-escape"),
        "name-double-slash": file(b"//tmp/slugkit-escape"),
        "name-empty": file(b""),
        "name-only-slash": directory(b"/"),
        "name-is-root": file(b"."),
        "name-root-link": symlink(b".", b"a"),
        "name-prefix-dotdot": file(b"secret", fields=Fields(prefix=b"..")),
        "name-prefix-absolute": file(b"x", fields=Fields(prefix=b"/tmp")),
        "name-pax-dotdot": pax({b"path": b"../secret"}) + file(b"ok"),
        "name-pax-absolute": pax({b"path": b"/tmp/x"}) + file(b"ok"),
        "name-pax-nul": pax({b"path": b"a\0../../secret"}) + file(b"ok"),
        "name-pax-empty": pax({b"path": b""}) + file(b"ok"),
        "name-gnu-dotdot": gnu_long(b"../" * 40 + b"secret") + file(b"ok"),
        "name-gnu-absolute": gnu_long(b"/tmp/" + b"x" * 120) + file(b"ok"),
        "name-too-long": pax({b"path": b"/".join([b"a" * 200] * 20)}) + file(b"ok"),
        "name-component-256": pax({b"path": b"a" * 256}) + file(b"ok"),
        "name-file-with-slash": file(b"a/"),
        "name-through-dot-link": symlink(b"x", b".") + file(b"x/../secret"),
        "name-below-dot-link": symlink(b"x", b".") + file(b"x/y"),
        "name-below-chain-of-links": symlink(b"x", b"y") + symlink(b"y", b".") + file(b"x/y/z"),
        "name-file-old-directory": entry(b"a/", b"\0"),
    }


def _links() -> dict[str, bytes]:
    """Links that lead out, however they are put together."""
    return {
        "link-absolute": symlink(b"l", b"/etc/passwd"),
        "link-absolute-python": symlink(b"bin/python", b"/usr/bin/python3"),
        "link-proc-root": symlink(b"l", b"/proc/self/root/etc"),
        "link-dotdot": symlink(b"l", b"../secret"),
        "link-dotdot-deep": directory(b"a") + symlink(b"a/l", b"../../secret"),
        "link-empty": symlink(b"l", b""),
        "link-nul-pax": pax({b"linkpath": b"a\0b"}) + symlink(b"l", b"a"),
        "link-then-file-through": symlink(b"l", b"a") + file(b"l/x"),
        "link-then-file-through-outside": symlink(b"l", b"..") + file(b"l/secret"),
        "link-replaced-by-file": symlink(b"l", b"a") + file(b"l"),
        "link-replaces-file": file(b"l") + symlink(b"l", b"a"),
        "link-replaces-directory": directory(b"l") + symlink(b"l", b"a"),
        "link-dot-chain": symlink(b"x", b".") + symlink(b"y", b"x/..") + file(b"ok"),
        "link-late-binding": symlink(b"b", b"a/..") + directory(b"c") + symlink(b"a", b"c/../.."),
        "link-exit-and-reentry": symlink(b"l", b"../tree/ok") + file(b"ok"),
        "link-through-missing": symlink(b"l", b"missing/../ok") + file(b"ok"),
        "link-through-file": file(b"f") + symlink(b"l", b"f/../../secret"),
        "link-up-through-link": directory(b"a/b")
        + symlink(b"up", b"a/b")
        + symlink(b"l", b"up/../../../secret"),
        "link-trailing-slash-name": symlink(b"l/", b"a"),
        "link-pax-override": pax({b"linkpath": b"../secret"}) + symlink(b"l", b"ok"),
        "link-gnu-override": gnu_long(b"../secret" + b"/." * 60, b"K") + symlink(b"l", b"ok"),
        "link-pax-global-override": pax({b"linkpath": b"../secret"}, b"g") + symlink(b"l", b"ok"),
        "link-with-content": entry(b"l", b"2", 5, Fields(target=b"a")) + padded(b"12345"),
        "link-target-too-long": pax({b"linkpath": b"a/" * 2050}) + symlink(b"l", b"a"),
        "link-absolute-write": symlink(b"l", b"/tmp/slugkit-escape") + file(b"l"),
        "link-dot-chain-noparent": symlink(b"d/x", b".")
        + symlink(b"d/y", b"x/../..")
        + file(b"ok"),
        "link-up-then-dotdot": directory(b"a/b")
        + symlink(b"a/b/up", b"../..")
        + symlink(b"l", b"a/b/up/../secret"),
        "link-empty-name": symlink(b"", b"a"),
        "link-replaces-directory-then-mode": directory(b"d")
        + symlink(b"d", b"..")
        + directory(b"d", mode=b"0000777\0"),
        "link-pathmax-write": _beyond_path_max() + file(b"escape"),
        "link-pathmax-hard-link": _beyond_path_max() + hard_link(b"h", b"escape") + file(b"h"),
        "link-pathmax-read": _beyond_path_max() + hard_link(b"h", b"escape"),
        "link-of-forty-hops": _many(45, lambda n: symlink(b"l%d" % n, b"l%d/.." % (n + 1)))
        + symlink(b"l45", b".."),
        "hard-link-through-dot-link": symlink(b"x", b".") + hard_link(b"h", b"x/../secret"),
        "hard-link-to-dangling-link": symlink(b"l", b"no") + hard_link(b"h", b"l") + file(b"h"),
        "hard-link-to-live-link-then-mode": file(b"f")
        + symlink(b"l", b"f")
        + hard_link(b"h", b"l")
        + file(b"h", fields=Fields(mode=b"0000777\0")),
        "hard-link-replaces-file": file(b"f") + file(b"h") + hard_link(b"h", b"f"),
        "hard-link-outside": hard_link(b"h", b"../secret"),
        "hard-link-absolute": hard_link(b"h", b"/etc/passwd"),
        "hard-link-missing": hard_link(b"h", b"nothing"),
        "hard-link-later": hard_link(b"h", b"f") + file(b"f"),
        "hard-link-to-symlink": symlink(b"l", b"f") + file(b"f") + hard_link(b"h", b"l"),
        "hard-link-through-symlink": directory(b"d")
        + file(b"d/f")
        + symlink(b"l", b"d")
        + hard_link(b"h", b"l/f"),
        "hard-link-to-directory": directory(b"d") + hard_link(b"h", b"d"),
        "hard-link-to-itself": hard_link(b"h", b"h"),
        "hard-link-with-content": file(b"f")
        + entry(b"h", b"1", 1, Fields(target=b"f"))
        + padded(b"x"),
    }


def _kinds() -> dict[str, bytes]:
    """Members no app has a use for, and one in another's place."""
    return {
        "kind-character-device": entry(b"d", b"3"),
        "kind-block-device": entry(b"d", b"4"),
        "kind-fifo": entry(b"d", b"6"),
        "kind-contiguous": entry(b"d", b"7"),
        "kind-sparse-old": entry(b"d", b"S", 0, Fields(magic=GNU)),
        "kind-sparse-old-1t": entry(b"d", b"S", 512, Fields(magic=GNU)) + bytes(512),
        "kind-sparse-pax-8e": pax(
            {
                b"GNU.sparse.major": b"1",
                b"GNU.sparse.minor": b"0",
                b"GNU.sparse.realsize": b"9223372036854775807",
            }
        )
        + file(b"d"),
        "kind-multi-volume": entry(b"d", b"M", 0, Fields(magic=GNU)),
        "kind-volume-label": entry(b"d", b"V", 0, Fields(magic=GNU)),
        "kind-dump-directory": entry(b"d", b"D", 0, Fields(magic=GNU)),
        "kind-unknown": entry(b"d", b"Z"),
        "kind-sparse-pax": pax({b"GNU.sparse.major": b"1", b"GNU.sparse.realsize": b"9" * 18})
        + file(b"d"),
        "directory-with-content": entry(b"d", b"5", 3) + padded(b"abc"),
        "directory-over-file": file(b"d") + directory(b"d"),
        "file-over-directory": directory(b"d") + file(b"d"),
        "file-twice": file(b"d", b"one") + file(b"d", b"two"),
        "file-twice-spelt-differently": file(b"a/b") + file(b"./a//b"),
        "file-below-file": file(b"a") + file(b"a/b"),
    }


def _bombs() -> dict[str, bytes]:
    """Little that becomes much."""
    return {
        "bomb-size-claimed": entry(b"big", b"0", 1 << 32),
        "bomb-pax-size": pax({b"size": b"9" * 19}) + file(b"x"),
        "bomb-many-members": _many(3000, lambda n: entry(b"%d" % n)),
        "bomb-implied-directories": _many(100, lambda n: file(b"%d/" % n + b"d/" * 40 + b"f")),
        "bomb-deep": pax({b"path": b"d/" * 100 + b"f"}) + file(b"x"),
        "bomb-pax-header": header(b"p", b"x", 1 << 24) + bytes(1 << 20),
        "bomb-extension-chain": _many(50, lambda _: pax({b"comment": b"x"}, b"g")) + file(b"ok"),
        "bomb-pax-chain": pax({b"path": b"a"}) * 5000 + file(b"ok"),
        "bomb-mixed-chain": (pax({b"comment": b"x"}, b"g") + gnu_long(b"a") + gnu_long(b"b", b"K"))
        * 9
        + symlink(b"ok", b"x"),
        "bomb-gnu-chain": gnu_long(b"a" * 120) * 20 + file(b"ok"),
        "bomb-gzip-file": gz(file(b"big", bytes(65 << 20)) + END),
        "bomb-zstd-file": zst(file(b"big", bytes(65 << 20)) + END),
        "bomb-bzip2": bz2.compress(file(b"big", bytes(65 << 20)) + END, 1),
        "bomb-xz": lzma.compress(file(b"big", bytes(65 << 20)) + END, preset=0),
        "bomb-gzip-zeros": gz(file(b"ok") + END + bytes(64 << 20)),
        "bomb-zstd-zeros": zst(file(b"ok") + END + bytes(256 << 20)),
        "bomb-gzip-empty-members": gz(b"") * 120_000,
        "bomb-zstd-window": bytes.fromhex("28b52ffd00a0010000010000"),  # wants a 1 GiB window
    }


def _parser() -> dict[str, bytes]:
    """What two readers read differently."""
    return {
        "size-negative": entry(b"x", b"0", 0, Fields(size=b"-0000000001\0")),
        "size-base-256-negative": entry(b"x", b"0", 0, Fields(size=b"\xff" * 12)),
        "size-base-256": entry(b"x", b"0", 0, Fields(size=b"\x80" + bytes(10) + b"\x01"))
        + padded(b"x"),
        "size-empty": entry(b"x", b"0", 0, Fields(size=bytes(12))),
        "size-not-octal": entry(b"x", b"0", 0, Fields(size=b"00000000009\0")),
        "size-underscore": entry(b"x", b"0", 0, Fields(size=b"0000000_001\0")),
        "size-pax-smaller": pax({b"size": b"0"}) + file(b"x", file(b"../secret")),
        "size-pax-larger": pax({b"size": b"2048"}) + file(b"x", b"1") + file(b"y"),
        "size-pax-negative": pax({b"size": b"-1"}) + file(b"x"),
        "size-pax-signed": pax({b"size": b"+1"}) + file(b"x"),
        "size-pax-spaces": pax({b"size": b" 1"}) + file(b"x"),
        "mode-not-octal": file(b"x", fields=Fields(mode=b"zzzzzzz\0")),
        "checksum-wrong": file(b"x", fields=Fields(checksum=b"000000\0 ")),
        "checksum-wrong-second": file(b"a") + file(b"x", fields=Fields(checksum=b"000000\0 ")),
        "checksum-signed": file(b"\xff" * 20, fields=Fields(checksum=b"000777\0 ")),
        "magic-none": file(b"x", fields=Fields(magic=bytes(8))),
        "magic-gnu-with-prefix": file(b"x", fields=Fields(magic=GNU, prefix=b"a")),
        "pax-twice": pax({b"path": b"a"}) + pax({b"path": b"b"}) + file(b"c"),
        "pax-key-twice": raw_pax(b"10 path=a\n10 path=b\n") + file(b"c"),
        "pax-and-gnu": pax({b"path": b"a"}) + gnu_long(b"b") + file(b"c"),
        "pax-length-too-short": raw_pax(b"5 path=a\n") + file(b"c"),
        "pax-length-too-long": raw_pax(b"99 path=a\n") + file(b"c"),
        "pax-length-zero": raw_pax(b"0 path=a\n") + file(b"c"),
        "pax-without-newline": raw_pax(b"10 path=abc") + file(b"c"),
        "pax-without-equals": raw_pax(b"8 path a\n") + file(b"c"),
        "pax-global-path": pax({b"path": b"a"}, b"g") + file(b"c"),
        "pax-global-size": pax({b"size": b"0"}, b"g") + file(b"c"),
        "pax-unknown-charset": pax({b"hdrcharset": b"EBCDIC"}) + file(b"c"),
        "pax-last": file(b"c") + pax({b"path": b"a"}),
        "gnu-name-without-nul": header(b"L", b"L", 4, Fields(magic=GNU))
        + padded(b"")
        + b"abcd".ljust(512, b"e")
        + file(b"c"),
        "gnu-name-of-old-directory": gnu_long(b"a/" * 60) + header(b"x", b"\0"),
        "gnu-name-empty": gnu_long(b"") + file(b"c"),
    }


def _flip(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


_GOOD = file(b"a", b"A" * 700) + file(b"b", b"B" * 700) + END

DAMAGE: Mapping[str, bytes] = {
    "empty": b"",
    "only-end-blocks": END,
    "no-end-blocks": file(b"a"),
    "one-end-block": file(b"a") + bytes(512),
    "one-end-block-then-more": file(b"a") + bytes(512) + file(b"b") + END,
    "cut-in-header": _GOOD[:300],
    "cut-in-content": _GOOD[:1300],
    "cut-in-padding": _GOOD[:1500],
    "cut-between-members": _GOOD[:1536],
    "cut-in-end": _GOOD[:-100],
    "rubbish-after-end": _GOOD + b"rubbish".ljust(512, b"!"),
    "member-after-end": _GOOD + file(b"c") + END,
    "odd-length-after-end": _GOOD + bytes(100),
    "gzip-cut": gz(_GOOD)[:-20],
    "gzip-cut-in-crc": gz(_GOOD)[:-2],
    "gzip-wrong-crc": _flip(gz(_GOOD), len(gz(_GOOD)) - 8),
    "gzip-wrong-length": _flip(gz(_GOOD), len(gz(_GOOD)) - 1),
    "gzip-then-rubbish": gz(_GOOD) + b"rubbish!",
    "gzip-second-member-hides": gz(_GOOD) + gz(file(b"c") + END),
    "zstd-cut": zst(_GOOD)[:-3],
    "zstd-flipped": _flip(zst(_GOOD), len(zst(_GOOD)) // 2),
    "zstd-then-rubbish": zst(_GOOD) + b"rubbish!",
    "html": b"<!DOCTYPE html><html><body>Not found</body></html>" * 20,
    "random": bytes((number * 7919) % 251 for number in range(5000)),
    "xz": lzma.compress(_GOOD),
    "bzip2": bz2.compress(_GOOD),
    "zip": b"PK\x03\x04" + bytes(600),
}


def hostile_members(below: bytes = b"") -> dict[str, bytes]:
    """Hostile members of a tar stream below that directory, without its end."""
    token = BELOW.set(below)
    try:
        return {**_names(), **_links(), **_kinds(), **_parser()}
    finally:
        BELOW.reset(token)


HOSTILE: Mapping[str, bytes] = {
    **{name: data + END for name, data in hostile_members().items()},
    **{
        name: data if any(word in name for word in ("gzip", "zstd", "xz", "bzip2")) else data + END
        for name, data in _bombs().items()
    },
    **DAMAGE,
}

Tree = Mapping[str, bytes | tuple[str]]
"""What must come out: file contents, or ``(target,)`` for a link."""


def _contained() -> dict[str, bytes]:
    """What comes out harmless: bits, owners and attributes stay behind."""
    return {
        "mode-setuid": file(b"x", fields=Fields(mode=b"0004755\0")),
        "mode-setgid": file(b"x", fields=Fields(mode=b"0002755\0")),
        "mode-setgid-directory": directory(b"d", mode=b"0002755\0") + file(b"d/x"),
        "mode-sticky-world-directory": directory(b"d", mode=b"0001777\0") + file(b"d/x"),
        "mode-world-writable": file(b"x", fields=Fields(mode=b"0000666\0")),
        "mode-none": file(b"x", fields=Fields(mode=b"0000000\0")),
        "mode-directory-none": directory(b"d", mode=b"0000000\0") + file(b"d/x"),
        "mode-all-bits": file(b"x", fields=Fields(mode=b"7777777\0")),
        "owner-foreign": file(b"x", fields=Fields(owner=b"0001750\0")),
        "owner-huge": file(b"x", fields=Fields(owner=b"\x80" + b"\xff" * 7)),
        "owner-not-octal": file(b"x", fields=Fields(owner=b"zzzzzzz\0")),
        "capability-in-pax": pax({b"SCHILY.xattr.security.capability": b"\1\0\0\2"}) + file(b"x"),
    }


def contained_members(below: bytes = b"") -> dict[str, bytes]:
    """As ``hostile_members``, of what is taken."""
    token = BELOW.set(below)
    try:
        return _contained()
    finally:
        BELOW.reset(token)


CONTAINED: Mapping[str, bytes] = contained_members()

_LONG = b"d/" * 60 + b"f" * 100
HONEST: Mapping[str, tuple[bytes, Tree]] = {
    "ok-plain": (file(b"a", b"1") + END, {"a": b"1"}),
    "ok-dot-slash": (directory(b"./") + file(b"./a/b", b"1") + END, {"a/b": b"1"}),
    "ok-gzip": (gz(file(b"a") + END), {"a": b"x"}),
    "ok-zstd": (zst(file(b"a") + END), {"a": b"x"}),
    "ok-two-gzip-members": (gz(file(b"a")) + gz(file(b"b") + END), {"a": b"x", "b": b"x"}),
    "ok-two-frames": (zst(file(b"a")) + zst(file(b"b") + END), {"a": b"x", "b": b"x"}),
    "ok-skippable-frame": (
        zst(file(b"a") + END) + bytes.fromhex("5e2a4d1803000000") + b"abc",
        {"a": b"x"},
    ),
    "ok-record-padding": (file(b"a") + END + bytes(10240), {"a": b"x"}),
    "ok-nested-relative-link": (
        file(b"a/c/f") + symlink(b"a/b/l", b"../c/f") + END,
        {"a/c/f": b"x", "a/b/l": ("../c/f",)},
    ),
    "ok-link-before-target": (symlink(b"l", b"f") + file(b"f") + END, {"f": b"x", "l": ("f",)}),
    "ok-dangling-link": (
        symlink(b"l", b"nothing") + file(b"f") + END,
        {"f": b"x", "l": ("nothing",)},
    ),
    "ok-link-loop": (symlink(b"a", b"b") + symlink(b"b", b"a") + END, {"a": ("b",), "b": ("a",)}),
    "ok-link-to-itself": (symlink(b"a", b"a") + END, {"a": ("a",)}),
    "ok-link-to-root": (directory(b"d") + symlink(b"d/l", b"..") + END, {"d/l": ("..",)}),
    "ok-hard-link": (file(b"a/f", b"1") + hard_link(b"h", b"a/f") + END, {"a/f": b"1", "h": b"1"}),
    "ok-directory-twice": (directory(b"d") + directory(b"d/") + file(b"d/f") + END, {"d/f": b"x"}),
    "ok-dots-in-name": (
        file(b"...") + file(b"a..b") + file(b"..c/..d") + END,
        {"...": b"x", "a..b": b"x", "..c/..d": b"x"},
    ),
    "ok-backslash": (file(b"..\\x") + END, {"..\\x": b"x"}),
    "ok-newline": (file(b"a\nb") + END, {"a\nb": b"x"}),
    "ok-not-utf8": (file(b"\xff\xfe") + END, {"\udcff\udcfe": b"x"}),
    "ok-pax-long": (pax({b"path": _LONG}) + file(b"cut") + END, {_LONG.decode(): b"x"}),
    "ok-gnu-long": (gnu_long(_LONG) + file(b"cut") + END, {_LONG.decode(): b"x"}),
    "ok-gnu-magic": (file(b"a", fields=Fields(magic=GNU)) + END, {"a": b"x"}),
    "ok-git-archive": (pax({b"comment": b"0" * 40}, b"g") + file(b"a") + END, {"a": b"x"}),
    "ok-pax-size": (pax({b"size": b"1"}) + file(b"a") + END, {"a": b"x"}),
    "ok-pax-extras": (
        pax({b"mtime": b"1.5", b"SCHILY.xattr.user.x": b"\0\1"}) + file(b"a") + END,
        {"a": b"x"},
    ),
    "ok-huge-owner": (
        file(b"a", fields=Fields(owner=b"\x80" + b"\xff" * 7)) + END,
        {"a": b"x"},
    ),
    "ok-empty-file": (file(b"a", b"") + END, {"a": b""}),
    "ok-block-sized-file": (file(b"a", b"z" * 512) + END, {"a": b"z" * 512}),
}
