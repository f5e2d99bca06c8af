"""What a source is, what it is called, and which commit it is."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from slugc.archive.errors import ArchiveDamagedError
from slugc.sources.errors import (
    SourceEmptyError,
    SourceFromTerminalError,
    SourceKindError,
    SourceMissingError,
    SourceTooWideError,
    SourceUnreadableError,
)
from slugc.sources.git.refs import read_commit
from slugc.sources.git.urls import GitUrlError, is_git_url, parse_git_url, shown_url
from slugc.sources.source import Source, SourceKind, parse_source, stage_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def parse(text: str, cwd: Path) -> Source:
    return parse_source(text, cwd=cwd, home="/home/nobody")


def test_a_directory_is_made_absolute(tmp_path: Path) -> None:
    (tmp_path / "polls").mkdir()

    found = parse("polls/../polls", tmp_path)

    assert found == Source(kind=SourceKind.DIRECTORY, location=os.fspath(tmp_path / "polls"))
    assert found.app_name == "polls"


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/srv/My App (new)", "My-App-new"),
        ("/srv/polls.tar.gz", "polls"),
        ("https://host/owner/polls.git#v1", "polls"),
        ("git@host:polls.git", "polls"),
        ("/srv/...", "app"),
        ("/srv/" + "x" * 80, "x" * 63),
    ],
)
def test_an_app_is_named_after_its_place(location: str, name: str) -> None:
    assert Source(kind=SourceKind.GIT, location=location).app_name == name


def test_a_missing_source_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError) as caught:
        parse("nowhere", tmp_path)

    assert caught.value.exit_code == 66
    assert caught.value.text() == (
        "There is no source at nowhere\n\n"
        "Give a directory, a tarball or a git URL, for example:\n\n    slugc build path/to/app"
    )


def test_a_source_in_a_closed_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", closed)

    with pytest.raises(SourceUnreadableError) as caught:
        parse("closed/app", tmp_path)

    assert (caught.value.exit_code, caught.value.names) == (77, ("closed/app",))


def test_a_file_that_is_no_tarball_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()

    with pytest.raises(SourceKindError) as caught:
        parse("app.py", tmp_path)

    assert caught.value.exit_code == 65
    assert caught.value.text() == (
        "app.py is not something to build\n\n"
        "It is a file, and no tarball by its name.\n\n"
        "Give a directory, a tarball (.tar, .tar.gz, .tgz, .tar.zst), '-' for a\n"
        "tar stream on standard input, or a git URL#ref."
    )


def test_the_root_directory_is_refused() -> None:
    with pytest.raises(SourceTooWideError) as caught:
        parse("/", Path("/"))

    assert caught.value.exit_code == 65
    assert caught.value.brief == "/ is the root directory, not an app"


def test_a_home_directory_is_refused_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")

    with pytest.raises(SourceTooWideError) as caught:
        parse_source("link", cwd=tmp_path, home=os.fspath(tmp_path / "home"))

    assert caught.value.brief == f"{tmp_path}/link is a home directory, not an app"


@pytest.mark.parametrize(
    ("text", "git"),
    [
        ("https://host/owner/app#v1", True),
        ("git@host:owner/app.git", True),
        ("file:///srv/app.git", True),
        ("ext::sh -c id", True),  # to be refused by name, not to be taken for a path
        ("https://host/app.tgz", False),
        ("./app", False),
        ("/srv/app", False),
        ("app@home", False),
    ],
)
def test_is_git_url(text: str, git: bool) -> None:
    assert is_git_url(text) is git


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c id",
        "https://host/app#--upload-pack=id",
        "https://host/app#a..b",
        "ssh://-oProxyCommand=id/app",
        "gopher://host/app",
        "https://host/app#" + "x" * 300,
        "ssh://there%2f@here/app",  # to git, 'there' is the host
        "git://127.0.0.1%2f@here/app",
        "https://127.0.0.%31/app",
        "https://evil\u3002example/app",  # to curl, a dot
    ],
)
def test_what_would_make_git_run_something_is_refused(text: str) -> None:
    with pytest.raises(GitUrlError) as caught:
        parse_git_url(text)

    assert caught.value.exit_code == 65


def test_a_ref_that_git_would_reckon_from_another_is_refused_in_these_words() -> None:
    with pytest.raises(GitUrlError) as caught:
        parse_git_url("https://me:secret@host/app#HEAD~1")

    assert caught.value.text() == (
        "'HEAD~1' is no name of a branch, tag or commit\n\n"
        "It follows '#' in https://***@host/app. A name is taken as it is:\n"
        "nothing is reckoned from it, as in HEAD~1.\n\n"
        "Write it like one of these:\n\n"
        "    https://host/owner/repository#v1.2\n"
        "    git@host:owner/repository.git#main\n"
        "    path/to/repository#main"
    )


def test_a_password_in_a_url_is_never_shown() -> None:
    url = parse_git_url("https://user:token@host/app#main")

    assert url.url == "https://user:token@host/app"
    assert url.shown == "https://***@host/app#main"
    assert shown_url("fatal: https://user:token@host/ not found") == (
        "fatal: https://***@host/ not found"
    )


def git_dir(source: Path, head: str) -> Path:
    directory = source / ".git"
    (directory / "refs" / "heads").mkdir(parents=True)
    (directory / "HEAD").write_text(head)
    return directory


def test_commit_of_a_branch(tmp_path: Path) -> None:
    (git_dir(tmp_path, "ref: refs/heads/main\n") / "refs/heads/main").write_text(f"{COMMIT}\n")

    assert read_commit(tmp_path) == COMMIT


def test_commit_of_a_detached_head(tmp_path: Path) -> None:
    git_dir(tmp_path, f"{COMMIT}\n")

    assert read_commit(tmp_path) == COMMIT


def test_commit_of_a_packed_ref(tmp_path: Path) -> None:
    packed = git_dir(tmp_path, "ref: refs/heads/main\n") / "packed-refs"
    packed.write_text(f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")

    assert read_commit(tmp_path) == COMMIT


def test_commit_of_a_linked_worktree(tmp_path: Path) -> None:
    main = git_dir(tmp_path / "main", "ref: refs/heads/main\n")
    (main / "refs/heads/topic").write_text(COMMIT)
    linked = main / "worktrees" / "topic"
    linked.mkdir(parents=True)
    (linked / "HEAD").write_text("ref: refs/heads/topic\n")
    (linked / "commondir").write_text("../..\n")
    (tmp_path / "topic").mkdir()
    (tmp_path / "topic" / ".git").write_text(f"gitdir: {linked}\n")

    assert read_commit(tmp_path / "topic") == COMMIT


@pytest.mark.parametrize("head", ["ref: refs/heads/unborn\n", "nonsense\n", ""])
def test_no_commit_where_there_is_none(tmp_path: Path, head: str) -> None:
    git_dir(tmp_path, head)

    assert read_commit(tmp_path) is None


def test_no_commit_of_a_repository_further_up(tmp_path: Path) -> None:
    git_dir(tmp_path, f"{COMMIT}\n")
    (tmp_path / "app").mkdir()

    assert read_commit(tmp_path / "app") is None


def stage(source: Source, tmp_path: Path, *, ours: frozenset[Path] = frozenset()) -> Path:
    build_dir = tmp_path / "build"
    build_dir.mkdir()
    stage_source(source, build_dir, scratch=tmp_path / "scratch", env={}, ours=ours)
    return build_dir


def test_an_empty_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()

    with pytest.raises(SourceEmptyError) as caught:
        stage(parse("app", tmp_path), tmp_path)

    assert caught.value.exit_code == 65
    assert caught.value.text() == (
        f"The source {tmp_path}/app holds no file to build from\n\n"
        "Give the directory that holds the app's files."
    )


def test_a_slugignore_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").touch()
    (tmp_path / "app" / ".slugignore").write_text("*\n")

    with pytest.raises(SourceEmptyError) as caught:
        stage(parse("app", tmp_path), tmp_path)

    assert caught.value.details == (
        ".slugignore leaves out all 2 entries, so the slug would be empty."
    )


def test_a_slugignore_that_leaves_nothing_but_the_procfile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").touch()
    (tmp_path / "app" / "Procfile").write_text("web: python app.py\n")
    (tmp_path / "app" / ".slugignore").write_text("*\n")

    with pytest.raises(SourceEmptyError) as caught:
        stage(parse("app", tmp_path), tmp_path)

    assert caught.value.details == (
        ".slugignore leaves out all 2 entries, so the slug would be empty."
    )


def test_a_procfile_alone_is_a_source(tmp_path: Path) -> None:
    """Whatever it starts may come from a buildpack."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Procfile").write_text("web: from-the-buildpack\n")
    (tmp_path / "app" / ".slugignore").write_text("docs/\n")

    build_dir = stage(parse("app", tmp_path), tmp_path)

    assert (build_dir / "Procfile").exists()


