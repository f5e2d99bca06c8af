"""What was built elsewhere becomes a slug: layouts, process types, stacks, and no trust."""

from __future__ import annotations

import http.server
import io
import json
import os
import sys
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode, UsageError
from slugc.archive.errors import UnsafeMemberError
from slugc.archive.scan import UnpackableTreeError
from slugc.procfile import ProcfileError
from slugc.slug import Slug, SlugFormat, read_slug, read_tar
from slugc.sources.git.program import FetchError
from slugc.stack import read_host_stack
from slugc.transfer.command import import_from_options
from slugc.transfer.export import export_slug
from slugc.transfer.import_facts import ProcessesFileError
from slugc.transfer.outputs import TargetExistsError
from slugc.transfer.slug_import import ImportRequest, import_slug
from slugc.transfer.streams import Compression
from tests.unit.slugc.transfer.made import make_slug, names, request, rootfs
from tests.unit.slugc.trees import FACTS

APP: Mapping[str, str] = {"app.py": "print()", "Procfile": "web: python app.py\n"}
TOLD_UNKNOWN = (
    "Nothing in it says what stack it was built for, so the slug says 'unknown', and",
    "slug-run will not run it. Import it with --stack NAME if you know.",
)


def tarball(path: Path, files: Mapping[str, str], *, prefix: str = "./app/") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name if name.startswith("/") else prefix + name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def bring(directory: Path, source: str, told: list[str] | None = None, **options: object) -> Slug:
    asked = ImportRequest(
        source=source,
        output=directory / str(options.pop("output", "out.slug")),
        name=options.pop("name", None),  # type: ignore[arg-type]  # the options of this test
        stack=options.pop("stack", None),  # type: ignore[arg-type]  # as above
        format=SlugFormat(str(options.pop("kind", "slug"))),
        cwd=directory,
        env={"SLUGKIT_HOME": str(directory / "data"), "HOME": str(directory)},
        force=bool(options.pop("force", False)),
    )
    assert not options
    return import_slug(asked, (told if told is not None else []).append)


def test_what_no_slug_can_hold_is_to_be_removed_from_what_is_imported(open_dir: Path) -> None:
    (open_dir / "tree").mkdir()
    os.mkfifo(open_dir / "tree" / "pipe")
    with pytest.raises(UnpackableTreeError) as caught:
        bring(open_dir, str(open_dir / "tree"))
    assert caught.value.text() == (
        "The app holds files that cannot go into a slug\n\n"
        "'pipe': it is a FIFO\n\n"
        "Remove them from what you import."
    )
    assert not (open_dir / "out.slug").exists()


@pytest.mark.parametrize("prefix", ["./app/", "app/", "./", ""])
def test_herokus_and_herokuishs_layouts_give_the_same_slug(open_dir: Path, prefix: str) -> None:
    wanted = bring(open_dir, str(tarball(open_dir / "a.tgz", APP)), output="wanted.slug")
    found = bring(open_dir, str(tarball(open_dir / "b.tgz", APP, prefix=prefix)))
    assert found.archive.read_bytes() == wanted.archive.read_bytes()
    assert found.metadata.process_types == {"web": "python app.py"}


def test_what_it_was_taken_for_is_told(open_dir: Path) -> None:
    told: list[str] = []
    heroku = {**APP, "processes.json": "{}"}
    bring(open_dir, str(tarball(open_dir / "a.tgz", heroku)), told, output="a")
    assert told[0] == "A Heroku slug: the app lies in ./app."
    told.clear()
    bring(open_dir, str(tarball(open_dir / "b.tgz", APP, prefix="./")), told, output="b")
    assert told == ["A herokuish slug: the archive's top is the app.", *TOLD_UNKNOWN]


@pytest.mark.parametrize("name", [".release", "processes.json"])
def test_a_directory_is_no_file_that_says_something(open_dir: Path, name: str) -> None:
    top = open_dir / "slug"
    (top / "app").mkdir(parents=True)
    (top / "app" / "app.py").touch()
    (top / name if name == "processes.json" else top / "app" / name).mkdir()
    assert bring(open_dir, str(top)).metadata.process_types == {}


