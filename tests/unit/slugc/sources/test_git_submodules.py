"""Submodules: from where they are found, and where they may not lead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slugc.archive.errors import ArchiveLimitError
from slugc.archive.limits import Limits
from slugc.sources.git.fetch import fetch_git
from slugc.sources.git.program import FetchError
from slugc.sources.git.urls import GitUrl, GitUrlError, local_url, parse_git_url, submodule_url
from slugc.sources.trusted import NOBODY, NotTrustedError, Trusted
from tests.git_server import ENV, commit_files, git, host_of, make_repository, serving

COMMIT = "0" * 40


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """``app`` has ``lib`` as a submodule, which has ``deep`` as one; both say where by ``../``."""
    served = tmp_path / "served"
    make_repository(served / "deep", d="deep\n")
    make_repository(served / "lib", l="lib\n")
    git(served / "lib", "submodule", "add", "-q", "../deep", "in/deep")
    commit_files(served / "lib")
    make_repository(served / "app")
    git(served / "app", "submodule", "add", "-q", "../lib", "vendor/lib")
    commit_files(served / "app")
    return served


def files(
    url: str, target: Path, limits: Limits | None = None, trusted: Trusted = NOBODY
) -> set[str]:
    allowed = trusted.naming(url)
    fetch_git(parse_git_url(url), target, env=ENV, limits=limits or Limits(), trusted=allowed)
    return {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}


ALL = {
    ".gitmodules",
    "Procfile",
    "vendor/lib/.gitmodules",
    "vendor/lib/l",
    "vendor/lib/in/deep/d",
}


def test_submodules_of_a_server_come_recursively(served: Path, tmp_path: Path) -> None:
    with serving(served) as web:
        assert files(f"http://{host_of(web)}/app", tmp_path / "out") == ALL
        assert files(f"http://{host_of(web)}/app/#main", tmp_path / "two") == ALL


def test_submodules_of_a_local_repository_come_from_its_own_checkout(
    served: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--recurse-submodules", str(served / "app"), "clone")
    served.rename(tmp_path / "gone")

    assert files(local_url(tmp_path / "clone"), tmp_path / "out") == ALL


def test_submodules_of_a_local_repository_lie_beside_it_only_where_that_is_trusted(
    served: Path, tmp_path: Path
) -> None:
    git(served, "clone", "-q", "--bare", "app", "app.git")

    with pytest.raises(NotTrustedError) as caught:
        files(local_url(served / "app.git"), tmp_path / "out")
    assert caught.value.text() == (
        "../lib is not fetched for a source that names it\n\n"
        "A submodule comes from the same repository, or from a server; this is a\n"
        "place of the machine that builds.\n\n"
        f"If you want it to be, say so: slugc build --trust {served}"
    )
    trusted = NOBODY.holding(served)
    assert files(local_url(served / "app.git"), tmp_path / "two", trusted=trusted) == ALL


def _names_submodule(app: Path, name: str, url: str, commit: str) -> None:
    """A commit of ``app`` with a submodule ``x``, whatever it may lead to."""
    text = f'[submodule "{name}"]\n\tpath = x\n\turl = {url}\n'
    (app / ".gitmodules").write_text(text)
    git(app, "add", ".gitmodules")
    git(app, "update-index", "--add", "--cacheinfo", f"160000,{commit},x")
    git(app, "commit", "-q", "-m", "x")


@pytest.mark.parametrize("name", ["{secret}", "../../../secret.git"])
def test_a_submodules_name_leads_to_no_other_repository(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.git"
    make_repository(tmp_path / "secret", password="canary")
    git(tmp_path, "clone", "-q", "--bare", "secret", "secret.git")
    make_repository(tmp_path / "app")
    commit = git(tmp_path / "secret", "rev-parse", "HEAD")
    _names_submodule(tmp_path / "app", name.format(secret=secret), "../nothing", commit)

    with pytest.raises(NotTrustedError):
        files(local_url(tmp_path / "app"), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("password"))


@pytest.mark.parametrize("trap", ["bare", "link", "objects", "alternates"])
def test_a_place_in_the_tree_leads_to_no_other_repository(tmp_path: Path, trap: str) -> None:
    """Whatever a commit, or who packed the directory, has put there."""
    make_repository(tmp_path / "secret", password="canary")
    commit = git(tmp_path / "secret", "rev-parse", "HEAD")
    app, objects = tmp_path / "app", tmp_path / "secret" / ".git" / "objects"
    make_repository(app)
    _names_submodule(app, "x", "./in", commit)
    if trap == "link":
        (app / "in").symlink_to(tmp_path / "secret")
    elif trap == "bare":
        git(tmp_path, "clone", "-q", "--bare", "secret", "app/in")
    else:
        git(app, "init", "-q", "in")
    if trap == "objects":
        shutil.rmtree(app / "in/.git/objects")
        (app / "in/.git/objects").symlink_to(objects)
    if trap == "alternates":
        (app / "in/.git/objects/info/alternates").write_text(f"{objects}\n")

    with pytest.raises(NotTrustedError):
        files(local_url(app), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("password"))


def test_a_checkout_in_the_tree_is_the_repositorys_own(tmp_path: Path) -> None:
    make_repository(tmp_path / "app" / "in", own="x")
    commit = git(tmp_path / "app" / "in", "rev-parse", "HEAD")
    git(tmp_path / "app", "init", "-q", "-b", "main")
    _names_submodule(tmp_path / "app", "x", "./in", commit)

    assert files(local_url(tmp_path / "app"), tmp_path / "out") == {".gitmodules", "x/own"}


def test_the_limits_hold_for_all_of_them_together(served: Path, tmp_path: Path) -> None:
    app, trusted = local_url(served / "app"), NOBODY.holding(served)
    git(served / "app", "submodule", "deinit", "-q", "-f", "vendor/lib")
    shutil.rmtree(served / "app/.git/modules")
    assert len(files(app, tmp_path / "out", Limits(entries=9), trusted)) == 5
    with pytest.raises(ArchiveLimitError):
        files(app, tmp_path / "two", Limits(entries=8), trusted)


def test_a_submodule_that_is_not_to_be_checked_out_stays_empty(
    served: Path, tmp_path: Path
) -> None:
    git(served / "app", "config", "-f", ".gitmodules", "submodule.vendor/lib.update", "none")
    commit_files(served / "app")

    assert files(local_url(served / "app"), tmp_path / "out") == {".gitmodules", "Procfile"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "It has submodules, and no .gitmodules that says where they are."),
        ("", "Its .gitmodules says nothing of the submodule vendor/lib."),
    ],
)
def test_a_submodule_nobody_knows_the_place_of(
    served: Path, tmp_path: Path, text: str | None, words: str
) -> None:
    if text is None:
        (served / "app" / ".gitmodules").unlink()
        commit_files(served / "app")
    else:
        commit_files(served / "app", **{".gitmodules": text})

    with pytest.raises(FetchError) as caught:
        files(local_url(served / "app"), tmp_path / "out")
    assert caught.value.details == words


@pytest.mark.parametrize("url", ["file:///{lib}", "/{lib}", "ext::sh -c id", "--upload-pack=id"])
def test_a_repository_from_elsewhere_does_not_lead_here(
    served: Path, tmp_path: Path, url: str
) -> None:
    url = url.format(lib=str(served / "lib").lstrip("/"))
    git(served / "app", "config", "-f", ".gitmodules", "submodule.vendor/lib.url", url)
    commit_files(served / "app")
    with serving(served) as web, pytest.raises((GitUrlError, NotTrustedError)) as caught:
        files(f"http://{host_of(web)}/app", tmp_path / "out")
    assert caught.value.exit_code == 65


def test_a_gitmodules_that_is_a_link_is_not_followed(served: Path, tmp_path: Path) -> None:
    (served / "app" / ".gitmodules").rename(served / "app" / "other")
    (served / "app" / ".gitmodules").symlink_to("other")
    commit_files(served / "app")

    with pytest.raises(FetchError, match="could not be fetched") as caught:
        files(local_url(served / "app"), tmp_path / "out")
    assert "no regular file" in caught.value.details


@pytest.mark.parametrize(
    ("parent", "text", "expected"),
    [
        ("https://host/o/app.git", "../lib.git", "https://host/o/lib.git"),
        ("https://host/o/app.git", "./lib", "https://host/o/app.git/lib"),
        ("https://me:pw@host/o/app", "../../x/lib", "https://me:pw@host/x/lib"),
        ("https://me:pw@host/o/app", "https://host/x", "https://me:pw@host/x"),
        ("https://me:pw@host/o/app", "https://other/x", "https://other/x"),
        ("https://me:pw@host/o/app", "http://host/x", "http://host/x"),
        ("https://me:pw@host/o/app", "https://host:444/x", "https://host:444/x"),
        ("git@host:o/app.git", "../lib.git", "git@host:o/lib.git"),
        ("git@host:/srv/app.git", "../lib.git", "git@host:/srv/lib.git"),
        ("https://host/o/app", "git@host:lib.git", "git@host:lib.git"),
        ("file:///srv/app", "../my lib", "file:///srv/my%20lib"),
        ("file:///srv/app", "/srv/lib", "file:///srv/lib"),
    ],
)
def test_where_a_submodule_is(parent: str, text: str, expected: str) -> None:
    trusted = NOBODY.holding(Path("/srv"))
    found = submodule_url(parse_git_url(parent), text, COMMIT, trusted)
    assert found == GitUrl(url=expected, ref=COMMIT)


@pytest.mark.parametrize(
    ("parent", "text"),
    [
        ("https://host/o/app", "../../../x"),
        ("https://host/o/app", "lib"),
        ("git@host:app.git", "../../x"),
        ("https://host/o/app", "https://host/x#--upload-pack=id"),
        ("https://host/o/app", "https://host/x#main"),
        ("https://host/o/app", "gopher://host/x"),
    ],
)
def test_where_a_submodule_may_not_be(parent: str, text: str) -> None:
    with pytest.raises(GitUrlError):
        submodule_url(parse_git_url(parent), text, COMMIT)
