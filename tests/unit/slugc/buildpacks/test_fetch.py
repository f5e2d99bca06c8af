"""Buildpacks are pinned by content, kept where no build can write, and checked before they run."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from buildpack.version import __version__
from slugc.buildpacks.check import check_programs
from slugc.buildpacks.errors import BuildpackBrokenError, BuildpackSpecError
from slugc.buildpacks.fetch import Buildpack, fetch_buildpack
from slugc.buildpacks.spec import OWN, BuildpackKind, BuildpackSpec, own_root, parse_spec
from slugc.sources.fetching import GitUrlError


def make(directory: Path, compile_script: str = "#!/bin/sh\n") -> Path:
    (directory / "bin").mkdir(parents=True)
    for name, text in (("detect", "#!/bin/sh\n"), ("compile", compile_script)):
        (directory / "bin" / name).write_text(text)
        (directory / "bin" / name).chmod(0o755)
    return directory


def fetch(directory: Path, store: Path) -> Buildpack:
    spec = parse_spec(os.fspath(directory), cwd=Path("/"))
    return fetch_buildpack(spec, store=store, scratch=store / "scratch", env={}, path="/usr/bin")


def test_the_same_content_has_the_same_digest_anywhere(tmp_path: Path) -> None:
    one = fetch(make(tmp_path / "one"), tmp_path / "store")
    two = fetch(make(tmp_path / "two"), tmp_path / "other-store")

    assert one.digest == two.digest
    assert one.digest.startswith("sha256:")


def test_content_mode_and_name_each_change_the_digest(tmp_path: Path) -> None:
    digests = {fetch(make(tmp_path / "plain"), tmp_path / "store").digest}
    digests.add(fetch(make(tmp_path / "content", "#!/bin/bash\n"), tmp_path / "store").digest)
    extra = make(tmp_path / "extra")
    (extra / "data").write_text("x")
    digests.add(fetch(extra, tmp_path / "store").digest)
    (extra / "data").chmod(0o755)
    digests.add(fetch(extra, tmp_path / "store").digest)
    (extra / "data").rename(extra / "date")
    digests.add(fetch(extra, tmp_path / "store").digest)

    assert len(digests) == 5


def test_history_and_caches_are_no_part_of_a_buildpack(tmp_path: Path) -> None:
    pack = make(tmp_path / "pack")
    before = fetch(pack, tmp_path / "store")
    for name in (".git/HEAD", "lib/__pycache__/x.pyc", ".venv/pyvenv.cfg", ".venv/big"):
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        (pack / name).write_text("x")

    assert fetch(pack, tmp_path / "store") == before


def test_what_an_earlier_build_exported_is_no_part_of_a_buildpack(tmp_path: Path) -> None:
    buildpack = make(tmp_path / "one")
    before = fetch(buildpack, tmp_path / "store")
    (buildpack / "export").write_text("export PATH=/nowhere\n")
    (buildpack / "bin" / "export").write_text("a program of its own\n")
    after = fetch(buildpack, tmp_path / "store")
    assert not (after.root / "export").exists()
    assert (after.root / "bin" / "export").exists()
    assert before.digest != after.digest
    (buildpack / "bin" / "export").unlink()
    assert fetch(buildpack, tmp_path / "store").digest == before.digest


def test_a_kept_python_buildpack_has_its_bytecode(tmp_path: Path) -> None:
    pack = make(tmp_path / "pack")
    (pack / "tool.py").write_text("x = 1\n")

    kept = fetch(pack, tmp_path / "store")

    assert list((kept.root / "__pycache__").glob("tool.*.pyc"))
    assert not (pack / "__pycache__").exists()


def test_our_own_buildpack_is_complete_and_known_by_its_place() -> None:

    assert {"detect", "compile", "release"} <= {
        path.name for path in (own_root() / "bin").iterdir()
    }
    assert OWN.source == "slugkit/python"
    assert parse_spec(os.fspath(own_root()), cwd=Path("/")) is OWN
    assert parse_spec("slugkit/python", cwd=Path("/")) is OWN


def test_our_own_buildpack_is_kept_without_the_rest_of_the_checkout(tmp_path: Path) -> None:
    kept = fetch_buildpack(
        OWN, store=tmp_path, scratch=tmp_path / "scratch", env={}, path="/usr/bin:/bin"
    )

    assert kept.version == __version__
    assert {path.name for path in kept.root.iterdir()} == {"bin", "buildpack"}
    assert "quickstart" not in {path.name for path in (kept.root / "bin").iterdir()}


@pytest.mark.parametrize("wrapping", ["", "pack-1.0/"])
def test_a_tarball_may_hold_nothing_but_bin(tmp_path: Path, wrapping: str) -> None:
    pack = make(tmp_path / "pack", "#!/bin/sh\n")
    with tarfile.open(tmp_path / "pack.tgz", "w:gz") as archive:
        archive.add(pack / "bin", f"{wrapping}bin")
    spec = parse_spec("pack.tgz", cwd=tmp_path)

    kept = fetch_buildpack(
        spec, store=tmp_path / "store", scratch=tmp_path / "scratch", env={}, path="/usr/bin:/bin"
    )

    assert (kept.root / "bin" / "detect").is_file()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://host/owner/pack#v1", BuildpackKind.GIT),
        ("git@host:owner/pack.git", BuildpackKind.GIT),
        ("https://host/pack.tgz", BuildpackKind.TARBALL),
    ],
)
def test_specs_by_their_form(text: str, kind: BuildpackKind) -> None:
    assert parse_spec(text, cwd=Path("/")) == BuildpackSpec(kind=kind, location=text)


def test_a_spec_is_recorded_without_password_or_path() -> None:
    git = BuildpackSpec(kind=BuildpackKind.GIT, location="https://u:p@host/pack#v1")
    directory = BuildpackSpec(kind=BuildpackKind.DIRECTORY, location="/home/me/pack")
    tarball = BuildpackSpec(kind=BuildpackKind.TARBALL, location="https://u:p@host/p.tgz")

    assert (git.source, directory.source, tarball.source) == (
        "https://***@host/pack#v1",
        "pack",
        "https://***@host/p.tgz",
    )


def test_a_spec_that_names_nothing(tmp_path: Path) -> None:
    with pytest.raises(BuildpackSpecError) as caught:
        parse_spec("nowhere", cwd=tmp_path)

    assert caught.value.exit_code == 66
    assert caught.value.text() == (
        "There is no buildpack at nowhere\n\n"
        "Give a directory, a git URL#ref, a tarball or the name of one that is\n"
        "installed or published, for example:\n\n"
        "    slugc build -b https://host/owner/buildpack#v1.2\n"
        "    slugc build -b heroku/python"
    )


def test_a_dangerous_git_url_is_refused_before_anything_is_built() -> None:
    with pytest.raises(GitUrlError):
        parse_spec("ext::sh -c id", cwd=Path("/"))


def test_everything_wrong_with_the_programs_is_listed(tmp_path: Path) -> None:
    pack = make(tmp_path / "pack", "echo no interpreter\n")
    (pack / "bin" / "detect").write_bytes(b"#!/bin/sh\r\n")
    (pack / "bin" / "release").write_text("#!/bin/sh\n")

    with pytest.raises(BuildpackBrokenError) as caught:
        check_programs(pack, "pack")

    assert caught.value.problems == (
        "bin/detect has Windows line ends (#!/bin/sh\\r): dos2unix bin/detect",
        "bin/compile does not begin with '#!' and an interpreter",
        "bin/release is not executable: chmod +x bin/release",
    )


def test_a_monstrous_module_takes_neither_memory_nor_the_build(tmp_path: Path) -> None:
    """Unlimited this one takes a gigabyte, outside of any sandbox."""
    pack = make(tmp_path / "pack")
    (pack / "monster.py").write_text(f"x = [{'(1, 2, [3, 4]), ' * 2_000_000}]\n")
    kept = fetch(pack, tmp_path / "store")
    assert (kept.root / "monster.py").exists()
    assert not list(kept.root.glob("__pycache__/monster.*"))
