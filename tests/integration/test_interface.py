"""What a build writes to standard output: a path, the slug itself; and Heroku's old form."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from slugc.slug import read_slug
from tests.integration.build_support import Builder, make_app, make_buildpack
from tests.integration.support import SLUGC

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "fixtures" / "buildpacks" / "static"


@pytest.mark.parametrize("options", [(), ("-q",), ("--no-color",), ("--no-cache",)])
def test_the_path_and_nothing_else_is_on_standard_output(
    builder: Builder, app: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo noise; echo more >&2")

    for _ in range(2):  # also when nothing has changed
        outcome = builder.build(app, "-b", pack, *options)
        assert (outcome.code, outcome.stdout) == (0, f"{outcome.slug}\n")


def test_nothing_is_on_standard_output_when_there_is_no_slug(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo noise; exit 1")

    outcome = builder.build(app, "-b", pack)

    assert (outcome.code, outcome.stdout) == (65, "")


def test_a_slug_on_standard_output(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo noise")
    usual = builder.build(app, "-b", pack)

    argv = (*SLUGC, "build", str(app), "-b", str(pack), "-o", "-")
    done = subprocess.run(argv, cwd=tmp_path, env=builder.env, capture_output=True, check=True)

    assert done.stdout == usual.slug.read_bytes()
    assert b"written to standard output" in done.stderr
    assert not list((builder.home / "scratch").glob("scratch-*"))
    listed = subprocess.run(
        (*SLUGC, "list", "--json"), env=builder.env, capture_output=True, check=True
    )
    assert [each["slug"] for each in json.loads(listed.stdout)] == [str(usual.slug)]


def test_a_slug_is_not_written_to_a_terminal(builder: Builder, app: Path) -> None:
    parent, child = pty.openpty()
    argv = (*SLUGC, "build", str(app), "-o", "-")
    done = subprocess.run(
        argv, env=builder.env, stdout=child, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(child)
    os.close(parent)

    assert done.returncode == 64
    assert "A slug is not written to a terminal" in done.stderr
    assert "slugc build -o - > app.slug" in done.stderr


def test_standard_output_takes_one_thing(builder: Builder, app: Path) -> None:
    argv = (*SLUGC, "build", str(app), "-o", "-", "--json")
    done = subprocess.run(argv, env=builder.env, capture_output=True, text=True, check=False)

    assert done.returncode == 64
    assert "Standard output takes the slug or JSON, not both" in done.stderr


def test_the_four_argument_form_of_herokus_slug_compiler(builder: Builder, tmp_path: Path) -> None:
    site = make_app(
        tmp_path / "site", **{"index.html": "<h1>Hello</h1>", "Procfile": "clock: tick"}
    )
    argv = (*SLUGC, "site", str(STATIC), "cache", "out/deeper")

    for _ in range(2):  # the second one finds its cache
        done = subprocess.run(
            argv, cwd=tmp_path, env=builder.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    out = tmp_path / "out" / "deeper"
    assert done.stdout == f"{out}/slug.tgz\n"
    assert "-----> Static site app detected" in done.stderr
    assert "Using the cached copy" in done.stderr
    assert json.loads((out / "processes.json").read_text()) == {"web": "httpd", "clock": "tick"}
    listing = subprocess.run(
        ("tar", "-tzf", str(out / "slug.tgz")), capture_output=True, text=True, check=True
    ).stdout
    assert "./app/index.html\n" in listing
    assert read_slug(out / "slug.tgz").metadata.process_types == {"web": "httpd", "clock": "tick"}
    assert sorted(path.name for path in site.iterdir()) == ["Procfile", "app_txt", "index.html"]
    assert (tmp_path / "cache").is_dir()


def test_the_old_form_fails_with_the_same_codes(builder: Builder, tmp_path: Path) -> None:
    site = make_app(tmp_path / "site")
    (tmp_path / "file").touch()

    for words, code, said in (
        ((site, STATIC, "cache", "out"), 65, "did not recognise this app"),
        ((site, "nowhere", "cache", "out"), 66, "There is no buildpack at nowhere"),
        ((site, STATIC, "cache", "file/out"), 73, "The directory file/out cannot be used"),
    ):
        argv = (*SLUGC, *map(str, words))
        done = subprocess.run(
            argv, cwd=tmp_path, env=builder.env, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
    assert not (tmp_path / "out" / "slug.tgz").exists()
