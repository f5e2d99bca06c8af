"""The topmost layer of an image: what starts the app, and who may write where.

A slug's own layers belong to root, which is how they are in the slug. So that the app, which does
not run as root, can make and replace files as it could on Heroku, this layer names the app's
directories once more, with the app's user as their owner. Directories lower down are not: what
was installed is read-only.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from slugc.archive.headers import MemberKind
from slugc.archive.limits import Limits
from slugc.archive.members import MemberReader
from slugc.archive.plain_stream import PlainStream
from slugc.archive.writer import header
from slugc.slug import Slug, SlugFacts
from slugc.slug_format import BLOCK, TAR_END
from slugc.slug_verify import layer_chunks
from slugc.transfer.image import APP_UID, DEFAULT_PORT, STARTER, ImageLayer, history_of
from slugc.transfer.layer_notes import LayerNotes
from slugc.transfer.slug_layers import Packing, packed_layer
from slugc.transfer.streams import ChunkReader

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TEMPLATE = Path(__file__).parents[1] / "data" / "slug-start.sh"


def start_layer(slug: Slug, facts: SlugFacts, packing: Packing) -> ImageLayer:
    """The layer of ``slug`` with these process types and defaults."""
    content = start_tar(start_script(facts), app_directories(slug))
    unknown = Packing(
        compression=packing.compression, scratch=packing.scratch, notes=LayerNotes(None)
    )
    history = history_of("slugc: what starts the app")
    return packed_layer(lambda: iter((content,)), unknown, key="", history=history)


def start_script(facts: SlugFacts) -> str:
    """The program that images start, with the slug's process types in it."""
    types = facts.process_types
    cases = [f"{kind}) command={_quoted(line)} && shift ;;" for kind, line in types.items()]
    replacements = {
        "#DEFAULTS#": "".join(
            _default(name, text)
            for name, text in sorted(facts.config_vars.items())
            if _NAME.fullmatch(name) and "\0" not in text
        ),
        "#TYPES#": ", ".join(sorted(types)) or "it has none",
        "#CASES#": "\n".join(sorted(cases)),
        "#PORT#": str(DEFAULT_PORT),
    }
    # Cut at the marks first: a command may hold one.
    script = TEMPLATE.read_text(encoding="utf-8")
    parts = [script]
    for mark, text in replacements.items():
        before, _, after = parts.pop().partition(mark)
        parts += [before, text, after]
    return "".join(parts)


def _default(name: str, text: str) -> str:
    """Config vars that are given win, also where an image's own environment was left out."""
    return f'[ -n "${{{name}+given}}" ] || export {name}={_quoted(text)}\n'


def _quoted(text: str) -> str:
    return shlex.quote(text) if text else "''"


def app_directories(slug: Slug) -> tuple[bytes, ...]:
    """The directories of the slug's highest layer, the app's own, in their order."""
    if not slug.metadata.layers:
        return (b"./app/",)
    chunks = layer_chunks(slug, slug.metadata.layers[-1])
    reader = MemberReader(PlainStream(ChunkReader(chunks), Limits()), ends=False)
    found = []
    while (member := reader.next()) is not None:
        if member.kind is MemberKind.DIRECTORY:
            found.append(member.name)
    return tuple(dict.fromkeys((b"./app/", *found)))


def start_tar(script: str, directories: tuple[bytes, ...]) -> bytes:
    """The layer's bytes: the script, root's, and the directories, the app's."""
    return b"".join(_members({STARTER: script.encode()}, directories)) + TAR_END


def _members(files: Mapping[str, bytes], directories: tuple[bytes, ...]) -> Iterator[bytes]:
    for name in directories:
        yield owned(header(name, MemberKind.DIRECTORY), APP_UID)
    for place, content in files.items():
        yield header(b"." + place.encode(), MemberKind.FILE, size=len(content), executable=True)
        yield content + bytes(-len(content) % BLOCK)


def owned(head: bytes, uid: int) -> bytes:
    """A member's header with another owner; a PAX header before it stays as it is."""
    before, last = head[:-BLOCK], bytearray(head[-BLOCK:])
    last[108:124] = b"%07o\0%07o\0" % (uid, uid)
    last[148:156] = b" " * 8
    last[148:156] = b"%06o\0 " % sum(last)
    return before + bytes(last)
