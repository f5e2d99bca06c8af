"""missing_setuptools: who imports pkg_resources without bringing it, and who only seems to."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.sizes.summary import measure


def warning(tmp_path: Path, *, python: str = "3.12", **modules: str) -> str:
    """``a__b`` is a/b.py; all of them belong to old 1.0."""
    site_packages = tmp_path / f"python{python}" / "site-packages"
    names = {name.replace("__", "/") + ".py": text for name, text in modules.items()}
    for name, text in names.items():
        (site_packages / name).parent.mkdir(parents=True, exist_ok=True)
        (site_packages / name).write_text(text)
    record = site_packages / "old-1.0.dist-info" / "RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("".join(f"{name},,\n" for name in (*names, "gone.py")))
    return "".join(measure(site_packages).warnings)


@pytest.mark.parametrize(
    "text", ["import pkg_resources\n", "import os\nfrom pkg_resources import parse_version\n"]
)
def test_a_package_that_imports_it_is_named_with_what_to_ask_for(text: str, tmp_path: Path) -> None:
    assert warning(tmp_path, old__util=text) == (
        "Your app has packages that import pkg_resources, and does not have it\n\n"
        "  old 1.0\n\n"
        "It is a part of setuptools before version 81, which Heroku installs with Python 3.12\n"
        "and older, and nothing in your app asks for. A process that needs it would end with\n"
        "\"No module named 'pkg_resources'\". Ask for it among your packages:\n\n"
        "    setuptools<81\n\n"
        "Newer versions of the packages above may not need it any more."
    )


@pytest.mark.parametrize(
    "modules",
    [
        {"old__util": "try:\n    import pkg_resources\nexcept ImportError:\n    pass\n"},
        {"old__tests__util": "import pkg_resources\n"},
        {"old__util": "import pkg_resources_of_ours\n"},
        {"old__util": "import pkg_resources\n", "pkg_resources____init__": ""},
    ],
    ids=["in a try", "in tests", "another", "there"],
)
def test_who_does_without_or_has_it_hears_nothing(modules: dict[str, str], tmp_path: Path) -> None:
    assert warning(tmp_path, **modules) == ""


def test_with_newer_pythons_nothing_is_looked_for(tmp_path: Path) -> None:
    assert warning(tmp_path, python="3.13", old__util="import pkg_resources\n") == ""


def test_what_is_known_of_a_release_is_not_looked_for_again(tmp_path: Path) -> None:
    said = warning(tmp_path, old__util="import pkg_resources\n")
    site_packages = tmp_path / "python3.12" / "site-packages"
    known = measure(site_packages).packages
    (site_packages / "old" / "util.py").write_text("")
    assert measure(site_packages, known).warnings == (said,)
    assert measure(site_packages).warnings == ()