def test_no_word_at_all_is_no_source(tmp_path: Path) -> None:
    """What "$SRC" is where nobody set it: not the directory we happen to be in."""
    with pytest.raises(SourceMissingError) as caught:
        parse("", tmp_path)
    assert caught.value.exit_code == 66
    assert caught.value.text().startswith("There is no source at ''\n\n")


def test_a_tar_stream_is_not_waited_for_at_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 0)
    with pytest.raises(SourceFromTerminalError) as caught:
        parse("-", tmp_path)
    assert caught.value.exit_code == 64
    assert caught.value.text() == (
        "A tar stream is not read from a terminal\n\n"
        "Send it from a file or a program:\n\n    git archive HEAD | slugc build -"
    )


def test_a_ref_of_what_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    with pytest.raises(SourceMissingError) as caught:
        parse("app#feature/x", tmp_path)
    assert caught.value.details == f"{tmp_path}/app is no git repository."


@pytest.mark.parametrize("url", ["https://", "ssh:///srv/app", "https://u:p@/x.git"])
def test_a_url_without_a_server_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(GitUrlError) as caught:
        parse(url, tmp_path)
    assert caught.value.found == "It names no server."


def test_all_refs_of_a_repository_have_one_place(tmp_path: Path) -> None:
    texts = ("https://host/app", "https://host/app#v1.2", "https://me:token@host/app#main")

    assert [parse(text, tmp_path).place for text in texts[:2]] == ["https://host/app"] * 2
    assert parse(texts[2], tmp_path).place == "https://***@host/app"
    assert parse("https://host/app.tgz?key=1", tmp_path).place == "https://host/app.tgz?key=1"


