"""Classic buildpacks as other people write them run unchanged, and what they build boots."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.git_server import git
from tests.integration.build_support import Builder, make_app, make_buildpack
from tests.integration.pack_support import PACKS, slugc, write_app
from tests.integration.support import Kit, ask, free_port

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

SITE = {"index.html": "<h1>{{title}}</h1>\n", "about/us.html": "{{title}}: about\n"}


def in_order(log: str, *parts: str) -> bool:
    for part in parts:
        _, found, log = log.partition(part)
        if not found:
            return False
    return True


def test_a_bash_buildpack_builds_and_its_slug_serves(open_dir: Path) -> None:
    app = write_app(open_dir / "site", SITE)
    git(app, "init", "-q", "-b", "main")
    git(app, "add", ".")
    git(app, "commit", "-q", "-m", "one")
    commit = git(app, "rev-parse", "HEAD")
    builder = Builder(home=open_dir / "data")
    kit = Kit(home=open_dir, env={**builder.env, "NO_COLOR": "1"})

    outcome = builder.build(app, "-b", PACKS / "static", "--env", "SITE_TITLE=Our site")

    assert outcome.code == 0, outcome.stderr
    stack = outcome.metadata.stack.id
    assert in_order(
        outcome.stderr,
        "-----> Static site app detected\n",
        f"-----> Installing httpd 1.4.2 (stack: {stack})\n       Unpacked\n",
        "-----> Stamping pages\n       ./about/us.html\n       ./index.html\n",
        f"-----> Done at {commit}\n",
        "       Default types of Static site -> web\n",
    )
    assert dict(outcome.metadata.process_types) == {"web": "httpd"}
    assert dict(outcome.metadata.config_vars) == {"SITE_LANGUAGE": "en"}
    assert outcome.metadata.buildpacks[0].source == "static"

    port = free_port()
    with kit.running(outcome.slug, "web", "--port", str(port), engine="embedded") as run:
        run.wait_for_http(port)
        assert ask(port, "/").text == "<h1>Our site</h1>\n"
        assert ask(port, "/about/us.html").text == "Our site: about\n"
        assert ask(port, "/nowhere").status == 404
        run.stop()
        assert "httpd: stopping" in run.text()


def test_its_cache_serves_the_next_build(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "site", SITE)
    first = builder.build(app, "-b", PACKS / "static")
    before = first.slug.read_bytes()

    second = builder.build(app, "-b", PACKS / "static")

    assert "       Using the cached copy\n" in second.stderr
    assert second.slug.read_bytes() == before


def test_programs_need_not_be_shell_scripts(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"hello.pl": 'print "hello\\n";\n'})

    outcome = builder.build(app, "-b", PACKS / "perl", "--env", "GREETED=you")

    assert outcome.read("greeting.txt") == "Hello you\n"
    assert dict(outcome.metadata.process_types) == {"greet": "perl hello.pl"}
    assert "-----> Perl v5." in outcome.stderr


def test_there_is_a_second_directory_for_temporary_files(builder: Builder, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile='echo made >/var/tmp/x; cp /var/tmp/x "$1"')

    assert builder.build(make_app(tmp_path / "app"), "-b", pack).read("x") == "made\n"


@pytest.mark.parametrize("sandbox", ["embedded", "none"])
def test_programs_may_open_their_output_by_name(open_dir: Path, sandbox: str) -> None:
    """`tee /dev/stderr` is how many show what they also keep."""
    show = 'echo "$0 shows" | tee /dev/stderr | sed s/shows/keeps/ >/dev/stdout'
    pack = make_buildpack(open_dir / "pack", detect=f"{show} >/dev/null; echo Tiny", compile=show)

    outcome = Builder(home=open_dir / "data").build(
        make_app(open_dir / "app"), "-b", pack, "--sandbox", sandbox
    )

    assert outcome.code == 0, outcome.stderr
    for line in ("bin/compile shows", "bin/compile keeps"):
        assert f"/{line}\n" in outcome.stderr


def test_absolute_links_of_buildpacks_are_packed_or_left_out(
    builder: Builder, tmp_path: Path
) -> None:
    """As Debian's packages and Heroku's Java buildpack make them."""
    pack = make_buildpack(
        tmp_path / "pack",
        compile='cd "$1"; mkdir -p .apt/conf.d .jdk/lib; echo made >.jdk/lib/made\n'
        "ln -s /usr/share/fontconfig/x.conf .apt/conf.d/x.conf\n"
        'ln -s /app/.jdk/lib .jdk/home; ln -s "$1/app_txt" .jdk/app',
    )
    app = make_app(tmp_path / "app")

    outcome = builder.build(app, "-b", pack)
    again = builder.build(app, "-b", pack)

    assert outcome.code == 0, outcome.stderr
    warning = " !     .apt/conf.d/x.conf -> /usr/share/fontconfig/x.conf\n"
    assert warning in outcome.stderr
    assert again.slug.read_bytes() == outcome.slug.read_bytes()
    assert ".apt/conf.d/x.conf" not in outcome.names()
    why = slugc(builder, "explain", outcome.slug, ".apt/conf.d/x.conf").stdout
    assert "a link to /usr/share/fontconfig/x.conf, outside the app\n" in why
    assert outcome.links() == {".jdk/home": "../.jdk/lib", ".jdk/app": "../app_txt"}


def test_a_buildpack_that_runs_others(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"MULTI": ""})

    outcome = builder.build(app, "-b", PACKS / "multi")

    assert outcome.read("made.txt") == "made by the tool\n"
    assert dict(outcome.metadata.process_types) == {"web": "cat made.txt"}
    assert "last_pack_release.out" not in outcome.names()


def test_buildpacks_of_a_list_share_what_they_export(builder: Builder, tmp_path: Path) -> None:
    probe = '#!/bin/sh\necho Probe\necho "detect saw $FIRST_HOME" >&2\n'
    build = '#!/bin/sh\nfirst-tool "in $FIRST_HOME" > "$1/said.txt"\n'
    release = "#!/bin/sh\necho 'default_process_types: {x: first-tool x}'\n"
    app = write_app(
        tmp_path / "app",
        {
            ".buildpacks": "# first the tool\n./packs/exporting\n./packs/probe # then its user\n",
            "packs/probe/bin/detect": probe,
            "packs/probe/bin/compile": build,
            "packs/probe/bin/release": release,
        },
    )
    subprocess.run(("cp", "-R", PACKS / "exporting", app / "packs"), check=True)
    for program in (app / "packs/probe/bin").iterdir():
        program.chmod(0o755)

    outcome = builder.build(app)

    assert outcome.code == 0, outcome.stderr
    assert in_order(
        outcome.stderr,
        "-----> Fetching buildpack exporting (from .buildpacks)\n",
        "-----> Fetching buildpack probe (from .buildpacks)\n",
        "-----> Exporting app detected\n",
        ".tools\n",  # what the second one's detect saw
        "-----> Probe app detected\n",
    )
    (place,) = [line for line in outcome.stderr.splitlines() if line.startswith("detect saw ")]
    assert outcome.read("said.txt") == f"tool of the first: in {place.split()[-1]}\n"
    assert dict(outcome.metadata.process_types) == {"x": "first-tool x"}  # the last one's
    assert [record.name for record in outcome.metadata.buildpacks] == ["Exporting", "Probe"]
    assert not (app / "packs/exporting/export").exists()


def make_package(directory: Path) -> Path:
    """A package of Debian's with a program and a library, made here."""
    root = write_app(
        directory / "greet",
        {
            "DEBIAN/control": "Package: greet\nVersion: 1\nArchitecture: all\n"
            "Maintainer: T <t@example.org>\nDescription: greets\n",
            "usr/bin/greet": "#!/bin/sh\necho hello from apt\n",
            "usr/lib/x86_64-linux-gnu/libgreet.so.1": "not really\n",
        },
    )
    (root / "usr/bin/greet").chmod(0o755)
    package = directory / "greet.deb"
    argv = ("dpkg-deb", "--root-owner-group", "--build", root, package)
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    return package


