"""The libraries: the guide's examples run, and a strict type checker is content with them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import runner
import slugc
from buildpack.support.errors import ExitCode
from tests.integration.build_support import make_app, make_buildpack

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)


@pytest.fixture
def place(tmp_path: Path, open_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the guide's reader is: an app in ``site``, a buildpack in ``static``."""
    shutil.copytree(ROOT / "fixtures" / "buildpacks" / "static", tmp_path / "static")
    make_app(tmp_path / "site", **{"index.html": "<h1>{{title}}</h1>\n"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUGKIT_HOME", os.fspath(open_dir / "home"))
    return tmp_path


@pytest.mark.integration
@pytest.mark.embedded
def test_the_guides_examples_run_one_after_the_other(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(BLOCKS) == 9
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/api.md", "exec"), names)

    shown = capsys.readouterr()
    assert shown.err == ""
    for said in (
        f"{place}/site.slug sha256:",
        "-----> Stamping pages",
        "compile: ",
        "source-missing 66\nThere is no source at nowhere\n",
        "\napp ",
        "<h1>Polls</h1>",
        "1.6",
        "web.1 is up at 127.0.0.1:",
        "     1\tone\n",
    ):
        assert said in shown.out


def test_every_argument_and_member_is_in_the_guide() -> None:
    import inspect

    arguments = {
        name
        for function in (
            slugc.build_slug,
            runner.start,
            runner.run_one_off,
            runner.start_one_off,
        )
        for name in inspect.signature(function).parameters
    } - {"source", "slug", "command"}
    classes = (slugc.Slug, runner.RunningFormation)
    members = {name for each in classes for name in vars(each) if not name.startswith("_")}
    values = (
        slugc.BuiltSlug, runner.OneOffResult, runner.Outcome, runner.Up, runner.Down, runner.Line,
        runner.Starting, runner.Crashed, runner.Missed, runner.Event,
    )  # fmt: skip
    fields = {name for each in values for name in each.__annotations__} | {"path"}

    named = set(re.findall(r"`(\w+)(?:\([\w, .]*\))?`", GUIDE))
    assert (arguments | members | fields) - named == set()
    exported = {name for name in runner.__all__ if name[0].isupper()}
    assert exported - set(re.findall(r"\w+", GUIDE)) == {"Address"}


def test_a_strict_type_checker_is_content(tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    client.write_text(
        "from collections.abc import Mapping\n"
        "from pathlib import Path\n\nimport runner\nimport slugc\n"
        "from slugc import BuiltSlug, Slug, SlugkitError\n\n\n"
        "def show(event: Mapping[str, object]) -> None:\n    print(event['event'])\n\n\n"
        "def build(source: Path) -> BuiltSlug:\n"
        "    return slugc.build_slug(source, sandbox='none', on_event=show)\n\n\n"
        "def commands(slug: Slug) -> list[str]:\n"
        "    sizes: list[int] = [layer.size for layer in slug.layers]\n"
        "    names: set[str] = {package.name for package in slug.packages()}\n"
        "    paths: list[str] = [file.path for file in slug.files()]\n"
        "    where: Path = slug.extract('x')\n"
        "    reveal_type(slug.process_types['web'])\n"
        "    print(sizes, names, paths, where, slug.metadata.stack.id, slug.sbom()['components'])\n"
        "    return [slug.process_types['web']]\n\n\n"
        "def code(error: SlugkitError) -> int:\n    return error.exit_code\n\n\n"
        "def follow(slug: Path) -> int | None:\n"
        "    with runner.start(slug, formation={'web': 2}, port=5000) as app:\n"
        "        for event in app.events():\n"
        "            match event:\n"
        "                case runner.Up(name=name, address=address):\n"
        "                    reveal_type(address)\n"
        "                case runner.Crashed(exit_code=code):\n"
        "                    reveal_type(code)\n"
        "        where: str = app.url\n"
        "        outcome: runner.Outcome | None = app.wait(1.0)\n"
        "    print(where, outcome, name)\n"
        "    text: bytes = runner.run_one_off(slug, 'ls', stdin=b'').stdout\n"
        "    with runner.start_one_off(slug, ['cat']) as command:\n"
        "        command.stdin.write(text)\n"
        "        return command.wait()\n\n\n"
        "runner.start(1)\n"
        "slugc.build_slug(1)\n"
        "slugc.no_such_name\n"
    )
    done = subprocess.run(
        (sys.executable, "-m", "mypy", "--strict", "--no-error-summary", os.fspath(client)),
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": os.fspath(ROOT), "MYPY_CACHE_DIR": os.fspath(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = [line.partition("client.py:")[2] for line in done.stdout.splitlines()]
    assert [re.sub(r"^\d+: ", "", line) for line in said] == [
        'note: Revealed type is "str"',
        'note: Revealed type is "runner.engines.base.Address | None"',
        'note: Revealed type is "int | None"',
        'error: Argument 1 to "start" has incompatible type "int"; expected'
        ' "str | PathLike[str]"  [arg-type]',
        'error: Argument 1 to "build_slug" has incompatible type "int"; expected'
        ' "str | PathLike[str]"  [arg-type]',
        'error: Module has no attribute "no_such_name"  [attr-defined]',
    ]


@pytest.mark.parametrize("package", ["slugc", "buildpack", "runner"])
def test_the_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize(
    ("library", "first", "then"),
    [("slugc", "builder", "Slug"), ("runner", "supervisor", "start")],
)
def test_nothing_is_imported_before_it_is_asked_for(library: str, first: str, then: str) -> None:
    script = (
        f"import sys, {library} as library\n"
        "assert set(library.__all__) < set(dir(library))\n"
        f"assert not {{'{library}.api', '{library}.{first}'}} & set(sys.modules)\n"
        "assert not {'typing', 'pathlib'} & set(sys.modules)\n"
        f"library.{then}\nassert '{library}.api' in sys.modules\n"
        "assert not {'click', 'rich', 'docker', 'cryptography'} & set(sys.modules)\n"
        "try:\n    library.nothing\nexcept AttributeError as err:\n    print(err)"
    )
    done = subprocess.run(
        (sys.executable, "-S", "-c", script),
        env={"PYTHONPATH": f"{ROOT}:{Path(pytest.__file__).parents[1]}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"module '{library}' has no attribute 'nothing'\n", "")


def test_what_is_wrong_is_an_error_of_ours(place: Path) -> None:
    quick: Any = {"buildpacks": ["./static"], "timeout": 0.001}
    for call, id_, code in (
        (lambda: slugc.build_slug("nowhere"), "source-missing", ExitCode.NO_INPUT),
        (lambda: slugc.build_slug("site", buildpacks=["nope"]), "buildpack-missing", 66),
        (lambda: slugc.build_slug("site", config_vars={"1": "x"}), "config-var", 64),
        (lambda: slugc.build_slug("site", config_vars={"A=B": "1"}), "config-var", 64),
        (lambda: slugc.build_slug("site", config_vars={"A": None}), "config-var", 64),  # type: ignore[dict-item]  # the mistake
        (lambda: slugc.build_slug("site", timeout=float("nan")), "usage", 64),
        (lambda: slugc.build_slug(""), "source-missing", 66),
        (lambda: slugc.build_slug("site", sandbox="jail"), "usage", 64),  # type: ignore[arg-type]  # the mistake
        (lambda: slugc.build_slug("site", buildpacks="./static"), "usage", 64),
        (lambda: slugc.build_slug("site", **quick), "phase-timeout", 124),
        (lambda: slugc.Slug.open("nowhere.slug"), "slug-missing", 66),
        (lambda: slugc.Slug.open("site/index.html"), "not-a-slug", 65),
    ):  # fmt: skip
        with pytest.raises(slugc.SlugkitError) as caught:
            call()
        assert (caught.value.id, caught.value.exit_code) == (id_, code)


def test_an_event_function_may_end_the_build(place: Path) -> None:
    class EnoughError(Exception):
        pass

    def show(event: slugc.Event) -> None:
        if event["event"] == "line":
            raise EnoughError

    with pytest.raises(EnoughError):
        slugc.build_slug("site", output="x.slug", buildpacks=["./static"], on_event=show)

    assert not (place / "x.slug").exists()
    assert slugc.build_slug("site", output="x.slug", buildpacks=["./static"]).path.is_file()


def test_builds_in_threads_give_what_each_alone_gives(place: Path) -> None:
    pack = make_buildpack(place / "pack", compile='cat "$3/WHO" > who')
    found: dict[str, slugc.BuiltSlug] = {}
    before = os.umask(0o077)
    os.umask(before)

    def build(who: str) -> None:
        found[who] = slugc.build_slug(
            "site", output=f"{who}.slug", name=who, buildpacks=[pack], config_vars={"WHO": who}
        )

    threads = [threading.Thread(target=build, args=(who,)) for who in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for who, built in found.items():
        assert built.slug.metadata.name == who
        assert (built.slug.extract(place / f"{who}-tree") / "who").read_text() == who
    assert len(found) == 2
    assert os.umask(before) == before


def test_slugs_are_equal_if_they_are_the_same_content_at_the_same_place(place: Path) -> None:
    built = slugc.build_slug("site", output="x.slug", buildpacks=["./static"])
    again = slugc.Slug.open("x.slug")
    (place / "y.slug").write_bytes(again.path.read_bytes())

    assert again == built.slug
    assert len({again, built.slug, slugc.Slug.open("y.slug")}) == 2
    assert again != "x.slug"


def test_extract_takes_the_place_of_nothing(place: Path) -> None:
    built = slugc.build_slug("site", output="x.slug", buildpacks=["./static"])

    with pytest.raises(slugc.SlugkitError) as caught:
        built.slug.extract("site")

    assert caught.value.id == "target-exists"


def test_verify_finds_a_changed_byte(place: Path) -> None:
    built = slugc.build_slug("site", output="x.slug", buildpacks=["./static"])
    built.slug.verify()
    content = bytearray(built.path.read_bytes())
    content[100] ^= 1
    built.path.write_bytes(content)

    with pytest.raises(slugc.SlugkitError) as caught:
        slugc.Slug.open(built.path).verify()

    assert caught.value.id == "slug-damaged"
