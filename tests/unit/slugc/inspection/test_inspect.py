"""What slugc inspect prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.errors import UsageError
from slugc.history import BuildRecord, note_build
from slugc.inspection import report
from slugc.inspection.inspect_command import inspect_from_options
from slugc.inspection.tree_view import PathNotInSlugError, TreeRequest, parse_tree_request
from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import BuildpackRecord, Slug, SlugFacts, read_slug
from slugc.slug_texts import name_from
from slugc.stack import Stack
from slugc.store import Store
from tests.unit.slugc.inspection.test_packages import FLASK, SITE, make_slug
from tests.unit.slugc.test_history import RECORD

NOTHING: Mapping[str, object] = {
    "tree": None,
    "sizes": False,
    "procfile": False,
    "sbom": False,
    "html": None,
    "as_json": False,
}


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "app.py").write_text("x = 1\n")
    record = BuildpackRecord(name="Python", version="1", digest="sha256:" + "a" * 64, source="s")
    facts = SlugFacts(
        name="",
        stack=Stack(id="debian-12", distribution="debian", glibc="2.36", arch="x86_64"),
        buildpacks=(record,),
        process_types={ProcessType("web"): "serve --port $PORT " + "--verbose " * 8 + "all"},
        config_vars={"DEBUG": "0"},
        python_version="3.13.0",
    )
    write_slug(
        tmp_path / "tree", tmp_path / "polls.slug", facts=facts, store=Store(tmp_path / "store")
    )
    return read_slug(tmp_path / "polls.slug")


def inspect(slug: Path | str | None, cwd: Path, **options: object) -> str:
    env = {"SLUGKIT_HOME": str(cwd / "home"), "COLUMNS": "80"}
    given = {**NOTHING, **options}
    return inspect_from_options(str(slug) if slug else None, given, env=env, cwd=cwd)


def test_summary(slug: Slug) -> None:
    assert report.summary(slug, width=72) == (
        f"polls: {slug.archive.stat().st_size} B packed, 1.5 kB unpacked\n\n"
        f"  Slug      {slug.archive}\n"
        f"  Checksum  {slug.metadata.checksum}\n"
        "  Stack     debian-12 (glibc 2.36, x86_64)\n"
        "  Python    3.13.0\n"
        "  Commit    -\n\n"
        "Process types\n"
        "  web  serve --port $PORT --verbose --verbose --verbose --verbose\n"
        "       --verbose --verbose --verbose --verbose all\n\n"
        "Buildpacks\n"
        "  Python 1  s (sha256:aaaaaaaaaaaa)\n\n"
        "Layers\n"
        "       packed  unpacked\n"
        f"  app   {slug.metadata.layers[0].size} B    1.5 kB  ████████████████████████\n\n"
        "Default config vars\n"
        "  DEBUG\n"
    )


def test_the_summary_tells_of_the_build_where_it_was_built(slug: Slug, tmp_path: Path) -> None:
    from buildpack.support.values import changed

    record: BuildRecord = changed(RECORD, checksum=slug.metadata.checksum)
    (tmp_path / "home").mkdir()
    assert "Built here" not in inspect("polls.slug", tmp_path)

    note_build(tmp_path / "home", record)
    shown = inspect("polls.slug", tmp_path)
    assert "  Built here  2026-11-22 08:00:00 UTC, in 1.2 s, sandbox embedded\n" in shown


def test_looking_makes_nothing(slug: Slug, tmp_path: Path) -> None:
    inspect("polls.slug", tmp_path)

    assert not (tmp_path / "home").exists()


def test_procfile(slug: Slug, tmp_path: Path) -> None:
    (command,) = slug.metadata.process_types.values()

    assert inspect("polls.slug", tmp_path, procfile=True) == f"web: {command}\n"
    as_json = inspect("polls.slug", tmp_path, procfile=True, as_json=True)
    assert json.loads(as_json) == {"web": command}


def test_json(slug: Slug, tmp_path: Path) -> None:
    document = json.loads(inspect("polls.slug", tmp_path, as_json=True))

    assert list(document["process_types"]) == ["web"]
    assert document["config_vars"] == {"DEBUG": "0"}
    assert document["layers"][0]["name"] == "app"
    assert document["checksum"] == slug.metadata.checksum


def test_control_characters_of_a_slug_do_not_reach_the_terminal(tmp_path: Path) -> None:
    make_slug(tmp_path, {"a\x1b[31mred": "x", "b\nc": "y"})

    shown = inspect("a.slug", tmp_path, tree="")
    assert "a\\x1b[31mred" in shown
    assert "b\\nc" in shown
    assert "\x1b" not in shown


def test_sizes_by_package_and_the_largest_files(tmp_path: Path) -> None:
    make_slug(tmp_path, {**FLASK, "app.py": "x" * 1500})
    shown = inspect("a.slug", tmp_path, sizes=True)
    assert sum(map(len, FLASK.values())) == 406

    assert shown.splitlines()[2:6] == [
        "                files    size   share",
        "the app itself      1  1.5 kB  78.7 %  ████████████▋",
        "Flask 3.1.0         7   406 B  21.3 %  ███▍",
        "in all              8  1.9 kB",
    ]
    assert "1 package, " in shown
    assert shown.splitlines()[10] == "  1.5 kB  app    app.py"


def test_sizes_as_json(tmp_path: Path) -> None:
    make_slug(tmp_path, {**FLASK, "app.py": "x" * 1500})
    document = json.loads(inspect("a.slug", tmp_path, sizes=True, as_json=True))

    assert document["packages"][0]["name"] == "Flask"
    assert document["packages"][0]["kind"] == "pypi"
    assert document["rest"] == [{"layer": "app", "files": 1, "size": 1500}]
    assert document["largest_files"][0]["path"] == "app.py"
    assert document["unpacked"] == 1500 + document["packages"][0]["size"]


def test_the_tree_shows_the_largest_first_and_sums_up_the_rest(tmp_path: Path) -> None:
    files = {f"many/{number:03}.txt": "x" * (100 - number) for number in range(40)}
    make_slug(tmp_path, {**files, "small": "", "deep/er/est/file": "x" * 10})
    shown = inspect("a.slug", tmp_path, tree="").splitlines()

    assert shown[0] == "3.2 kB  /app"
    assert shown[1] == "3.2 kB  ├── many/"
    assert shown[2] == " 100 B  │   ├── 000.txt"
    assert shown[27] == "1.0 kB  │   └── … 15 more entries"
    assert shown[28:] == [
        "  10 B  ├── deep/",
        "  10 B  │   └── er/",
        "   0 B  └── small",
    ]


def test_a_part_of_the_tree(tmp_path: Path) -> None:
    make_slug(tmp_path, FLASK)

    assert inspect("a.slug", tmp_path, tree=f"{SITE}/flask:1").splitlines() == [
        f"20 B  /app/{SITE}/flask",
        " 8 B  ├── __pycache__/",
        " 6 B  ├── __init__.py",
        " 6 B  └── app.py",
    ]
    document = json.loads(inspect("a.slug", tmp_path, tree=f"{SITE}/flask:1", as_json=True))
    assert document["entries"][0]["path"] == f"{SITE}/flask/__pycache__"
    assert document["files"] == 3


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("", TreeRequest()),
        ("3", TreeRequest(depth=3)),
        (".heroku", TreeRequest(path=".heroku")),
        ("/app/lib//x/:4", TreeRequest(path="lib/x", depth=4)),
        ("./a:b", TreeRequest(path="a:b")),
    ],
)
def test_depth_and_path_of_a_tree(text: str, request_: TreeRequest) -> None:
    assert parse_tree_request(text) == request_


def test_the_slug_may_come_after_the_option(tmp_path: Path) -> None:
    make_slug(tmp_path, {"app.py": "x"})

    assert inspect(None, tmp_path, tree="a.slug") == inspect("a.slug", tmp_path, tree="")


def test_without_a_slug(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inspect(None, tmp_path)
    assert caught.value.text() == "Missing argument 'SLUG'.\n\nSee: slugc inspect --help"


def test_two_views_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inspect("a.slug", tmp_path, sizes=True, tree="")
    assert caught.value.text() == "Only one of --tree and --sizes can be shown\n\nAsk one by one."


def test_a_path_that_is_not_there_comes_with_those_that_are_near(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {"polls/views.py": "x", "polls/urls.py": "x", "lib/view.py": "x"})

    with pytest.raises(PathNotInSlugError) as caught:
        inspect("a.slug", tmp_path, tree="polls/view.py")
    assert caught.value.text() == (
        f"There is no 'polls/view.py' in {slug.archive}\n\n"
        "Names that are near:\n\n    polls/views.py\n    lib/view.py\n\n"
        "See: slugc inspect SLUG --tree"
    )
    assert caught.value.exit_code == 66


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("polls.slug", "polls"),
        ("polls.tar.gz", "polls"),
        ("My App!.slug", "My-App"),
        (".slug", "app"),
        ("x" * 80 + ".slug", "x" * 63),
    ],
)
def test_an_app_nobody_named_is_called_as_its_file(file: str, name: str) -> None:
    assert name_from(Path("/srv") / file) == name