def test_vendored_system_packages_are_found_at_run_time(open_dir: Path) -> None:
    app = write_app(
        open_dir / "app", {"Aptfile": "# ours\ndebs/greet.deb\n", "Procfile": "x: greet\n"}
    )
    (app / "debs").mkdir()
    make_package(open_dir).rename(app / "debs/greet.deb")
    builder = Builder(home=open_dir / "data")
    kit = Kit(home=open_dir, env={**builder.env, "NO_COLOR": "1"})

    outcome = builder.build(app, "-b", PACKS / "apt")

    assert outcome.code == 0, outcome.stderr
    done = kit.one_off(
        outcome.slug, "bash", "-c", "greet; echo $LD_LIBRARY_PATH", engine="embedded"
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "hello from apt"), done.stderr
    assert done.stdout.splitlines()[1].startswith(
        "/app/.apt/usr/lib/x86_64-linux-gnu:/app/.apt/usr/lib"
    )


@pytest.mark.parametrize("pack", ["static", "perl", "multi", "exporting", "apt"])
def test_each_passes_the_test_of_the_api(builder: Builder, pack: str) -> None:
    said = slugc(builder, "buildpacks", "test", PACKS / pack)

    assert said.code == 0, said.stderr
    assert [line.split()[0] for line in said.stdout.splitlines()] == [
        "bin/detect",
        "bin/compile",
        "bin/release",
        "bin/report",
        "digest",
    ]
