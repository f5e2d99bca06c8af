"""Where buildpacks come from: servers, tags, names, files of the source; and what locks them."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.git_server import git, host_of, make_certificate, serving
from tests.integration.build_support import Builder, make_buildpack
from tests.integration.pack_support import PACKS, serving_files, slugc, write_app
from tests.integration.test_build_errors import error_of

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

WHO = "slugc buildpacks lock --update"


def says(word: str) -> str:
    return f"echo {word} > said"


def commit(pack: Path) -> str:
    if not (pack / ".git").exists():
        git(pack, "init", "-q", "-b", "main")
    git(pack, "add", "-A")
    git(pack, "commit", "-q", "-m", "more")
    return git(pack, "rev-parse", "HEAD")


def write_compile(pack: Path, word: str) -> None:
    (pack / "bin/compile").write_text(f"#!/bin/sh\n{says(word)}\n")


def test_a_branch_a_tag_and_a_commit_of_a_server(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "served" / "pack.git", compile=says("first"))
    first = commit(pack)
    git(pack, "tag", "v1")
    write_compile(pack, "second")
    second = commit(pack)
    git(pack, "branch", "next")
    git(pack, "config", "uploadpack.allowAnySHA1InWant", "true")
    tls = make_certificate(tmp_path)

    with serving(tmp_path / "served", tls=tls) as web:
        url = f"https://{host_of(web)}/pack.git"
        env = {"GIT_SSL_CAINFO": str(tmp_path / "ca.pem")}
        for ref, word, wanted in (
            ("#v1", "first", first),
            ("#next", "second", second),
            (f"#{first}", "first", first),
            ("", "second", second),
        ):
            outcome = builder.build(app, "-b", f"{url}{ref}", env=env)

            assert outcome.read("said") == f"{word}\n"
            assert outcome.metadata.buildpacks[0].version == wanted
            assert outcome.metadata.buildpacks[0].source == f"{url}{ref}"


def pack_up(pack: Path, archive: Path, *, top: str) -> Path:
    with tarfile.open(archive, "w:gz") as file:
        file.add(pack, top)
    return archive


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_tarball_of_a_server(builder: Builder, app: Path, tmp_path: Path, scheme: str) -> None:
    (tmp_path / "served").mkdir()
    pack = make_buildpack(tmp_path / "pack", compile=says("tarball"))
    pack_up(pack, tmp_path / "served/pack.tgz", top="pack-1.0")
    tls = make_certificate(tmp_path) if scheme == "https" else None

    with serving_files(tmp_path / "served", tls=tls) as address:
        env = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if tls else {}
        found = builder.build(app, "-b", f"{address}/pack.tgz?token=s3cret", env=env)
        missing = builder.build(app, "-b", f"{address}/none.tgz", env=env)

    assert found.read("said") == "tarball\n"
    assert "s3cret" not in found.stderr + repr(found.metadata)
    assert missing.code == 75
    assert "Traceback" not in missing.stderr
    assert "404" in missing.stderr


def test_a_tarball_of_this_machine_and_a_repository_of_it(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=says("local"))
    archive = pack_up(pack, tmp_path / "pack.tar.gz", top=".")
    commit(pack)
    git(pack, "tag", "v1")
    write_compile(pack, "not committed")

    assert builder.build(app, "-b", archive).read("said") == "local\n"
    of_tag = builder.build(app, "-b", "pack#v1")
    assert of_tag.read("said") == "local\n"
    assert of_tag.metadata.buildpacks[0].source == "pack#v1"  # no path of this machine
    assert builder.build(app, "-b", "pack").read("said") == "not committed\n"


def test_a_name_leads_to_the_registry_and_to_an_installed_one_first(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    served = tmp_path / "served/acme"
    served.mkdir(parents=True)
    pack = make_buildpack(tmp_path / "pack", compile=says("published"))
    pack_up(pack, served / "tool.tgz", top="tool")
    (app / "app.json").write_text('{"buildpacks": [{"url": "acme/tool"}]}')

    with serving_files(tmp_path / "served") as address:
        env = {"SLUGC_BUILDPACK_REGISTRY": address + "/{org}/{name}.tgz"}
        outcome = builder.build(app, env=env)
        assert outcome.read("said") == "published\n"
        assert f"Fetching buildpack {address}/acme/tool.tgz (from app.json)\n" in outcome.stderr

        write_compile(pack, "installed")
        slugc(builder, "buildpacks", "add", pack, "--name", "acme/tool")
        outcome = builder.build(app, env=env)
        assert outcome.read("said") == "installed\n"
        assert "Using the installed buildpack acme/tool (from app.json)\n" in outcome.stderr


def test_the_log_says_who_decided_and_who_was_not_asked(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    packs = {name: make_buildpack(tmp_path / name, compile=says(name)) for name in ("a", "b")}
    (app / ".buildpacks").write_text("slugkit/python\n")
    env = {"BUILDPACK_URL": str(packs["b"])}

    of_option = builder.build(app, "-b", packs["a"], env=env)
    assert of_option.read("said") == "a\n"
    assert "Fetching buildpack a (from -b)\n" in of_option.stderr
    assert (
        "       Not asked for buildpacks: BUILDPACK_URL and .buildpacks, because -b comes first.\n"
    ) in of_option.stderr
    of_variable = builder.build(app, env=env)
    assert of_variable.read("said") == "b\n"
    assert "Fetching buildpack b (from BUILDPACK_URL)\n" in of_variable.stderr
    of_config = builder.build(app, "--env", f"BUILDPACK_URL={packs['a']}", env=env)
    assert of_config.read("said") == "a\n"


def test_detect_names_what_matches_and_ends_with_1_if_nothing_does(
    builder: Builder, tmp_path: Path
) -> None:
    site = write_app(tmp_path / "site", {"index.html": "x", "hello.pl": "x"})
    for pack in ("static", "perl", "apt"):
        slugc(builder, "buildpacks", "add", PACKS / pack)

    found = slugc(builder, "detect", site)
    assert (found.code, found.stdout) == (0, "Static site\tstatic\nPerl\tperl\n")
    document = json.loads(slugc(builder, "detect", site, "--json").stdout)
    assert [match["name"] for match in document["matches"]] == ["Static site", "Perl"]
    assert set(document["refused"]) == {"apt", "slugkit/python"}
    one = slugc(builder, "detect", site, "-b", PACKS / "perl")
    assert one.stdout == "Perl\tperl\n"

    nothing = slugc(builder, "detect", write_app(tmp_path / "none", {"x": ""}))
    assert (nothing.code, nothing.stdout) == (1, "")
    assert " !     - static: no\n" in nothing.stderr
    assert not list((builder.home / "scratch").glob("scratch-*"))  # nothing is left of it


def test_the_first_installed_one_that_says_yes_builds_alone(
    builder: Builder, tmp_path: Path
) -> None:
    site = write_app(tmp_path / "site", {"index.html": "x", "hello.pl": "x"})
    for pack in ("apt", "perl", "static"):
        slugc(builder, "buildpacks", "add", PACKS / pack)

    outcome = builder.build(site)

    assert [record.name for record in outcome.metadata.buildpacks] == ["Perl"]
    assert "       perl recognised it, of 4 installed.\n" in outcome.stderr
    slugc(builder, "buildpacks", "add", PACKS / "static", "--position", "1")
    assert builder.build(site).metadata.buildpacks[0].name == "Static site"


def test_no_installed_one_says_yes(builder: Builder, app: Path) -> None:
    slugc(builder, "buildpacks", "add", PACKS / "static")

    outcome = builder.build(app)

    assert outcome.code == 65
    assert error_of(outcome) == (
        "None of the installed buildpacks recognised this app\n\n"
        "- static: no\n"
        "- slugkit/python: This does not look like a Python app.\n\n"
        "Name one with -b, or install one: slugc buildpacks add SPEC"
    )


def test_a_lock_holds_a_build_to_a_commit(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=says("first"))
    first = commit(pack)
    git(pack, "tag", "v1")
    (app / ".buildpacks").write_text("./nowhere\n")
    url = f"file://{pack}#v1"

    locked = slugc(builder, "buildpacks", "lock", app, "-b", url)
    assert (locked.code, locked.stdout) == (0, f"{app}/buildpacks.lock\n"), locked.stderr
    text = (app / "buildpacks.lock").read_text()
    assert f'version = "{first}"' in text
    assert os.fspath(tmp_path) not in text
    assert builder.build(app, "-b", url).read("said") == "first\n"

    write_compile(pack, "moved")
    second = commit(pack)
    git(pack, "tag", "-f", "v1")
    outcome = builder.build(app, "-b", url)
    assert outcome.code == 65
    outcome.slug.unlink()  # of the build before
    words = error_of(outcome)
    assert words.startswith("The buildpacks are not those of buildpacks.lock\n\nExpected: pack#v1")
    assert f"Expected: pack#v1 at {first} (sha256:" in words
    assert f"Found:    pack#v1 at {second} (sha256:" in words
    assert WHO in words

    again = slugc(builder, "buildpacks", "lock", app, "-b", url)
    assert (again.code, (app / "buildpacks.lock").read_text()) == (65, text)
    assert slugc(builder, "buildpacks", "lock", app, "-b", url, "--update").code == 0
    assert builder.build(app, "-b", url).read("said") == "moved\n"


def test_a_lock_refuses_another_list_and_changed_content(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    one = make_buildpack(tmp_path / "one", compile="touch ran-one")
    two = make_buildpack(tmp_path / "two", compile="touch ran-two")
    assert slugc(builder, "buildpacks", "lock", app, "-b", one).code == 0
    assert builder.build(app, "-b", one).code == 0

    for words in (("-b", two), ("-b", one, "-b", two), ()):
        assert "are not those of buildpacks.lock" in builder.build(app, *words).stderr
    (one / "added").touch()
    outcome = builder.build(app, "-b", one)
    assert outcome.code == 65
    assert "one app detected" not in outcome.stderr  # refused before anything of it runs


def test_a_lock_of_what_is_installed_asks_that_one_alone(builder: Builder, tmp_path: Path) -> None:
    site = write_app(tmp_path / "site", {"index.html": "x", "hello.pl": "x"})
    slugc(builder, "buildpacks", "add", PACKS / "static")
    assert slugc(builder, "buildpacks", "lock", site).code == 0
    slugc(builder, "buildpacks", "add", PACKS / "perl", "--position", "1")

    assert builder.build(site).metadata.buildpacks[0].name == "Static site"
    slugc(builder, "buildpacks", "remove", "static")
    assert builder.build(site).code == 65


@pytest.mark.parametrize(
    "spec",
    [
        "file:///etc",
        "git+ssh://-oProxyCommand=touch%20pwned/x",
        "ssh://-oProxyCommand=id/x",
        "ext::sh -c 'touch pwned'",
        "--upload-pack=touch pwned",
        "https://host/pack#--upload-pack=id",
    ],
)
def test_places_that_are_never_gone_to(builder: Builder, app: Path, spec: str) -> None:
    outcome = builder.build(app, f"--buildpack={spec}")

    assert outcome.code == 65
    assert "Traceback" not in outcome.stderr
    assert not list(builder.home.parent.rglob("pwned"))


def test_a_trial_builds_an_app_and_keeps_nothing(builder: Builder, tmp_path: Path) -> None:
    site = write_app(tmp_path / "site", {"index.html": "x"})

    said = slugc(builder, "buildpacks", "test", PACKS / "static", site, "-q")

    assert said.code == 0, said.stderr
    assert said.stdout.splitlines()[-3:] == [
        "detect            Static site",
        "process types     web",
        "config vars       SITE_LANGUAGE",
    ]
    assert json.loads(slugc(builder, "list", "--json").stdout) == []
    broken = tmp_path / "broken"
    subprocess.run(("cp", "-R", PACKS / "static", broken), check=True)
    (broken / "bin/compile").write_bytes(b"#!/usr/bin/env bash\r\ntrue\r\n")
    refused = slugc(builder, "buildpacks", "test", broken)
    assert refused.code == 65
    assert "- bin/compile has Windows line ends (#!/usr/bin/env bash\\r)" in refused.stderr
