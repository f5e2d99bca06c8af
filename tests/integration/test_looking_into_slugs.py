"""A real slug of a Django app, looked into, compared with its next versions, and built again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from slugc.inspection.packages import PackageKind, read_packages
from slugc.slug import read_slug
from tests.integration.build_support import Builder
from tests.integration.support import SLUGC

pytestmark = [pytest.mark.integration, pytest.mark.embedded, pytest.mark.network]

APP = Path(__file__).parents[2] / "fixtures" / "django_polls"
SITE = ".heroku/venv/lib/python{}/site-packages"


class Place:
    """A copy of the app, and slugs of its versions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.app = root / "polls"
        self.builder = Builder(home=root / "home")
        shutil.copytree(APP, self.app)

    def build(self, name: str) -> Path:
        made = self.builder.build(self.app)
        assert made.code == 0, made.stderr
        return made.slug.rename(self.root / name)

    def slugc(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*SLUGC, *map(str, words)),
            cwd=self.root,
            env=self.builder.env,
            capture_output=True,
            check=False,
            text=True,
            timeout=180,
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("looking")
    for directory in (root, *list(root.parents)[:2]):
        directory.chmod(0o755)
    return Place(root)


@pytest.fixture(scope="module")
def slug(place: Place) -> Path:
    return place.build("first.slug")


def test_the_packages_are_those_of_the_requirements(slug: Path) -> None:
    pinned = {
        line.partition("==")[0].partition("[")[0].lower().replace("_", "-"): line.partition("==")[2]
        for line in (APP / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    found = read_packages(read_slug(slug))
    python = [package for package in found if package.kind is PackageKind.PYTHON]

    assert {x.name.lower().replace("_", "-"): x.version for x in python} == pinned
    assert [package.name for package in found if package.kind is PackageKind.RUNTIME] == ["python"]
    assert all(package.licence for package in found)
    total = sum(package.size for package in found)
    listed = json.loads(
        subprocess.run(
            (*SLUGC, "inspect", str(slug), "--tree", "1", "--json"), capture_output=True, check=True
        ).stdout
    )
    assert 0.99 < total / listed["size"] <= 1.0


def test_every_view_of_a_real_slug_is_shown(place: Place, slug: Path) -> None:
    for words, shown in (
        ((), "Built here"),
        (("--sizes",), "Django"),
        (("--tree", ".heroku/venv:4"), "site-packages/"),
        (("--procfile",), "web: gunicorn"),
        (("--html", "-"), "Build timeline"),
        (("--html", "-"), " frames: what did not change is copied from the last slug"),
        (("--sbom",), "CycloneDX"),
    ):
        done = place.slugc("inspect", slug.name, *words)
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout


def test_explanations_of_a_real_slug(place: Place, slug: Path) -> None:
    left_out = place.slugc("explain", slug.name, "polls/tests.py")
    assert left_out.stdout.startswith(
        "polls/tests.py is not in the slug: .slugignore:2 `polls/tests.py`\n"
    )
    static = place.slugc("explain", slug.name, "staticfiles/staticfiles.json")
    assert static.stdout.startswith("staticfiles/staticfiles.json is in the slug: ")
    missing = place.slugc("explain", slug.name, "polls/test.py")
    assert missing.returncode == 66


def test_an_edit_and_a_new_version_are_told_apart(place: Place, slug: Path) -> None:
    manage, requirements = place.app / "manage.py", place.app / "requirements.txt"
    manage.write_text(manage.read_text() + "# edited\n")
    edited = place.build("edited.slug")
    found = json.loads(place.slugc("diff", slug.name, edited.name, "--json").stdout)
    assert [(path["path"], path["what"]) for path in found["paths"]] == [
        ("manage.py", ["size", "content"])
    ]
    assert found["packages"] == []

    text = requirements.read_text()
    requirements.write_text(text.replace("sqlparse==0.6.1", "sqlparse==0.5.3"))
    bumped = place.build("bumped.slug")
    done = place.slugc("diff", edited.name, bumped.name)
    assert done.returncode == 1
    assert done.stdout.startswith("Packages\n  ~  sqlparse  0.6.1 -> 0.5.3\n\nFiles\n")
    assert "manage.py" not in done.stdout
    assert place.slugc("diff", slug.name, slug.name).returncode == 0


def test_the_source_builds_the_same_bytes_again(place: Place, slug: Path) -> None:
    done = place.slugc("verify", slug.name, "-q", "--rebuild", APP)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte for byte the same" in done.stdout


def test_another_source_is_told_from_it(place: Place) -> None:
    buildpack = place.root / "buildpack"
    (buildpack / "bin").mkdir(parents=True)
    for name, script in {
        "detect": "echo Tiny",
        "compile": 'cp "$1/text" "$1/made"',
        "release": "echo 'default_process_types: {web: serve}'",
    }.items():
        (buildpack / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (buildpack / "bin" / name).chmod(0o755)
    source = place.root / "tiny"
    source.mkdir()
    (source / "text").write_text("one\n")
    made = place.builder.build(source, "-b", buildpack)
    assert made.code == 0, made.stderr
    same = place.slugc("verify", made.slug, "-q", "--rebuild", source, "-b", buildpack)
    assert same.returncode == 0, same.stdout + same.stderr

    (source / "text").write_text("two\n")
    other = place.slugc("verify", made.slug, "-q", "--rebuild", source, "-b", buildpack)
    assert other.returncode == 1
    assert other.stdout.startswith(
        f"{made.slug} is whole, but not what {source} builds here and now\n\n"
    )
    assert "  ~  =  made (content)\n  ~  =  text (content)\n" in other.stdout
    assert [path.name for path in (place.builder.home / "scratch").iterdir()] == [".lock"]
