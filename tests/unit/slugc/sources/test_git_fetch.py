"""Commits of local and remote repositories: which one, what of it, and with whose password."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from slugc.archive.errors import ArchiveLimitError, UnsafeMemberError
from slugc.archive.limits import Limits
from slugc.sources.git.fetch import RefMissingError, fetch_git
from slugc.sources.git.program import FetchError, FetchTimeoutError
from slugc.sources.git.urls import local_url, parse_git_url
from tests.git_server import ENV, commit_files, git, host_of, make_repository, serving
from tests.waiting import PATIENCE

PASSWORD = "canary'$(:)\"%s"  # nothing a shell may read
QUOTED = "canary%27%24%28%3A%29%22%25s"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: the first is tagged, the second is on branches ``main`` and ``topic/a``."""
    path = tmp_path / "served" / "app"
    make_repository(path, Procfile="web: one\n")
    git(path, "tag", "-a", "-m", "x", "v1")
    commit_files(path, Procfile="web: two\n", sub__a="x")
    git(path, "branch", "topic/a")
    return path


def fetch(url: str, tmp_path: Path, **options: object) -> tuple[str, dict[str, str]]:
    """The commit and the files that came."""
    target = tmp_path / "out"
    source = parse_git_url(url)
    commit = fetch_git(source, target, env=ENV, **options)  # type: ignore[arg-type]  # as given
    assert not (tmp_path / "out.git").exists()
    return commit, {
        str(path.relative_to(target)): path.read_text()
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


def resolved(repository: Path, ref: str) -> str:
    return git(repository, "rev-parse", f"{ref}^{{commit}}")


FIRST, SECOND = {"Procfile": "web: one\n"}, {"Procfile": "web: two\n", "sub/a": "x"}


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    ("ref", "files"),
    [("", SECOND), ("main", SECOND), ("topic/a", SECOND), ("v1", FIRST), ("HEAD", SECOND)],
)
def test_a_branch_or_a_tag(
    repository: Path, tmp_path: Path, remote: bool, ref: str, files: dict[str, str]
) -> None:
    with serving(repository.parent) as web:
        url = f"http://{host_of(web)}/app" if remote else local_url(repository)
        found = fetch(f"{url}#{ref}" if ref else url, tmp_path)
    assert found == (resolved(repository, ref or "main"), files)


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("digits", [40, 7])
def test_a_commit_whole_or_abbreviated(
    repository: Path, tmp_path: Path, remote: bool, digits: int
) -> None:
    commit = resolved(repository, "v1")
    with serving(repository.parent) as web:
        url = f"http://{host_of(web)}/app" if remote else local_url(repository)
        assert fetch(f"{url}#{commit[:digits]}", tmp_path) == (commit, FIRST)


