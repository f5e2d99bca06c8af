"""sbom: every package is told once, with digests anybody can compute, and the standard agrees."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from slugc.slug import Slug
from slugc.supply_chain.sbom import slug_sbom
from tests.unit.slugc.supply_chain.material import (
    APP,
    FLASK,
    NODE,
    RUNTIME,
    SITE,
    WERKZEUG,
    Files,
    changelog,
    distribution,
    make_slug,
)

HEX, B64, C64 = "a" * 64, "b" * 64, "c" * 64
HOSTILE: Mapping[str, str | bytes] = {
    **APP,
    f"{SITE}/broken-1.dist-info/METADATA": b"\xff\xfe\x00Name: \x1b[31m\nLicense: \xff\n",
    f"{SITE}/broken-1.dist-info/RECORD": b'"unclosed,\n../../../../../../etc/passwd,,\n/a,,\n\0',
    f"{SITE}/nothing-2.dist-info/METADATA": b"",
    f"{SITE}/.dist-info/METADATA": b"Name: \nVersion: \n",
    f"{SITE}/url-1.dist-info/METADATA": b"Name: url\nVersion: 1!2+x y/../\xc3\xa9\n",
    f"{SITE}/url-1.dist-info/direct_url.json": b'{"url": "https://a b/%zz", "archive_info": 3}',
    "node_modules/x/package.json": b'{"name": 7, "version": [], "license": {"type": null}}',
    "node_modules/y/package.json": b"[" * 100_000,
    "node_modules/z/package.json": b'{"name": "a b?c#d@e", "version": "<>", "license": "<any>"}',
    "uv.lock": b"[[package",
    "poetry.lock": b"package = 7",
    "Pipfile.lock": b'{"default": {"x": {"hashes": [1, {}]}}}',
    "pylock.toml": b"packages = [1, {name = 2}]",
    "package-lock.json": b'{"packages": {"node_modules/x": {"integrity": "sha512-!!"}}}',
    ".apt/usr/share/doc/libx/changelog.Debian.gz": b"no gzip",
    ".apt/var/lib/dpkg/status": b"Package: ../x\nVersion: 1\n\nPackage: y\n\n\xff",
}


def components(slug: Slug) -> dict[str, dict[str, object]]:
    """By reference."""
    found = json.loads(slug_sbom(slug))["components"]
    assert len({each["bom-ref"] for each in found}) == len(found)
    return {each["bom-ref"]: each for each in found}


def properties(component: Mapping[str, object]) -> dict[str, str]:
    said = component["properties"]
    assert isinstance(said, list)
    return {each["name"].removeprefix("slugkit:"): each["value"] for each in said}


def test_everything_that_can_be_told_is_a_component(tmp_path: Path) -> None:
    apt = {
        ".apt/usr/share/doc/libpq5/changelog.Debian.gz": changelog("postgresql-15", "1:15.5-0+x")
    }
    found = components(make_slug(tmp_path, {**APP, **RUNTIME, **FLASK, **WERKZEUG, **NODE, **apt}))
    assert list(found) == [
        "pkg:deb/debian/libpq5@1%3A15.5-0%2Bx?distro=debian-12",
        "pkg:npm/%40scope/tool@2.0.0",
        "pkg:npm/left-pad@1.3.0",
        "pkg:pypi/flask@3.1.3",
        "pkg:pypi/werkzeug@3.1.4",
        "pkg:generic/python@3.13.0",
    ]
    assert found["pkg:pypi/flask@3.1.3"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert found["pkg:pypi/werkzeug@3.1.4"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert found["pkg:npm/left-pad@1.3.0"]["licenses"] == [{"expression": "WTFPL"}]
    assert found["pkg:pypi/flask@3.1.3"]["description"] == "A framework"
    assert found["pkg:generic/python@3.13.0"]["type"] == "platform"


def test_a_release_that_was_withdrawn_is_marked(tmp_path: Path) -> None:
    venv = SITE.partition("/lib/")[0]
    files = {
        **APP,
        **FLASK,
        **WERKZEUG,
        f"{venv}/pyvenv.cfg": "",
        f"{venv}/yanked.json": '{"werkzeug==3.1.4": "it broke", "flask==3.0": "another"}',
        "yanked.json": '{"flask==3.1.3": "not beside a virtualenv"}',
    }
    found = components(make_slug(tmp_path, files))
    assert properties(found["pkg:pypi/werkzeug@3.1.4"])["yanked"] == "it broke"
    assert "yanked" not in properties(found["pkg:pypi/flask@3.1.3"])


@pytest.mark.parametrize("text", ["", "7", "[]", '{"werkzeug==3.1.4": {"a": 1}}', '{"x": null}'])
def test_a_note_of_what_was_withdrawn_that_says_nothing(tmp_path: Path, text: str) -> None:
    venv = SITE.partition("/lib/")[0]
    files = {**APP, **WERKZEUG, f"{venv}/pyvenv.cfg": "", f"{venv}/yanked.json": text}
    slug = make_slug(tmp_path, files)
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(slug_sbom(slug).decode())
    assert errors is None


def test_what_composer_and_installers_of_old_left_is_told_too(tmp_path: Path) -> None:
    info = ".apt/usr/lib/python3/dist-packages/six-1.16.0.egg-info"
    slug = make_slug(
        tmp_path,
        {
            **APP,
            f"{info}/PKG-INFO": "Name: six\nVersion: 1.16.0\nLicense: MIT\n",
            "vendor/composer/installed.json": '{"packages": [{"name": "psr/log",'
            ' "version": "3.0.2", "license": ["MIT"], "install-path": "../psr/log"}]}',
            "vendor/psr/log/src/LogLevel.php": "<?php\n",
        },
    )
    found = components(slug)
    assert list(found) == ["pkg:composer/psr/log@3.0.2", "pkg:pypi/six@1.16.0"]
    assert found["pkg:composer/psr/log@3.0.2"]["licenses"] == [{"expression": "MIT"}]
    for component in found.values():
        assert component["hashes"]
        assert properties(component)["path"]
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(slug_sbom(slug).decode())
    assert errors is None


def test_the_digest_of_a_distribution_is_what_sha256sum_gives(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {**APP, **distribution("mine", "1", mine__z="z", mine__a_b="ab")})
    names = sorted(
        ["mine-1.dist-info/METADATA", "mine-1.dist-info/WHEEL", "mine/__init__.py", "mine/a_b"]
    )
    site = tmp_path / "tree" / SITE
    names.append("mine/z")
    listing = subprocess.run(["sha256sum", *names], cwd=site, capture_output=True, check=True)
    wanted = hashlib.sha256(listing.stdout).hexdigest()
    assert components(slug)["pkg:pypi/mine@1"]["hashes"] == [{"alg": "SHA-256", "content": wanted}]


def test_notes_of_the_installer_and_bytecode_do_not_change_the_digest(tmp_path: Path) -> None:
    one = make_slug(tmp_path / "1", {**APP, **FLASK})
    pyc = f"{SITE}/flask/__pycache__/__init__.cpython-313.pyc"
    installer = f"{SITE}/flask-3.1.3.dist-info/INSTALLER"
    other = make_slug(tmp_path / "2", {**APP, **FLASK, pyc: "bytecode", installer: "pip"})
    ref = "pkg:pypi/flask@3.1.3"
    assert components(one)[ref]["hashes"] == components(other)[ref]["hashes"]


def test_files_that_are_not_as_recorded_are_counted(tmp_path: Path) -> None:
    files = dict(FLASK) | {f"{SITE}/flask/__init__.py": "something else"}
    files.pop(f"{SITE}/flask-3.1.3.dist-info/WHEEL")
    said = properties(components(make_slug(tmp_path, {**APP, **files}))["pkg:pypi/flask@3.1.3"])
    assert (said["record:missing"], said["record:changed"]) == ("1", "1")
    true = components(make_slug(tmp_path / "2", {**APP, **FLASK}))["pkg:pypi/flask@3.1.3"]
    assert not {"record:missing", "record:changed"} & properties(true).keys()


def test_what_a_package_carries_is_told_as_bundled(tmp_path: Path) -> None:
    inner = distribution("wheel", "0.45", site=f"{SITE}/setuptools/_vendor")
    outer = distribution("setuptools", "80") | distribution("wheel", "0.45")
    found = components(make_slug(tmp_path, {**APP, **outer, **inner}))
    assert [ref.partition("#")[0] for ref in found] == [
        "pkg:pypi/setuptools@80",
        "pkg:pypi/wheel@0.45",
        "pkg:pypi/wheel@0.45",
    ]
    assert [properties(each).get("bundled") for each in found.values()] == [None, None, "true"]


UV = f"""version = 1
[[package]]
name = "flask"
version = "3.1.3"
sdist = {{ url = "https://files.example/flask-3.1.3.tar.gz", hash = "sha256:{B64}" }}
[[package.wheels]]
url = "https://u:p@files.example/flask-3.1.3-py3-none-any.whl"
hash = "sha256:{HEX}"
[[package.wheels]]
url = "https://files.example/flask-3.1.3-cp313-cp313-win_amd64.whl"
hash = "sha256:{C64}"
"""
POETRY = f"""[[package]]
name = "Flask"
version = "3.1.3"
files = [
  {{file = "flask-3.1.3-py3-none-any.whl", hash = "sha256:{HEX}"}},
  {{file = "flask-3.1.3.tar.gz", hash = "sha256:{B64}"}},
]
"""
PYLOCK = f"""lock-version = "1.0"
[[packages]]
name = "flask"
version = "3.1.3"
wheels = [{{name = "flask-3.1.3-py3-none-any.whl", hashes = {{sha256 = "{HEX}"}}}}]
"""
PIPFILE = json.dumps({"default": {"flask": {"version": "==3.1.3", "hashes": [f"sha256:{HEX}"]}}})


@pytest.mark.parametrize(
    ("name", "lock", "digest"),
    [
        ("uv.lock", UV, HEX),
        ("poetry.lock", POETRY, HEX),
        ("pdm.lock", POETRY, HEX),
        ("pylock.toml", PYLOCK, HEX),
        ("pylock.prod.toml", PYLOCK, HEX),
        ("Pipfile.lock", PIPFILE, HEX),
        ("requirements.txt", f"flask[x]==3.1.3 \\\n    --hash=sha256:{HEX}\n", HEX),
        ("requirements.txt", f"flask==3.1.3 --hash=sha256:{HEX} --hash=sha256:{'b' * 64}\n", None),
        ("requirements.txt", f"flask==3.1.2 --hash=sha256:{HEX}\n", None),
        ("other/uv.lock", UV, None),
    ],
)
def test_the_archive_is_told_where_the_lock_leaves_no_doubt(
    tmp_path: Path, name: str, lock: str, digest: str | None
) -> None:
    slug = make_slug(tmp_path, {**APP, **FLASK, name: lock})
    assert properties(components(slug)["pkg:pypi/flask@3.1.3"]).get("archive:sha256") == digest


def test_where_the_archive_lay_is_told_without_a_password(tmp_path: Path) -> None:
    found = components(make_slug(tmp_path, {**APP, **FLASK, "uv.lock": UV}))
    assert found["pkg:pypi/flask@3.1.3"]["externalReferences"] == [
        {
            "type": "distribution",
            "url": "https://files.example/flask-3.1.3-py3-none-any.whl",
            "hashes": [{"alg": "SHA-256", "content": HEX}],
        }
    ]


def test_npm_says_what_it_installed(tmp_path: Path) -> None:
    encoded = "sha512-" + "A" * 86 + "=="
    said = {"version": "1.3.0", "resolved": "https://r.example/x.tgz", "integrity": encoded}
    lock = json.dumps({"packages": {"node_modules/left-pad": said}})
    slug = make_slug(tmp_path, {**APP, **NODE, "node_modules/.package-lock.json": lock})
    assert properties(components(slug)["pkg:npm/left-pad@1.3.0"])["archive:sha512"] == "0" * 128


def test_a_status_file_knows_better_than_changelogs(tmp_path: Path) -> None:
    status = (
        "Package: libx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    doc = {".apt/usr/share/doc/libx/changelog.gz": changelog("x", "1")}
    files: Files = {**APP, ".apt/var/lib/dpkg/status": status, **doc}
    assert list(components(make_slug(tmp_path, files))) == [
        "pkg:deb/debian/libx@2?arch=amd64&distro=debian-12"
    ]


def test_dependencies_are_those_that_are_installed(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {**APP, **FLASK, **WERKZEUG})
    assert json.loads(slug_sbom(slug))["dependencies"] == [
        {
            "ref": slug.metadata.checksum,
            "dependsOn": ["pkg:pypi/flask@3.1.3", "pkg:pypi/werkzeug@3.1.4"],
        },
        {"ref": "pkg:pypi/flask@3.1.3", "dependsOn": ["pkg:pypi/werkzeug@3.1.4"]},
        {"ref": "pkg:pypi/werkzeug@3.1.4", "dependsOn": []},
    ]


def test_the_app_and_its_buildpacks_are_told(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, APP)
    found = json.loads(slug_sbom(slug))
    assert found["metadata"]["component"]["name"] == "hello"
    assert found["metadata"]["component"]["version"] == "c0ffee"
    (buildpack,) = found["formulation"][0]["components"]
    assert (buildpack["name"], buildpack["version"]) == ("python", "1.0")
    assert buildpack["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]


def test_the_same_slug_gives_the_same_document_wherever_it_lies(tmp_path: Path) -> None:
    files = {**APP, **RUNTIME, **FLASK, **WERKZEUG, **NODE}
    one, other = make_slug(tmp_path / "1", files), make_slug(tmp_path / "2", files)
    assert one.archive.read_bytes() == other.archive.read_bytes()
    assert slug_sbom(one) == slug_sbom(other)
    another = make_slug(tmp_path / "3", {**files, "app.py": "pass"})
    serial = {json.loads(slug_sbom(each))["serialNumber"] for each in (one, another)}
    assert len(serial) == 2


@pytest.mark.parametrize(
    "files",
    [APP, {**APP, **RUNTIME, **FLASK, **WERKZEUG, **NODE, "uv.lock": UV}, HOSTILE],
    ids=["nothing", "usual", "hostile"],
)
def test_the_standards_own_library_finds_nothing_wrong(
    tmp_path: Path, files: Mapping[str, str | bytes]
) -> None:
    text = slug_sbom(make_slug(tmp_path, files)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert "u:p" not in text


def test_names_that_are_no_text_are_told_as_far_as_they_are(tmp_path: Path) -> None:
    name = os.fsdecode(b"node_modules/\xffodd/package.json")
    slug = make_slug(tmp_path, {**APP, name: "{}"})
    text = slug_sbom(slug).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert "�odd" in text
