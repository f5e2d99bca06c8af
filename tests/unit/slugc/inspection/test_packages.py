"""Which packages a slug holds, and whose its files are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from slugc.inspection.contents import read_contents
from slugc.inspection.distributions import licence_of, parse_headers
from slugc.inspection.packages import (
    PackageKind,
    Packages,
    SlugPackage,
    describes_a_package,
    find_packages,
    read_packages,
)
from slugc.packing.slug_writer import write_slug
from slugc.slug import Slug
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, make_tree

SITE = ".heroku/venv/lib/python3.13/site-packages"
RECORD = """\
../../../bin/flask,sha256=abc,10
flask/__init__.py,sha256=abc,6
flask/app.py,sha256=abc,6
flask-3.1.0.dist-info/METADATA,sha256=abc,6
flask-3.1.0.dist-info/RECORD,,
flask/gone.py,sha256=abc,6
"""
METADATA = """\
Metadata-Version: 2.4
Name: Flask
Version: 3.1.0
License-Expression: BSD-3-Clause
Requires-Dist: werkzeug>=3
Requires-Dist: jinja2>=3

License: not a header, this is the description
"""
FLASK: Mapping[str, str] = {
    f"{SITE}/flask/__init__.py": "x = 1\n",
    f"{SITE}/flask/app.py": "x = 2\n",
    f"{SITE}/flask/__pycache__/app.cpython-313.pyc": "compiled",
    f"{SITE}/flask-3.1.0.dist-info/METADATA": METADATA,
    f"{SITE}/flask-3.1.0.dist-info/RECORD": RECORD,
    f"{SITE}/flask-3.1.0.dist-info/INSTALLER": "uv",
    ".heroku/venv/bin/flask": "#!/bin/sh\n",
}


def make_slug(root: Path, files: Mapping[str, str]) -> Slug:
    tree = make_tree(root / "tree", files)
    return write_slug(tree, root / "a.slug", facts=FACTS, store=Store(root / "store")).slug


def packages_of(root: Path, files: Mapping[str, str]) -> Packages:
    slug = make_slug(root, files)
    return find_packages(slug, read_contents(slug, keep=describes_a_package))


def test_a_distribution_is_what_its_record_names_with_its_bytecode_and_scripts(
    tmp_path: Path,
) -> None:
    (flask,) = read_packages(make_slug(tmp_path, {**FLASK, "app.py": "import flask\n"}))

    assert flask.name == "Flask"
    assert flask.version == "3.1.0"
    assert flask.kind is PackageKind.PYTHON
    assert flask.licence == "BSD-3-Clause"
    assert flask.layer == "dependencies"
    assert flask.path == f"{SITE}/flask-3.1.0.dist-info"
    assert flask.files == len(FLASK)
    assert flask.size == sum(map(len, FLASK.values()))
    assert flask.headers["requires-dist"] == ("werkzeug>=3", "jinja2>=3")
    assert flask.record_sha256 == hashlib.sha256(RECORD.encode()).hexdigest()


def test_each_file_has_one_owner_so_that_sizes_add_up(tmp_path: Path) -> None:
    twin = {
        f"{SITE}/twin-1.dist-info/METADATA": "Name: twin\nVersion: 1\n",
        f"{SITE}/twin-1.dist-info/RECORD": "flask/app.py,,\ntwin.py,,\n",
        f"{SITE}/twin.py": "x = 1\n",
    }
    found = packages_of(tmp_path, {**FLASK, **twin})

    assert found.owners[f"{SITE}/flask/app.py"].name == "Flask"
    assert found.owners[f"{SITE}/twin.py"].name == "twin"
    assert sum(package.files for package in found.packages) == len(found.owners)


def test_a_record_cannot_claim_what_lies_outside_or_is_absolute(tmp_path: Path) -> None:
    record = "/app.py,,\n../../../../../../app.py,,\n\0,,\nown.py,,\n"
    files = {
        f"{SITE}/evil-1.dist-info/METADATA": "Name: evil\nVersion: 1\n",
        f"{SITE}/evil-1.dist-info/RECORD": record,
        f"{SITE}/own.py": "x = 1\n",
        "app.py": "x = 2\n",
    }
    found = packages_of(tmp_path, files)

    assert "app.py" not in found.owners
    assert found.owners[f"{SITE}/own.py"].name == "evil"


def test_a_distribution_without_metadata_is_named_by_its_directory(tmp_path: Path) -> None:
    (found,) = read_packages(make_slug(tmp_path, {f"{SITE}/odd-2.0.dist-info/RECORD": "x,,\n"}))

    assert (found.name, found.version, found.licence) == ("odd", "2.0", None)


def test_node_packages_are_directories_and_nested_ones_their_own(tmp_path: Path) -> None:
    files = {
        "node_modules/left-pad/package.json": '{"name": "left-pad", "version": "1.3.0"}',
        "node_modules/left-pad/index.js": "x",
        "node_modules/left-pad/package/package.json": "{}",
        "node_modules/left-pad/node_modules/@a/b/package.json": '{"license": {"type": "MIT"}}',
        "node_modules/left-pad/node_modules/@a/b/b.js": "xx",
        "node_modules/.bin/left-pad": "x",
        "node_modules/broken/package.json": "{",
        "package.json": "{}",
    }
    found = {x.name: x for x in read_packages(make_slug(tmp_path, files))}

    assert set(found) == {"left-pad", "@a/b", "broken"}
    assert (found["left-pad"].version, found["left-pad"].files) == ("1.3.0", 3)
    assert (found["@a/b"].files, found["@a/b"].licence) == (2, "MIT")
    assert all(each.kind is PackageKind.NODE for each in found.values())


def test_gems_are_named_and_licensed_by_bundler_s_directories(tmp_path: Path) -> None:
    home = "vendor/bundle/ruby/3.3.0"
    spec = 'Gem::Specification.new do |s|\n  s.licenses = ["MIT".freeze, "Ruby".freeze]\nend\n'
    files = {
        f"{home}/gems/rack-test-2.1.0/lib/rack.rb": "x",
        f"{home}/specifications/rack-test-2.1.0.gemspec": spec,
    }
    (gem,) = read_packages(make_slug(tmp_path, files))

    assert (gem.name, gem.version, gem.licence) == ("rack-test", "2.1.0", "MIT, Ruby")
    assert (gem.kind, gem.layer) == (PackageKind.RUBY, "dependencies")


def test_the_runtime_is_a_package_of_the_version_the_build_told(tmp_path: Path) -> None:
    files = {".heroku/python/lib/os.py": "import sys\n", "app.py": "x\n"}
    (runtime,) = read_packages(make_slug(tmp_path, files))

    assert (runtime.name, runtime.version) == ("python", FACTS.python_version)
    assert (runtime.kind, runtime.layer) == (PackageKind.RUNTIME, "runtime")
    assert (runtime.files, runtime.size) == (1, 11)


def test_packages_come_largest_first(tmp_path: Path) -> None:
    files = {
        f"{SITE}/{name}-1.dist-info/RECORD": f"{name}.py,,\n" for name in ("small", "large", "mid")
    }
    sizes = {"small": 10, "large": 1000, "mid": 100}
    files |= {f"{SITE}/{name}.py": "x" * size for name, size in sizes.items()}

    found = read_packages(make_slug(tmp_path, files))
    assert [each.name for each in found] == ["large", "mid", "small"]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other\n", "MIT OR Apache-2.0"),
        ("License: BSD\nClassifier: License :: OSI Approved :: MIT License\n", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        ("License: Permission is hereby\n        granted\nClassifier: License :: X :: Y\n", "Y"),
        ("License: " + "long " * 20 + "\n", None),
        ("Name: x\n\nLicense: MIT\n", None),
        ("", None),
    ],
)
def test_licences_as_metadata_gives_them(text: str, licence: str | None) -> None:
    assert licence_of(parse_headers(text.encode())) == licence


def test_a_package_can_be_made_with_what_it_must_have() -> None:
    package = SlugPackage(
        name="a",
        version="1",
        kind=PackageKind.PYTHON,
        files=1,
        size=1,
        licence=None,
        layer="app",
        path="a",
    )
    assert (dict(package.headers), package.record_sha256) == ({}, None)


EGG = "Metadata-Version: 1.1\nName: Old.Thing\nVersion: 0.9\nLicense: MIT\n"
DIST = ".apt/usr/lib/python3/dist-packages"


def found_in(root: Path, files: Mapping[str, str]) -> dict[str, SlugPackage]:
    return {package.name: package for package in read_packages(make_slug(root, files))}


def test_a_distribution_of_old_has_the_files_it_lists(tmp_path: Path) -> None:
    info = f"{SITE}/old_thing-0.9-py3.13.egg-info"
    found = found_in(
        tmp_path,
        {
            f"{info}/PKG-INFO": EGG,
            f"{info}/installed-files.txt": "../old_thing/a.py\n../../../../bin/old\n/etc/x\n",
            f"{info}/top_level.txt": "old_thing\n",
            f"{SITE}/old_thing/a.py": "1",
            f"{SITE}/old_thing/left_by_others.py": "1",
            ".heroku/venv/bin/old": "#!/bin/sh\n",
        },
    )
    old = found["Old.Thing"]
    assert (old.version, old.licence, old.kind) == ("0.9", "MIT", PackageKind.PYTHON)
    assert (old.path, old.files) == (info, 5)


def test_a_debian_package_of_a_python_module_is_a_file_or_names_its_modules(
    tmp_path: Path,
) -> None:
    found = found_in(
        tmp_path,
        {
            f"{DIST}/six-1.16.0.egg-info/PKG-INFO": "Name: six\nVersion: 1.16.0\n",
            f"{DIST}/six-1.16.0.egg-info/top_level.txt": "six\n../../evil\n",
            f"{DIST}/six.py": "x",
            f"{DIST}/sixer.py": "x",
            f"{DIST}/_cffi-1.15-py3.11.egg-info": "",
            "app.egg-info/PKG-INFO": "Name: app\nVersion: 1\n",
            "six.py": "the app's own",
        },
    )
    assert (found["six"].version, found["six"].files) == ("1.16.0", 3)
    assert (found["_cffi"].version, found["_cffi"].files) == ("1.15", 1)
    assert "app" not in found


def test_what_has_a_dist_info_is_told_once(tmp_path: Path) -> None:
    egg = {f"{SITE}/Flask.egg-info/PKG-INFO": "Name: flask\nVersion: 3.1.0\n"}
    assert list(found_in(tmp_path, {**FLASK, **egg})) == ["Flask"]


COMPOSER = """{"packages": [
 {"name": "monolog/monolog", "version": "v3.5.0", "license": ["MIT", "BSD-3-Clause"],
  "install-path": "../monolog/monolog"},
 {"name": "acme/gone", "version": "1", "install-path": "../acme/gone"},
 {"name": "../../etc", "version": "1"}, 7]}"""


@pytest.mark.parametrize("version", [1, 2])
def test_packages_of_composer(tmp_path: Path, version: int) -> None:
    listed = COMPOSER if version == 2 else json.dumps(json.loads(COMPOSER)["packages"])
    found = found_in(
        tmp_path,
        {
            "web/vendor/composer/installed.json": listed,
            "web/vendor/monolog/monolog/src/Logger.php": "<?php",
            "web/vendor/monolog/monolog/composer.json": "{}",
            "web/vendor/autoload.php": "<?php",
        },
    )
    assert list(found) == ["monolog/monolog"]
    monolog = found["monolog/monolog"]
    assert (monolog.version, monolog.licence) == ("3.5.0", "MIT OR BSD-3-Clause")
    assert (monolog.path, monolog.files) == ("web/vendor/monolog/monolog", 2)


@pytest.mark.parametrize("text", ["", "[", "7", '{"packages": {}}', '[{"name": 1}]', "[" * 100_000])
def test_a_note_of_composer_that_says_nothing(tmp_path: Path, text: str) -> None:
    assert not found_in(
        tmp_path, {"vendor/composer/installed.json": text, "vendor/a/b/x.php": "<?php"}
    )
