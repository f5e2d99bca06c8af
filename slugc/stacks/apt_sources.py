"""Where this machine gets its Debian packages from, to make images from the same place.

Read from the machine's own apt configuration and handed to mmdebstrap; never written into an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSources:
    """``lines`` are one-line entries; ``stanzas`` are deb822 text, ready for a .sources file."""

    lines: tuple[str, ...]
    stanzas: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lines or self.stanzas)


def read_apt_sources(apt_dir: Path, codename: str) -> AptSources:
    """The entries for Debian ``codename``: its own suite, updates and security; nobody else's."""
    files = [apt_dir / "sources.list", *sorted((apt_dir / "sources.list.d").glob("*"))]
    lines: list[str] = []
    stanzas: list[str] = []
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".sources":
            stanzas += _debian_stanzas(text, codename)
        elif file.suffix == ".list":
            lines += _debian_lines(text, codename)
    return AptSources(lines=tuple(lines), stanzas=tuple(stanzas))


def _suites(codename: str) -> frozenset[str]:
    # Backports are left out on purpose: they would change what the stack promises.
    return frozenset({codename, f"{codename}-updates", f"{codename}-security"})


def _debian_lines(text: str, codename: str) -> Iterator[str]:
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        # "deb [signed-by=... arch=...] URI SUITE COMPONENT..."
        options, bracket, rest = line.partition("]")
        words = (rest if bracket else line.removeprefix("deb ")).split()
        is_binary = line.startswith("deb ")
        if is_binary and len(words) >= 3 and words[1] in _suites(codename) and "main" in words[2:]:
            prefix = f"{options}] " if bracket else "deb "
            yield f"{prefix}{words[0]} {words[1]} main"


def _debian_stanzas(text: str, codename: str) -> Iterator[str]:
    for fields in _parse_deb822(text):
        suites = [word for word in fields.get("suites", "").split() if word in _suites(codename)]
        is_wanted = (
            "deb" in fields.get("types", "").split()
            and "main" in fields.get("components", "").split()
            and fields.get("enabled", "yes").strip().lower() not in {"no", "false"}
        )
        if suites and is_wanted:
            wanted = {"Types": "deb", "URIs": fields.get("uris", "").strip()}
            wanted |= {"Suites": " ".join(suites), "Components": "main"}
            if "signed-by" in fields:
                wanted["Signed-By"] = fields["signed-by"].strip(" ")
            yield "".join(f"{name}: {value}\n" for name, value in wanted.items())


def _parse_deb822(text: str) -> Iterator[dict[str, str]]:
    """Stanzas as lower-case field -> value; lines that continue a value are kept as they are."""
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t" and last:
            fields[last] += "\n" + line
        else:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()
