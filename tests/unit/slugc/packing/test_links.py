"""Links with absolute targets: relative where they stay in the app, left out where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from slugc.archive.headers import MemberKind
from slugc.archive.scan import Entry
from slugc.packing.links import links_text, settle_links

TREE = Path("/var/lib/slugkit/cache/polls-00000000/work/build_5106c0de")


def link(path: str, target: str) -> Entry:
    return Entry(tuple(path.encode().split(b"/")), MemberKind.SYMLINK, target.encode())


@pytest.mark.parametrize(
    ("path", "target", "packed"),
    [
        ("python", "/app/.heroku/python", ".heroku/python"),
        (".jdk/lib/self", "/app/.jdk", "../../.jdk"),
        (".jdk/root", "/app", ".."),
        ("root", "/app/", "."),
        ("a/b", "/tmp/build_5106c0de/c//d", "../c/d"),
        ("a/b", f"{TREE}/c", "../c"),
        ("a/b", "../c", "../c"),
    ],
)
def test_a_link_into_the_app_becomes_relative(path: str, target: str, packed: str) -> None:
    (entry,), left_out = settle_links(TREE, [link(path, target)])
    assert (entry.target.decode(), left_out) == (packed, {})


@pytest.mark.parametrize("target", ["/etc/ssl/certs/java/cacerts", "/application", "/tmp/x", "/"])
def test_a_link_to_the_machine_is_left_out(target: str) -> None:
    file = Entry((b"file",), MemberKind.FILE)
    entries, left_out = settle_links(TREE, [link("a/b", target), file])
    assert entries == (file,)
    assert left_out == {b"a/b": target.encode()}


def test_a_way_out_behind_the_apps_name_is_left_to_the_judge_of_links() -> None:
    (entry,), _ = settle_links(TREE, [link("a", "/app/../etc/passwd")])
    assert entry.target == b"../etc/passwd"


def test_of_many_links_the_first_are_named() -> None:
    left_out = {f"{name}\x1b".encode(): b"/etc" for name in "abcde"}
    assert links_text(left_out) == (
        "Left out, as links that lead out of the app:\n"
        "a\\x1b -> /etc\nb\\x1b -> /etc\nc\\x1b -> /etc\nand 2 more"
    )