def test_a_bare_repository_and_packed_refs(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(tmp_path / "bare.git", "pack-refs", "--all")
    for ref in ("topic/a", "v1", "HEAD"):
        commit, _ = fetch(local_url(tmp_path / "bare.git", ref), tmp_path / ref)
        assert commit == resolved(repository, ref)


def test_only_what_was_committed_comes(repository: Path, tmp_path: Path) -> None:
    (repository / "Procfile").write_text("web: not yet\n")
    (repository / "new").touch()
    git(repository, "add", "new")

    assert fetch(local_url(repository), tmp_path)[1] == SECOND


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("ref", ["nope", "deadbeef", "0" * 40])
def test_a_ref_that_is_not_there_is_named(
    repository: Path, tmp_path: Path, remote: bool, ref: str
) -> None:
    with serving(repository.parent) as web:
        url = f"http://{host_of(web)}/app" if remote else local_url(repository)
        with pytest.raises(RefMissingError) as caught:
            fetch(f"{url}#{ref}", tmp_path)
    assert caught.value.exit_code == 66
    assert caught.value.brief == f"There is no '{ref}' in {url}"
    assert "the first digits are enough" in caught.value.resolution


def test_nothing_a_repository_says_is_obeyed(repository: Path, tmp_path: Path) -> None:
    """Neither attributes nor filters nor hooks nor its own settings."""
    marker = tmp_path / "ran"
    evil = f"touch {marker}"
    attributes = "x export-ignore\ny export-subst\n*.txt filter=evil\nz eol=crlf text\n"
    commit_files(repository, **{".gitattributes": attributes}, x="1", y="$Format:%H$", z="a\nb\n")
    git(repository, "config", "filter.evil.smudge", evil)
    git(repository, "config", "core.fsmonitor", evil)
    git(repository, "config", "uploadpack.packObjectsHook", evil)
    git(repository, "config", "core.sshCommand", evil)
    git(repository, "config", "include.path", str(tmp_path / "more"))
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        hook = repository / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{evil}\n")
        hook.chmod(0o755)

    _, files = fetch(local_url(repository), tmp_path)

    assert (files["x"], files["y"], files["z"]) == ("1", "$Format:%H$", "a\nb\n")
    assert not marker.exists()


def test_a_repository_of_another_user_is_read(repository: Path, tmp_path: Path) -> None:
    """git itself would refuse it: "dubious ownership"."""
    if os.getuid() == 0:
        for path in (repository, *repository.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
    assert fetch(local_url(repository), tmp_path)[1] == SECOND


def test_a_link_out_of_the_tree_is_refused_as_in_a_slug(repository: Path, tmp_path: Path) -> None:
    (repository / "l").symlink_to("/etc/passwd")
    commit_files(repository)

    with pytest.raises(UnsafeMemberError) as caught:
        fetch(local_url(repository), tmp_path)

    assert caught.value.details == (
        f"file://{repository}\n\n'l': it is a link to the absolute path '/etc/passwd'."
    )


def test_the_limits_of_an_archive_hold(repository: Path, tmp_path: Path) -> None:
    commit_files(repository, big="x" * 5000)
    with pytest.raises(ArchiveLimitError):
        fetch(local_url(repository), tmp_path, limits=Limits(unpacked=4000))
    with serving(repository.parent) as web, pytest.raises((ArchiveLimitError, FetchError)):
        fetch(f"http://{host_of(web)}/app", tmp_path / "two", limits=Limits(unpacked=4000))


def test_a_pack_beyond_the_limit_is_not_written(repository: Path, tmp_path: Path) -> None:
    (repository / "noise").write_bytes(os.urandom(200_000))
    commit_files(repository)
    with serving(repository.parent) as web, pytest.raises(FetchError) as caught:
        fetch(f"http://{host_of(web)}/app", tmp_path, limits=Limits(unpacked=50_000))
    assert "larger than 50,000 bytes" in caught.value.details


def test_a_tree_that_repeats_itself_does_not_fill_memory_or_disk(tmp_path: Path) -> None:
    """A "git bomb": ten objects, ten to the tenth files."""
    path = tmp_path / "bomb"
    make_repository(path)
    kind, name = "blob", git(path, "hash-object", "-w", "Procfile")
    for _ in range(10):
        mode = "100644" if kind == "blob" else "040000"
        listing = "".join(f"{mode} {kind} {name}\tf{number}\n" for number in range(10))
        (path / "listing").write_text(listing)
        name = git(path, "rev-parse", _made_tree(path))
        kind = "tree"
    commit = git(path, "commit-tree", "-m", "bomb", name)

    started = time.monotonic()
    with pytest.raises(ArchiveLimitError) as caught:
        fetch(local_url(path, commit), tmp_path, limits=Limits(entries=2000))
    assert caught.value.what == "entries"
    assert time.monotonic() - started < PATIENCE


def _made_tree(path: Path) -> str:
    git(path, "update-ref", "refs/heads/scratch", "HEAD")
    with (path / "listing").open() as listing:
        done = subprocess.run(
            ["git", "mktree"], cwd=path, stdin=listing, capture_output=True, check=True, text=True
        )
    return done.stdout.strip()


def test_an_incomplete_repository_is_told_in_gits_words(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:sub/a")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(FetchError) as caught:
        fetch(local_url(repository), tmp_path)

    assert blob in caught.value.details


def test_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(local_url(tmp_path / "nothing"), tmp_path)
    assert caught.value.details == "There is no git repository there."


def test_a_server_that_takes_too_long(repository: Path, tmp_path: Path) -> None:
    with serving(repository.parent, delay=2) as web, pytest.raises(FetchTimeoutError) as caught:
        fetch(f"http://{host_of(web)}/app", tmp_path, timeout=0.3)
    assert caught.value.exit_code == 75
    assert caught.value.text().endswith(
        "No answer within 0.3 seconds.\n\nTry again when the server answers, or give it more"
        " time:\n\n    slugc build --fetch-timeout 1.2"
    )


def test_a_wrong_password_ends_the_fetch_without_showing_it(
    repository: Path, tmp_path: Path
) -> None:
    with (
        serving(repository.parent, user="me", password=PASSWORD) as web,
        pytest.raises(FetchError) as caught,
    ):
        fetch(f"http://me:wrong@{host_of(web)}/app", tmp_path)
    assert "wrong" not in caught.value.text()
    assert "Authentication failed" in caught.value.text()


def test_a_password_may_hold_anything(repository: Path, tmp_path: Path) -> None:
    with serving(repository.parent, user="me", password=PASSWORD) as web:
        assert fetch(f"http://me:{QUOTED}@{host_of(web)}/app", tmp_path)[1] == SECOND
