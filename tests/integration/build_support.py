"""Buildpacks and apps of a few lines, for tests of what drives them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slugc.slug import SlugMetadata, read_slug
from tests.environment import given
from tests.integration.support import SLUGC

DETECT = "echo Tiny"
RELEASE = "echo 'default_process_types: {web: serve}'"


def make_buildpack(directory: Path, **programs: str) -> Path:
    """A buildpack whose programs are bash scripts; what is not given does nothing."""
    scripts = {"detect": DETECT, "compile": ":", "release": RELEASE} | programs
    (directory / "bin").mkdir(parents=True)
    for name, script in scripts.items():
        path = directory / "bin" / name
        path.write_text(f"#!/usr/bin/env bash\nset -eu\n{script}\n")
        path.chmod(0o755)
    return directory


def make_app(directory: Path, **files: str) -> Path:
    """An app of the given files; ``a__b`` is ``a/b``."""
    directory.mkdir(parents=True)
    for name, text in ({"app_txt": "hello\n"} | files).items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one ``slugc build`` ended."""

    code: int
    stdout: str
    stderr: str
    slug: Path

    @property
    def metadata(self) -> SlugMetadata:
        assert self.code == 0, self.stderr
        return read_slug(self.slug).metadata

    def read(self, path: str) -> str:
        """A file in the slug, taken out by the system's own tar."""
        argv = ("tar", "--zstd", "-xOf", os.fspath(self.slug), f"./app/{path}")
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def names(self) -> set[str]:
        argv = ("tar", "--zstd", "-tf", os.fspath(self.slug))
        listing = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return {name.removeprefix("./app/").rstrip("/") for name in listing.splitlines()}

    def links(self) -> dict[str, str]:
        argv = ("tar", "--zstd", "-tvf", os.fspath(self.slug))
        listing = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        lines = [line.partition("./app/")[2] for line in listing.splitlines() if " -> " in line]
        return dict(line.split(" -> ") for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """``slugc build`` with a data directory of its own."""

    home: Path

    @property
    def env(self) -> Mapping[str, str]:
        root = Path(__file__).parents[2]
        return {**given(), "PYTHONPATH": os.fspath(root), "SLUGKIT_HOME": os.fspath(self.home)}

    def argv(self, app: Path | str, *options: str | Path, slug: Path) -> tuple[str, ...]:
        return (*SLUGC, "build", str(app), "-o", str(slug), *map(str, options))

    def build(
        self,
        app: Path | str,
        *options: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Outcome:
        slug = self.home.parent / "out.slug"
        done = subprocess.run(
            self.argv(app, *options, slug=slug),
            cwd=self.home.parent,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        return Outcome(
            code=done.returncode,
            stdout=done.stdout.decode(),
            stderr=done.stderr.decode(),
            slug=slug,
        )

    def spaces(self) -> list[Path]:
        return sorted((self.home / "cache").iterdir())


def result(outcome: Outcome) -> dict[str, object]:
    """The last event on standard output."""
    document = json.loads(outcome.stdout.splitlines()[-1])
    assert isinstance(document, dict)
    return document
