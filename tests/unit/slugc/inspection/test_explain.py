"""Why a path is in a slug or not, as slugc explain says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.values import changed
from slugc.history import note_build
from slugc.inspection.explain_command import explain_from_options
from slugc.inspection.explanation import UnexplainedPathError
from slugc.slug import Slug
from slugc.sources.left_out import LeftOut
from tests.unit.slugc.inspection.test_packages import FLASK, SITE, make_slug
from tests.unit.slugc.test_history import RECORD

FILES: Mapping[str, str] = {
    **FLASK,
    "manage.py": "x = 1\n",
    "docs/keep.txt": "x",
    ".profile.d/python.sh": "x",
    ".heroku/python/lib/os.py": "x",
    ".slugignore": "# what nobody needs\n*.md\n!KEEP.md\n",
    ".slugignore.after": "tmp/\n",
}


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    return make_slug(tmp_path, FILES)


def explain(root: Path, path: str = "", *, as_json: bool = False) -> str:
    env = {"SLUGKIT_HOME": str(root / "home"), "COLUMNS": "160"}
    return explain_from_options("a.slug", path, as_json=as_json, env=env, cwd=root)


def verdict(root: Path, path: str) -> str:
    return explain(root, path).splitlines()[0]


@pytest.mark.usefixtures("slug")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("manage.py", "it comes from the source, or the buildpack python made it there"),
        (f"{SITE}/flask/app.py", "the package Flask 3.1.0 brought it"),
        (f"{SITE}/flask/__pycache__/app.cpython-313.pyc", "the package Flask 3.1.0 brought it"),
        (".heroku/python/lib/os.py", "it is part of the runtime, python 3.13.0"),
        (".profile.d/python.sh", "the buildpack python made it"),
        (".heroku/venv/lib", "it leads to what the buildpack python installed"),
        ("docs", "it comes from the source, or the buildpack python made it there"),
    ],
)
def test_why_a_path_is_in(tmp_path: Path, path: str, reason: str) -> None:
    assert verdict(tmp_path, path) == f"{path} is in the slug: {reason}"


@pytest.mark.parametrize("path", ["./manage.py", "/app/manage.py", "manage.py/", "x/../manage.py"])
def test_a_path_as_people_write_it(slug: Slug, tmp_path: Path, path: str) -> None:
    if ".." in path:
        with pytest.raises(UnexplainedPathError):
            verdict(tmp_path, path)
    else:
        assert verdict(tmp_path, path).startswith("manage.py is in the slug")


def test_what_is_known_of_a_file(slug: Slug, tmp_path: Path) -> None:
    layer = next(each for each in slug.metadata.layers if each.name == "dependencies")
    frame = layer.parts[0]

    assert explain(tmp_path, f"{SITE}/flask/app.py").splitlines()[2:] == [
        "  Kind      file",
        "  Size      6 B",
        f"  Layer     dependencies ({layer.digest[:19]}, {layer.size} B packed)",
        f"  Frame     1 of 1 ({frame.digest[:19]}, bytes {layer.offset:,} to"
        f" {layer.offset + layer.size:,} of the slug)",
        "  Package   Flask 3.1.0",
        "  Licence   BSD-3-Clause",
        f"  Known by  RECORD ({SITE}/flask-3.1.0.dist-info)",
    ]


@pytest.mark.usefixtures("slug")
@pytest.mark.parametrize(
    ("path", "reason", "top"),
    [
        ("README.md", ".slugignore:2 `*.md`", "README.md"),
        ("docs/api/x.md", ".slugignore:2 `*.md`", "docs/api/x.md"),
        ("tmp/cache/x", ".slugignore.after:1 `tmp/`", "tmp"),
        (".git/config", "version control", ".git"),
        ("pkg/__pycache__/a.pyc", "bytecode cache", "pkg/__pycache__"),
        ("old.slug", "a slug in the source's root", "old.slug"),
    ],
)
def test_why_a_path_is_not_in_by_the_slug_s_own_rules(
    tmp_path: Path, path: str, reason: str, top: str
) -> None:
    assert explain(tmp_path, path) == (
        f"{path} is not in the slug: {reason}\n\n  Left out  by the rules in the slug: {top}\n"
    )


def test_what_the_build_noted_comes_first(slug: Slug, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    left_out = LeftOut(reasons={"env": "virtualenv"}, count=1)
    note_build(
        tmp_path / "home", changed(RECORD, checksum=slug.metadata.checksum, left_out=left_out)
    )

    assert explain(tmp_path, "env/bin/python") == (
        "env/bin/python is not in the slug: virtualenv\n\n"
        "  Left out  in the build on this machine: env\n"
    )
    assert (
        explain(tmp_path) == "Left out of hello by the build on this machine\n  env  virtualenv\n"
    )


def noted_build_of(source: Path, slug: Slug, root: Path) -> None:
    (root / "home").mkdir()
    record = changed(RECORD, checksum=slug.metadata.checksum, source=str(source))
    note_build(root / "home", record)


def test_the_source_tells_its_files_from_a_buildpacks(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {**FILES, ".profile.d/own.sh": "y", "docs/changed.txt": "built"})
    source = tmp_path / "source"
    for name, text in {
        "manage.py": "x = 1\n",
        "docs/changed.txt": "source",
        ".profile.d/own.sh": "y",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    noted_build_of(source, slug, tmp_path)

    assert [verdict(tmp_path, path).partition(": ")[2] for path in (
        "manage.py", "docs", ".profile.d/own.sh", "docs/keep.txt", ".profile.d/python.sh",
        "docs/changed.txt",
    )] == [
        *[f"it comes from the source, {source}"] * 3,
        *[f"the buildpack python made it; it is not in the source, {source}"] * 2,
        "it comes from the source; the buildpack python changed it, unless it was changed in"
        f" {source} since",
    ]  # fmt: skip


def test_a_source_that_is_gone_tells_nothing(slug: Slug, tmp_path: Path) -> None:
    noted_build_of(tmp_path / "gone", slug, tmp_path)
    assert verdict(tmp_path, "manage.py").endswith("or the buildpack python made it there")


def test_a_path_nobody_left_out(slug: Slug, tmp_path: Path) -> None:
    with pytest.raises(UnexplainedPathError) as caught:
        explain(tmp_path, "manager.py")
    assert caught.value.exit_code == 66
    assert caught.value.text() == (
        f"There is no 'manager.py' in {slug.archive}\n\n"
        "No rule in the slug leaves it out: the source did not have it, no buildpack made\n"
        "it, or a buildpack removed it.\n\n"
        "Names that are near:\n\n    manage.py\n\n"
        "See what there is: slugc inspect SLUG --tree"
    )


@pytest.mark.usefixtures("slug")
def test_a_file_that_a_package_is_installed_without(tmp_path: Path) -> None:
    with pytest.raises(UnexplainedPathError) as caught:
        explain(tmp_path, f"{SITE}/flask/tests/test_app.py")
    assert (
        "It would lie in Flask 3.1.0, which is installed without it\n"
        "(SLUGKIT_TRIM leaves out test suites, stubs and headers).\n"
    ) in caught.value.text()


@pytest.mark.usefixtures("slug")
def test_a_kept_path_is_not_said_to_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(UnexplainedPathError):
        explain(tmp_path, "KEEP.md")


def test_without_a_path_the_rules(slug: Slug, tmp_path: Path) -> None:
    assert explain(tmp_path) == (
        "The rules of hello; this machine does not know its build\n"
        "  .slugignore:2        *.md\n"
        "  .slugignore:3        !KEEP.md\n"
        "  .slugignore.after:1  tmp/\n"
    )
    document = json.loads(explain(tmp_path, as_json=True))
    assert document["rules"][0] == {"place": ".slugignore:2", "line": "*.md"}
    assert document["count"] == 0


def test_without_rules(tmp_path: Path) -> None:
    make_slug(tmp_path, {"app.py": "x"})

    assert explain(tmp_path) == "Nothing that anybody asked for was left out of hello.\n"


@pytest.mark.usefixtures("slug")
def test_as_json(tmp_path: Path) -> None:
    document = json.loads(explain(tmp_path, f"{SITE}/flask/app.py", as_json=True))

    assert document["included"] is True
    assert document["package"] == "Flask 3.1.0"
    assert document["known_by"] == f"RECORD ({SITE}/flask-3.1.0.dist-info)"
    left_out = json.loads(explain(tmp_path, "a.md", as_json=True))
    assert (left_out["included"], left_out["reason"]) == (False, ".slugignore:2 `*.md`")


def test_rules_that_no_build_takes_say_nothing(tmp_path: Path) -> None:
    make_slug(tmp_path, {"app.py": "x", ".slugignore": "../x\n*.md\n"})

    with pytest.raises(UnexplainedPathError):
        explain(tmp_path, "a.md")
