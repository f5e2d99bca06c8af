"""Real slugs: the SBOM names what pip sees, and signatures made and checked by the commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from slugc.slug import read_slug
from slugc.supply_chain.inventory import read_inventory
from slugc.supply_chain.sbom import slug_sbom
from tests.integration.conftest import Built
from tests.integration.support import ROOT, SLUGC, Kit
from tests.unit.slugc.supply_chain.material import provenance

pytestmark = [pytest.mark.integration, pytest.mark.network]

Build = Callable[[str], Built]
NAMES = ("django_polls", "flask_hello")


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_list(site_packages: Path) -> set[str]:
    """What pip finds there."""
    argv = (sys.executable, "-m", "pip", "list", "--format=json", "--disable-pip-version-check")
    done = subprocess.run(
        (*argv, "--path", site_packages), capture_output=True, check=True, timeout=60
    )
    return {f"pkg:pypi/{normalized(x['name'])}@{x['version']}" for x in json.loads(done.stdout)}


def unpacked(slug: Path, where: Path) -> Path:
    argv = ("tar", "--zstd", "-xf", os.fspath(slug), "-C", os.fspath(where))
    subprocess.run(argv, check=True, timeout=60)
    (site,) = (where / "app/.heroku/venv/lib").glob("python3.*/site-packages")
    return site


@pytest.mark.parametrize("name", NAMES)
def test_the_sbom_names_what_pip_sees_and_is_valid(name: str, built: Build, tmp_path: Path) -> None:
    slug = read_slug(built(name).slug)
    text = slug_sbom(slug).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)["components"]
    python = {each["purl"] for each in found if each["purl"].startswith("pkg:pypi/")}
    assert python == pip_list(unpacked(slug.archive, tmp_path))
    assert python
    (runtime,) = (each for each in found if each["type"] == "platform")
    assert runtime["purl"] == f"pkg:generic/python@{slug.metadata.python_version}"
    said = {prop["name"] for each in found for prop in each["properties"]}
    assert not {name for name in said if "record:" in name}
    assert all(each["hashes"] for each in found)


def test_digests_are_what_anybody_computes_from_the_unpacked_slug(
    built: Build, tmp_path: Path
) -> None:
    slug = read_slug(built("flask_hello").slug)
    site = unpacked(slug.archive, tmp_path)
    (record,) = site.glob("flask-*.dist-info/RECORD")
    # As docs/supply-chain.md has it.
    script = (
        "cut -d, -f1 \"$1\" | grep -Ev '(/(RECORD|INSTALLER|REQUESTED|direct_url.json)|[.]pyc)$'"
        " | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum | cut -c1-64"
    )
    done = subprocess.run(
        ("sh", "-c", script, "sh", record), cwd=site, capture_output=True, check=True, text=True
    )
    (flask,) = (x for x in json.loads(slug_sbom(slug))["components"] if x["name"] == "Flask")
    assert flask["hashes"] == [{"alg": "SHA-256", "content": done.stdout.strip()}]


def test_provenance_names_the_builder_and_every_package(built: Build) -> None:
    slug = read_slug(built("django_polls").slug)
    predicate = json.loads(provenance(slug))["predicate"]
    assert predicate["runDetails"]["builder"]["version"] == {
        "slugkit": slug.metadata.buildpacks[0].version
    }
    roles = [x["annotations"]["role"] for x in predicate["buildDefinition"]["resolvedDependencies"]]
    assert roles[:2] == ["buildpack", "stack"]
    assert roles.count("runtime") == 1
    assert roles.count("package") > 5
    assert os.fspath(ROOT) not in provenance(slug).decode()


def slugc(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.fspath(ROOT), "NO_COLOR": "1"}
    return subprocess.run(
        (*SLUGC, *map(str, argv)),
        cwd=cwd,
        env=env,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_signing_and_checking_on_the_command_line(built: Build, tmp_path: Path) -> None:
    slug = tmp_path / "polls.slug"
    slug.write_bytes(built("flask_hello").slug.read_bytes())
    required = ("verify", slug, "--key", "deploy.pub", "--require-signature")
    assert slugc("sign", "--new-key", "deploy", cwd=tmp_path).stdout == "deploy.pub\n"
    unsigned = slugc(*required, cwd=tmp_path)
    assert (unsigned.returncode, "is not signed" in unsigned.stderr) == (65, True)
    assert "none: the slug is not signed" in slugc("verify", slug, cwd=tmp_path).stdout

    made = slugc("sign", slug, "--key", "deploy.key", cwd=tmp_path)
    assert (made.returncode, made.stdout) == (0, f"{slug}.intoto.jsonl\n")
    good = slugc(*required, cwd=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert "over every byte of the file" in good.stdout

    with slug.open("ab") as file:
        file.write(b"\0")
    assert slugc(*required, cwd=tmp_path).returncode == 65
    content = bytearray(slug.read_bytes()[:-1])
    content[1000] ^= 1
    slug.write_bytes(content)
    bad = slugc(*required, cwd=tmp_path)
    assert (bad.returncode, "are of another one" in bad.stderr) == (65, True)


def test_a_lock_tells_which_archive_was_installed(kit: Kit) -> None:
    """Of the 70 wheels that the lock names for one release, the one whose tags were installed."""
    slug = kit.home / "poetry_basic.slug"
    kit.build(ROOT / "fixtures" / "poetry_basic", slug)
    lock = tomllib.loads((ROOT / "fixtures/poetry_basic/poetry.lock").read_text())
    names = {
        each["hash"].removeprefix("sha256:"): each["file"]
        for package in lock["package"]
        for each in package.get("files", ())
    }
    items = [each for each in read_inventory(read_slug(slug)) if each.archive]
    installed = {each.name: names[each.archive.digest] for each in items if each.archive}
    assert installed["coverage"].startswith("coverage-7.6.1-cp3")
    assert "manylinux" in installed["coverage"]
    assert os.uname().machine in installed["coverage"]