@pytest.mark.parametrize(
    "ref",
    ["refs/pull/7/head", "pull/7/merge", "merge-requests/7/head", "pull-requests/7/from"],
)
def test_what_anybody_may_propose_has_a_place_of_its_own(tmp_path: Path, ref: str) -> None:
    """Its build code could leave something in the cache for the builds of others."""
    assert parse(f"https://me@host/app#{ref}", tmp_path).place == f"https://***@host/app#{ref}"
    assert parse("https://host/app#pull-in-fixes", tmp_path).place == "https://host/app"


def test_a_tarball_with_one_directory_at_its_top_is_that_directory(tmp_path: Path) -> None:
    (tmp_path / "polls-1.0").mkdir()
    (tmp_path / "polls-1.0" / "app.py").write_text("x = 1\n")
    with tarfile.open(tmp_path / "polls.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "polls-1.0", "polls-1.0")

    build_dir = stage(parse("polls.tar.gz", tmp_path), tmp_path)

    assert (build_dir / "app.py").read_text() == "x = 1\n"


def test_a_damaged_tarball_is_named(tmp_path: Path) -> None:
    (tmp_path / "polls.tar").write_bytes(b"x" * 1000)

    with pytest.raises(ArchiveDamagedError) as caught:
        stage(parse("polls.tar", tmp_path), tmp_path)

    assert caught.value.exit_code == 65
    assert caught.value.details.startswith(f"{tmp_path}/polls.tar\n\nAt byte ")


def test_a_tarball_of_nothing_is_called_empty(tmp_path: Path) -> None:
    """As what comes from a program that failed."""
    (tmp_path / "polls.tar").touch()

    with pytest.raises(ArchiveDamagedError) as caught:
        stage(parse("polls.tar", tmp_path), tmp_path)

    assert caught.value.details.endswith("At byte 0 of the tar stream: it is empty.")


def test_our_own_directories_in_the_source_are_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "app" / ".slugkit" / "cache").mkdir(parents=True)
    (tmp_path / "app" / "app.py").touch()

    ours = frozenset({tmp_path / "app" / ".slugkit"})
    build_dir = stage(parse("app", tmp_path), tmp_path, ours=ours)

    assert [path.name for path in build_dir.iterdir()] == ["app.py"]


def test_a_source_that_changes_once_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text("x = 1\n")
    pour = os.sendfile
    saves = iter(("x = 22\n",))

    def and_an_editor_saves(out: int, reader: int, offset: None, count: int) -> int:
        for text in saves:
            (tmp_path / "app" / "app.py").write_text(text)
        return pour(out, reader, offset, count)

    monkeypatch.setattr(os, "sendfile", and_an_editor_saves)

    build_dir = stage(parse("app", tmp_path), tmp_path)

    assert (build_dir / "app.py").read_text() == "x = 22\n"
