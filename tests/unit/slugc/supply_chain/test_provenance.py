"""provenance: SLSA's words for what the slug tells, and for nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from slugc.slug import BuildpackRecord, Slug, read_slug
from slugc.sources.source import Source, SourceKind
from slugc.supply_chain.materials import materials_of, source_uri
from slugc.supply_chain.provenance import RememberedRun
from tests.unit.slugc.supply_chain.conftest import COMMIT
from tests.unit.slugc.supply_chain.material import APP, FLASK, make_slug, provenance

UV = f"""[[package]]
name = "flask"
version = "3.1.3"
wheels = [{{ url = "https://files.example/f-1-py3-none-any.whl", hash = "sha256:{"a" * 64}" }}]
"""


def predicate(slug: Slug) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(provenance(slug))["predicate"]
    return found


def dependencies(slug: Slug) -> dict[str, dict[str, object]]:
    found = predicate(slug)["buildDefinition"]["resolvedDependencies"]
    assert isinstance(found, list)
    return {each["name"]: each for each in found}


def parameters(slug: Slug) -> dict[str, object]:
    found = predicate(slug)["buildDefinition"]["externalParameters"]
    assert isinstance(found, dict)
    return found


def test_the_subject_is_the_whole_file(slug: Slug) -> None:
    statement = json.loads(provenance(slug))
    sha256 = hashlib.sha256(slug.archive.read_bytes()).hexdigest()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "polls.slug", "digest": {"sha256": sha256}}]


def test_everything_that_went_in_is_a_dependency(tmp_path: Path) -> None:
    buildpack = BuildpackRecord(
        name="Ruby", version="", digest=f"sha256:{'b' * 64}", source="https://host.example/b#v1"
    )
    slug = make_slug(
        tmp_path,
        {**APP, **FLASK, "uv.lock": UV},
        commit=COMMIT,
        buildpacks=(buildpack,),
        materials={
            "slugkit": "1.2.3",
            "source": "git+https://host.example/app#main",
            "tree": "commit",
        },
    )
    found = dependencies(slug)
    assert list(found) == ["source", "Ruby", "debian-12", "flask"]
    assert found["source"] == {
        "name": "source",
        "uri": "git+https://host.example/app@main",
        "digest": {"gitCommit": COMMIT},
    }
    assert found["Ruby"]["digest"] == {"sha256": "b" * 64}
    assert found["Ruby"]["uri"] == "https://host.example/b@v1"
    assert found["debian-12"]["uri"] == "pkg:generic/debian-12?arch=x86_64"
    assert found["flask"]["uri"] == "pkg:pypi/flask@3.1.3"
    assert found["flask"]["digest"] == {"sha256": "a" * 64}


def test_without_a_lock_the_digest_is_of_what_lies_in_the_slug(slug: Slug) -> None:
    (digest,) = [dependencies(slug)["flask"]["digest"]]
    assert isinstance(digest, dict)
    assert list(digest) == ["dirHash"]


def test_builder_and_parameters_are_told(tmp_path: Path) -> None:
    source = "git+https://host.example/app#main"
    materials = {"slugkit": "1.2.3", "source": source, "tree": "commit"}
    found = predicate(make_slug(tmp_path, APP, materials=materials))
    assert found["runDetails"] == {
        "builder": {"id": "urn:slugkit:slugc", "version": {"slugkit": "1.2.3"}}
    }
    assert found["buildDefinition"]["externalParameters"] == {
        "name": "hello",
        "format": "slug",
        "stack": "debian-12",
        "buildpacks": ["."],
        "source": "git+https://host.example/app#main",
    }


def test_what_is_not_known_is_not_told(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, APP, commit=None)
    assert "source" not in dependencies(slug)
    assert predicate(slug)["runDetails"] == {"builder": {"id": "urn:slugkit:slugc"}}
    short = make_slug(tmp_path / "2", APP, commit="c0ffee", materials={"tree": "commit"})
    assert "source" not in dependencies(short)


def test_the_commit_of_a_checkout_is_no_digest_of_what_was_built(tmp_path: Path) -> None:
    """It may hold what nobody has committed."""
    slug = make_slug(tmp_path, APP, commit=COMMIT)
    assert "source" not in dependencies(slug)
    assert parameters(slug)["checkout"] == COMMIT


def test_the_commit_of_a_local_repository_is_what_was_built(tmp_path: Path) -> None:
    source = Source(kind=SourceKind.GIT, location="file:///home/me/a#main")
    slug = make_slug(tmp_path, APP, commit=COMMIT, materials=materials_of(source))
    assert dependencies(slug)["source"] == {"name": "source", "digest": {"gitCommit": COMMIT}}
    assert "checkout" not in parameters(slug)


def test_the_same_slug_gives_the_same_statement_unless_a_time_is_given(slug: Slug) -> None:
    assert provenance(slug) == provenance(read_slug(slug.archive))
    run = RememberedRun(sandbox="embedded", started="2026-01-01T00:00:00Z", finished="2026-01-02")
    told = json.loads(provenance(slug, run=run, builder_id="https://ci.example/"))["predicate"]
    assert told["runDetails"]["metadata"]["startedOn"] == "2026-01-01T00:00:00Z"
    assert told["runDetails"]["builder"]["id"] == "https://ci.example/"
    assert told["buildDefinition"]["internalParameters"] == {"sandbox": "embedded"}


@pytest.mark.parametrize(
    ("kind", "location", "wanted"),
    [
        (
            SourceKind.GIT,
            "https://me:secret@host.example/a.git#v1",
            "git+https://host.example/a.git#v1",
        ),
        (SourceKind.GIT, "https://secret@host.example/a", "git+https://host.example/a"),
        (SourceKind.GIT, "https://host.example/a?token=secret#x", "git+https://host.example/a#x"),
        (SourceKind.GIT, "git@host.example:a/b.git", "git+ssh://host.example/a/b.git"),
        (SourceKind.GIT, "git+https://host.example/a", "git+https://host.example/a"),
        (SourceKind.GIT, "file:///home/me/a", None),
        (SourceKind.GIT, "/home/me/a", None),
        (SourceKind.TARBALL, "https://u:p@host.example/a.tgz", "https://host.example/a.tgz"),
        (SourceKind.TARBALL, "/home/me/a.tgz", None),
        (SourceKind.DIRECTORY, "/home/me/a", None),
        (SourceKind.STDIN, "-", None),
    ],
)
def test_the_source_is_told_without_passwords_and_paths(
    kind: SourceKind, location: str, wanted: str | None
) -> None:
    source = Source(kind=kind, location=location)
    assert source_uri(source) == wanted
    assert materials_of(source).get("source") == wanted
    assert materials_of(source)["slugkit"]


def test_materials_are_under_the_checksum_and_come_back(tmp_path: Path) -> None:
    plain = make_slug(tmp_path / "1", APP)
    told = make_slug(tmp_path / "2", APP, materials={"slugkit": "1"})
    assert read_slug(told.archive).metadata.materials == {"slugkit": "1"}
    assert read_slug(plain.archive).metadata.materials == {}
    assert told.metadata.checksum != plain.metadata.checksum