def test_what_lies_beside_app_is_left_out_as_on_heroku(open_dir: Path) -> None:
    told: list[str] = []
    files = {"app/app.py": "x", "app/Procfile": "web: x\n", "etc/passwd": "y"}
    slug = bring(open_dir, str(tarball(open_dir / "a.tgz", files, prefix="./")), told)
    assert told[0] == "A Heroku slug: the app lies in ./app. Left out, as on Heroku: etc."
    assert b"passwd" not in b"".join(read_tar(slug))


def test_an_app_with_a_directory_called_app_is_herokuishs(open_dir: Path) -> None:
    files = {"app/app.py": "x", "Procfile": "web: x\n"}
    slug = bring(open_dir, str(tarball(open_dir / "a.tgz", files, prefix="./")))
    assert b"./app/app/app.py\0" in b"".join(read_tar(slug))


@pytest.mark.parametrize("where", ["beside", "inside"])
def test_process_types_come_from_the_compilers_list(open_dir: Path, where: str) -> None:
    types = json.dumps({"worker": "work", "web": "serve"})
    files = {f"app/{name}": text for name, text in APP.items()}
    if where == "inside":
        files["processes.json"] = types
    else:
        (open_dir / "processes.json").write_text(types)
    slug = bring(open_dir, str(tarball(open_dir / "a.tgz", files, prefix="./")))
    assert slug.metadata.process_types == {"worker": "work", "web": "serve"}


def test_what_bin_release_said_fills_in(open_dir: Path) -> None:
    release = "default_process_types: {web: default, console: irb}\nconfig_vars: {A: b}\n"
    files = {**APP, ".release": release}
    slug = bring(open_dir, str(tarball(open_dir / "a.tgz", files, prefix="./")))
    assert slug.metadata.process_types == {"web": "python app.py", "console": "irb"}
    assert slug.metadata.config_vars == {"A": "b"}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "It is not JSON."),
        ("[]", "not an object."),
        ('{"web": 3}', "'web' is not a text."),
        ('{"a b": "x"}', "'a b' is no process type."),
    ],
)
def test_a_bad_processes_json_is_told(open_dir: Path, content: str, found: str) -> None:
    (open_dir / "processes.json").write_text(content)
    with pytest.raises(ProcessesFileError) as caught:
        bring(open_dir, str(tarball(open_dir / "a.tgz", APP)))
    assert caught.value.exit_code == ExitCode.DATA
    assert caught.value.text() == (
        f"The processes.json beside it cannot be used\n\n{found}\n\n"
        'It holds process types and their commands: {"web": "bin/serve"}'
    )


def test_a_bad_procfile_is_told(open_dir: Path) -> None:
    with pytest.raises(ProcfileError):
        bring(open_dir, str(tarball(open_dir / "a.tgz", {"Procfile": "no colon\n"})))
    assert not (open_dir / "out.slug").exists()


def test_stack_and_name_are_what_somebody_says(open_dir: Path) -> None:
    source = str(tarball(open_dir / "a.tgz", APP))
    slug = bring(open_dir, source, stack="heroku-24", name="polls")
    assert slug.metadata.name == "polls"
    assert (slug.metadata.stack.id, slug.metadata.stack.distribution) == ("heroku-24", "ubuntu")
    host = read_host_stack()
    assert bring(open_dir, source, stack=host.id, force=True).metadata.stack == host


