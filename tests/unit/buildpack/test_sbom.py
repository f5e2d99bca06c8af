"""sbom: everything installed is named, once, the same way every time."""

from __future__ import annotations

import json
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from buildpack.sbom import sbom_json
from buildpack.versions.python_version import PythonVersion

PYTHON = PythonVersion(major=3, minor=13, patch=1)


def install(site_packages: Path, name: str, version: str, metadata: str = "") -> Path:
    directory = site_packages / f"{name}-{version}.dist-info"
    directory.mkdir(parents=True)
    text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}"
    (directory / "METADATA").write_text(text)
    return directory


def document(site_packages: Path) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(sbom_json(site_packages, PYTHON))
    return found


def test_the_runtime_and_every_distribution_are_components(tmp_path: Path) -> None:
    install(tmp_path, "Zope.Interface", "7.2", "License: ZPL-2.1\n")
    install(tmp_path, "flask", "3.1.3", "Summary: A framework\nLicense-Expression: BSD-3-Clause\n")
    found = document(tmp_path)
    assert [component["purl"] for component in found["components"]] == [
        "pkg:generic/python@3.13.1",
        "pkg:pypi/flask@3.1.3",
        "pkg:pypi/zope-interface@7.2",
    ]
    assert found["components"][1]["description"] == "A framework"
    assert found["components"][1]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert found["components"][2]["licenses"] == [{"license": {"id": "ZPL-2.1"}}]


def test_a_licence_given_in_full_is_named_by_its_classifier(tmp_path: Path) -> None:
    text = "License: Copyright\n        Permission\nClassifier: License :: OSI Approved :: MIT\n"
    install(tmp_path, "old", "1", text)
    assert document(tmp_path)["components"][1]["licenses"] == [{"license": {"id": "MIT"}}]


def test_dependencies_name_those_that_are_installed(tmp_path: Path) -> None:
    install(tmp_path, "flask", "3.1.3", "Requires-Dist: werkzeug>=3\nRequires-Dist: gone; x\n")
    install(tmp_path, "Werkzeug", "3.1.4")
    assert document(tmp_path)["dependencies"] == [
        {"ref": "pkg:pypi/flask@3.1.3", "dependsOn": ["pkg:pypi/werkzeug@3.1.4"]},
        {"ref": "pkg:pypi/werkzeug@3.1.4", "dependsOn": []},
    ]


def test_where_a_checkout_came_from_is_told_without_the_password(tmp_path: Path) -> None:
    directory = install(tmp_path, "mine", "1")
    url = {"url": "https://user:secret@git.example.com/mine", "vcs_info": {"vcs": "git"}}
    (directory / "direct_url.json").write_text(json.dumps(url))
    text = sbom_json(tmp_path, PYTHON)
    assert "secret" not in text
    assert document(tmp_path)["components"][1]["externalReferences"] == [
        {"type": "distribution", "url": "https://git.example.com/mine"}
    ]


def test_directories_of_the_build_machine_are_not_told(tmp_path: Path) -> None:
    directory = install(tmp_path, "mine", "1")
    (directory / "direct_url.json").write_text('{"url": "file:///home/me/app", "dir_info": {}}')
    assert "home/me" not in sbom_json(tmp_path, PYTHON)


def test_the_same_installation_gives_the_same_document(tmp_path: Path) -> None:
    for place in ("a", "b"):
        install(tmp_path / place, "flask", "3.1.3")
    assert sbom_json(tmp_path / "a", PYTHON) == sbom_json(tmp_path / "b", PYTHON)


def test_the_standards_own_library_finds_nothing_wrong(tmp_path: Path) -> None:
    install(tmp_path, "flask", "3.1.3", "Summary: A framework\nLicense-Expression: BSD-3-Clause\n")
    install(tmp_path, "Werkzeug", "3.1.4+local", "License: BSD\nRequires-Dist: flask\n")
    directory = install(tmp_path, "mine", "1")
    (directory / "direct_url.json").write_text('{"url": "https://u:p@git.example.com/mine?a=b"}')
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(sbom_json(tmp_path, PYTHON)) is None
