"""Who names the buildpacks, who comes first, and what a source may not name."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from slugc.buildpacks.choice import (
    BuildpackListError,
    Choice,
    asked_for,
    choose_buildpacks,
    read_app_json,
    read_list_file,
)
from slugc.buildpacks.registry import Registry, RegistryError
from slugc.buildpacks.spec import OWN, BuildpackKind, BuildpackSpec, Known, parse_spec
from slugc.small_file import SmallFileError
from slugc.sources.trusted import parse_trusted

GIT = "https://host/owner/pack#v1"
INSTALLED = BuildpackSpec(
    kind=BuildpackKind.INSTALLED, location="ab" * 32, name="me/tiny", origin="tiny"
)
REGISTRY = Registry((INSTALLED,), "")


def choose(
    top: Path, asked: Choice | None = None, installed: Sequence[BuildpackSpec] = ()
) -> Choice:
    return choose_buildpacks(asked, top, installed=installed, known=lambda: REGISTRY)


def sources(choice: Choice) -> list[str]:
    return [spec.source for spec in choice.specs]


def ask(
    *words: str, config: str = "", env: str = "", cwd: Path = Path("/"), known: Known = REGISTRY
) -> Choice | None:
    return asked_for(
        words,
        config_vars={"BUILDPACK_URL": config} if config else {},
        env={"BUILDPACK_URL": env} if env else {},
        cwd=cwd,
        known=lambda: known,
    )


def test_nobody_names_any_and_none_is_installed(tmp_path: Path) -> None:
    assert choose(tmp_path) == Choice(origin="", specs=(OWN,))


def test_nobody_names_any_and_the_installed_are_asked_our_own_last(tmp_path: Path) -> None:
    found = choose(tmp_path, installed=(INSTALLED,))

    assert found == Choice(origin="", specs=(INSTALLED, OWN), is_loop=True)


def test_each_source_of_names_comes_before_the_next(tmp_path: Path) -> None:
    (tmp_path / ".buildpacks").write_text("https://host/of/list\n")
    assert (choose(tmp_path).origin, sources(choose(tmp_path))) == (
        ".buildpacks",
        ["https://host/of/list"],
    )

    (tmp_path / "app.json").write_text('{"buildpacks": [{"url": "https://host/of/json"}]}')
    of_json = choose(tmp_path)
    assert (of_json.origin, sources(of_json)) == ("app.json", ["https://host/of/json"])
    assert of_json.unused == (".buildpacks",)

    of_env = choose(tmp_path, ask(env="https://host/of/env"))
    assert (of_env.origin, sources(of_env)) == ("BUILDPACK_URL", ["https://host/of/env"])

    of_config = choose(tmp_path, ask(config="https://host/of/config", env="https://host/of/env"))
    assert sources(of_config) == ["https://host/of/config"]

    of_option = choose(tmp_path, ask("https://host/one", "https://host/two", env="https://host/x"))
    assert (of_option.origin, sources(of_option)) == (
        "-b",
        ["https://host/one", "https://host/two"],
    )
    assert of_option.unused == ("BUILDPACK_URL", ".buildpacks")


def test_an_app_json_without_buildpacks_leaves_it_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "app.json").write_text('{"expo": {"name": "x"}}')
    (tmp_path / ".buildpacks").write_text(GIT)

    assert choose(tmp_path).origin == ".buildpacks"


def test_the_list_as_multi_buildpacks_read_it_and_comments_besides(tmp_path: Path) -> None:
    (tmp_path / ".buildpacks").write_bytes(
        b"\xef\xbb\xbf# what we need\r\n\r\n"
        b"https://github.com/heroku/heroku-buildpack-nodejs.git#v1\r\n"
        b"  git@host:owner/pack.git#main   # ours\r\n"
        b"https://host/pack.tgz\r\n"
        b"heroku/python"
    )

    assert read_list_file(tmp_path) == [
        (3, "https://github.com/heroku/heroku-buildpack-nodejs.git#v1"),
        (4, "git@host:owner/pack.git#main"),
        (5, "https://host/pack.tgz"),
        (6, "heroku/python"),
    ]
    assert sources(choose(tmp_path)) == [
        "https://github.com/heroku/heroku-buildpack-nodejs.git#v1",
        "git@host:owner/pack.git#main",
        "https://host/pack.tgz",
        "https://github.com/heroku/heroku-buildpack-python",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it names no buildpack"),
        ("# nothing\n", "it names no buildpack"),
        ("https://host/a https://host/b\n", "is more than one word"),
        ("file:///etc\n", "names no place of the machine that builds"),
        ("http://127.0.0.1:9200/x.tgz\n", "names no place of the machine that builds"),
        ("git@localhost:x/y.git\n", "names no place of the machine that builds"),
        ("http://169.254.169.254/x.git#main\n", "names no place of the machine that builds"),
        ("/etc\n", "leads to a place in that source"),
        ("~/pack\n", "leads to a place in that source"),
        ("./a/../../pack\n", "leads to a place in that source"),
        ("git+ssh://-oProxyCommand=id/x\n", "is not a git URL we use"),
        ("ext::sh -c id\n", "is more than one word"),
        ("ext::sh%20-c%20id\n", "is not a git URL we use"),
        ("--upload-pack=id\n", "It begins with '-', as options do."),
        ("https://host/pack#--upload-pack=id\n", "is no name of a branch, tag or commit"),
        ("./missing\n", "There is no buildpack at ./missing"),
        ("\x1b[31mred\n", "There is no buildpack at \\x1b[31mred"),
    ],
)
def test_what_the_list_may_not_name(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / ".buildpacks").write_text(text)

    with pytest.raises(BuildpackListError) as caught:
        choose(tmp_path)

    assert caught.value.exit_code == 65
    assert what in caught.value.text()
    assert "\x1b" not in caught.value.text()


def test_all_that_is_wrong_with_a_list_is_told_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / ".buildpacks").write_text(f"{GIT}\nfile:///etc\n\n./nowhere\n")

    with pytest.raises(BuildpackListError) as caught:
        choose(tmp_path)

    assert caught.value.text() == (
        "The .buildpacks does not name buildpacks we can use\n\n"
        ".buildpacks:2:1: 'file:///etc' is no buildpack we use. "
        "A source names no place of the machine that builds.\n"
        ".buildpacks:4:1: There is no buildpack at ./nowhere\n\n"
        "It looks like this:\n\n    https://host/owner/buildpack#v1.2\n    heroku/python\n"
        "    ./buildpacks/mine"
    )


def test_more_buildpacks_than_anybody_needs(tmp_path: Path) -> None:
    (tmp_path / ".buildpacks").write_text(f"{GIT}\n" * 33)

    with pytest.raises(BuildpackListError, match="does not name") as caught:
        choose(tmp_path)

    assert "it names 33 buildpacks; at most 32 are allowed" in caught.value.text()


def test_a_buildpack_in_the_source_itself(tmp_path: Path) -> None:
    (tmp_path / "packs" / "mine").mkdir(parents=True)
    (tmp_path / ".buildpacks").write_text("./packs/mine\n")

    (spec,) = choose(tmp_path).specs

    assert spec == BuildpackSpec(
        kind=BuildpackKind.DIRECTORY, location=os.fspath(tmp_path / "packs/mine")
    )


def test_app_json_names_buildpacks_by_url_and_by_name(tmp_path: Path) -> None:
    document = {"buildpacks": [{"url": "me/tiny"}, {"url": GIT}, "slugkit/python"]}
    (tmp_path / "app.json").write_text(json.dumps(document))

    assert choose(tmp_path).specs == (
        INSTALLED,
        BuildpackSpec(kind=BuildpackKind.GIT, location=GIT, is_named=False),
        OWN,
    )


def test_who_named_a_buildpack_is_remembered(tmp_path: Path) -> None:
    """With the rights of the person who builds is fetched what they have named."""
    (tmp_path / ".buildpacks").write_text(GIT)

    def is_named(asked: Choice | None) -> bool:
        return choose(tmp_path, asked).specs[0].is_named

    assert is_named(ask(GIT))
    assert is_named(ask(env=GIT))
    assert not is_named(ask(config=GIT))
    assert not is_named(None)


def test_a_list_may_lead_here_where_the_user_has_named_the_place(tmp_path: Path) -> None:
    (tmp_path / ".buildpacks").write_text("http://localhost:8000/x.tgz")

    trusted = parse_trusted(["localhost:8000"], env={}, cwd=tmp_path)
    found = choose_buildpacks(None, tmp_path, installed=(), known=lambda: REGISTRY, trusted=trusted)

    assert sources(found) == ["http://localhost:8000/x.tgz"]
    with pytest.raises(BuildpackListError):
        choose(tmp_path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"buildpacks": [\n}', "app.json:2:1: it is not JSON: Expecting value"),
        (b"\xff\xfe{\x00", "app.json: it is not JSON in UTF-8"),
        (b"[" * 100_000, "app.json: it is not JSON in UTF-8"),
        (b'{"buildpacks": {}}', "app.json: 'buildpacks' is not a list"),
        (b'{"buildpacks": [{}]}', "app.json: 'buildpacks[0]' has no url"),
        (b'{"buildpacks": [7]}', "app.json: 'buildpacks[0]' has no url"),
    ],
)
def test_an_app_json_that_cannot_be_followed(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "app.json").write_bytes(content)

    with pytest.raises(BuildpackListError) as caught:
        read_app_json(tmp_path)

    assert what in caught.value.text()


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "large"])
def test_a_list_is_a_small_regular_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".buildpacks"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "directory":
            path.mkdir()
        case _:
            path.write_bytes(b"#" * 2_000_000)

    with pytest.raises(SmallFileError) as caught:
        choose(tmp_path)

    assert caught.value.exit_code == 65
    assert caught.value.text().startswith("The .buildpacks cannot be used\n\nIt ")


@pytest.mark.parametrize(
    "text", ["-oProxyCommand=id", "--upload-pack=id", "--", "ext::sh -c id", "git+ssh://-oX=id/x"]
)
def test_what_is_refused_from_anybody(text: str) -> None:
    with pytest.raises(Exception, match=r"no buildpack we use|not a git URL we use") as caught:
        parse_spec(text, cwd=Path("/"))

    assert getattr(caught.value, "exit_code", 0) == 65


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("heroku/python", "https://github.com/heroku/heroku-buildpack-python"),
        ("heroku/jvm", "https://github.com/heroku/heroku-buildpack-jvm-common"),
        ("heroku-community/apt", "https://github.com/heroku/heroku-buildpack-apt"),
        ("someone/tool", "https://github.com/someone/heroku-buildpack-tool"),
    ],
)
def test_where_a_name_is_published(name: str, address: str) -> None:
    assert parse_spec(name, cwd=Path("/nonexistent"), known=REGISTRY) == BuildpackSpec(
        kind=BuildpackKind.GIT, location=address
    )


def test_an_installed_one_of_that_name_comes_first() -> None:
    assert parse_spec("me/tiny", cwd=Path("/"), known=REGISTRY) is INSTALLED


@pytest.mark.parametrize(
    ("template", "kind", "location"),
    [
        ("https://host/{org}/{name}.tgz", BuildpackKind.TARBALL, "https://host/heroku/go.tgz"),
        ("git@host:{org}/{name}", BuildpackKind.GIT, "git@host:heroku/go"),
    ],
)
def test_a_registry_of_ones_own(template: str, kind: BuildpackKind, location: str) -> None:
    found = parse_spec("heroku/go", cwd=Path("/nonexistent"), known=Registry((), template))

    assert found == BuildpackSpec(kind=kind, location=location)


def test_a_registry_that_names_no_place() -> None:
    with pytest.raises(RegistryError) as caught:
        parse_spec("heroku/go", cwd=Path("/nonexistent"), known=Registry((), "https://host/"))

    assert caught.value.text() == (
        "SLUGC_BUILDPACK_REGISTRY does not say where a buildpack is\n\n"
        "It is 'https://host/', which lacks {name}.\n\n"
        "export SLUGC_BUILDPACK_REGISTRY=https://host/{org}/{name}.tgz"
    )