def test_a_directory_and_standard_input_are_sources(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = bring(open_dir, str(tarball(open_dir / "a.tgz", APP)), output="wanted.slug")
    tree = open_dir / "tree"
    tree.mkdir()
    for name, text in APP.items():
        (tree / name).write_text(text)
    assert bring(open_dir, "tree", output="t").archive.read_bytes() == wanted.archive.read_bytes()
    with (open_dir / "a.tgz").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found = bring(open_dir, "-", output="s")
    assert found.archive.read_bytes() == wanted.archive.read_bytes()


def test_what_a_directory_links_to_on_the_machine_is_left_out_and_told(open_dir: Path) -> None:
    tree = open_dir / "tree"
    tree.mkdir()
    (tree / "Procfile").write_text("web: run")
    (tree / "cacerts").symlink_to("/etc/ssl/certs/java/cacerts")
    (tree / "proc").symlink_to("/app/Procfile")
    told: list[str] = []
    bring(open_dir, "tree", told=told)
    assert told[-1] == (
        "Left out, as links that lead out of the app:\ncacerts -> /etc/ssl/certs/java/cacerts"
    )


@pytest.mark.parametrize("named", ["hello", ""])
@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.NONE])
def test_a_slug_comes_back_from_an_image_byte_for_byte(
    open_dir: Path, named: str, form: str, compression: Compression
) -> None:
    slug = make_slug(open_dir, facts=replace(FACTS, name=named))
    rootfs(open_dir / "root.tar")
    asked = request(open_dir, f"{form}:x", stack_image="root.tar", compression=compression)
    export_slug(slug, asked, lambda _line: None)
    found = bring(open_dir, f"{form}:x")
    assert found.archive.read_bytes() == slug.archive.read_bytes()


def test_a_slug_of_ours_changes_its_format_and_back(open_dir: Path) -> None:
    slug = make_slug(open_dir)
    packed = bring(open_dir, str(slug.archive), kind="tgz", output="x.tgz")
    assert packed.format is SlugFormat.GZIP
    back = bring(open_dir, str(packed.archive))
    assert back.archive.read_bytes() == slug.archive.read_bytes()


def test_what_is_hostile_is_refused_and_nothing_stays(open_dir: Path) -> None:
    with tarfile.open(open_dir / "a.tgz", "w:gz") as tar:
        member = tarfile.TarInfo("./app/../../../etc/cron.d/x")
        tar.addfile(member)
    with pytest.raises(UnsafeMemberError) as caught:
        bring(open_dir, "a.tgz")
    assert caught.value.details.startswith("a.tgz\n\n'./app/../../../etc/cron.d/x': ")
    assert names(open_dir) == ["a.tgz", "data"]
    assert not list((open_dir / "data/scratch").glob("scratch-*"))


def test_no_word_at_all_is_no_source(open_dir: Path) -> None:
    """What "$SLUG" is where nobody set it: not the directory we happen to be in."""
    with pytest.raises(UsageError, match="slugc import needs SOURCE"):
        import_from_options("", {}, env={}, cwd=open_dir)


def test_a_hostile_image_cannot_leave_app(open_dir: Path) -> None:
    """Its label says that a layer of the base is the slug's."""
    slug = make_slug(open_dir)
    rootfs(open_dir / "root.tar")
    export_slug(slug, request(open_dir, "docker-archive:x", stack_image="root.tar"), print)
    content = (open_dir / "x").read_bytes()
    old, new = b'"io.slugkit.base-layers":"1"', b'"io.slugkit.base-layers":"0"'
    assert old in content
    (open_dir / "x").write_bytes(content.replace(old, new))
    with pytest.raises(UnsafeMemberError) as caught:
        bring(open_dir, "docker-archive:x")
    assert "character device" in caught.value.details or "./app/" in caught.value.details


def test_what_is_there_is_not_overwritten(open_dir: Path) -> None:
    source = str(tarball(open_dir / "a.tgz", APP))
    (open_dir / "out.slug").write_text("mine")
    with pytest.raises(TargetExistsError):
        bring(open_dir, source)
    assert (open_dir / "out.slug").read_text() == "mine"
    bring(open_dir, source, force=True)
    assert read_slug(open_dir / "out.slug").metadata.process_types


class Closed(http.server.BaseHTTPRequestHandler):
    """Asks for a login and has nothing."""

    def do_GET(self) -> None:
        self.send_response(404 if self.headers.get("Authorization") else 401)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        return


def test_a_password_in_a_url_is_used_and_not_told(open_dir: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Closed) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        place = f"127.0.0.1:{web.server_address[1]}/x.tgz"
        with pytest.raises(FetchError) as caught:
            bring(open_dir, f"http://me:s3cret@{place}?token=s3cret")
        web.shutdown()
        thread.join()
    assert caught.value.text().startswith(
        f"http://***@{place}?*** could not be fetched\n\nHTTP status 404 (1 attempt)."
    )
    assert "s3cret" not in caught.value.text()
