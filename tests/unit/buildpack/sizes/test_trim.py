"""trim: only what no app opens is removed, from the files and from their list."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.records import read_distributions
from buildpack.settings import read_settings
from buildpack.sizes.suites import find_suites
from buildpack.sizes.trim import Trim, UnknownTrimError, parse_trim
from buildpack.sizes.trimming import trim_runtime, trim_venv
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion


def venv_of(root: Path, **distributions: dict[str, str]) -> Venv:
    """Every distribution with its files and a RECORD of them."""
    venv = Venv(root=root / "venv", version=PythonVersion(major=3, minor=13, patch=0))
    for name, files in distributions.items():
        info = f"{name}-1.0.dist-info"
        names = {**files, f"{info}/METADATA": "", f"{info}/RECORD": ""}
        for path, text in names.items():
            (venv.site_packages / path).parent.mkdir(parents=True, exist_ok=True)
            (venv.site_packages / path).write_text(text)
        rows = "".join(f"{path},sha256=x,{len(text)}\n" for path, text in names.items())
        (venv.site_packages / info / "RECORD").write_text(rows)
    return venv


def left(venv: Venv) -> list[str]:
    """What is there, and listed nowhere else than in RECORD."""
    found = sorted(
        str(path.relative_to(venv.site_packages))
        for path in venv.site_packages.rglob("*")
        if path.is_file() and ".dist-info" not in path.parent.name
    )
    listed = sorted(
        name
        for each in read_distributions(venv.site_packages)
        for name in each.files
        if ".dist-info/" not in name
    )
    assert found == listed
    return found


def suites(venv: Venv) -> tuple[str, ...]:
    names = (x for each in read_distributions(venv.site_packages) for x in each.files)
    return find_suites(venv.site_packages, names)


def test_choices_are_read_each_once_in_one_order() -> None:
    assert parse_trim(["types", "Tests", "types"]) == (Trim.TESTS, Trim.TYPES)
    settings = read_settings({"SLUGKIT_TRIM": "po"}, {"SLUGKIT_TRIM": "tests, pycache"})
    assert settings.trim == (Trim.TESTS, Trim.PYCACHE)


def test_nothing_is_left_out_where_tests_run() -> None:
    assert read_settings({"SLUGKIT_TRIM": "tests", "INSTALL_TEST": "1"}, {}).trim == ()


def test_unknown_words_are_named_with_all_known_ones() -> None:
    with pytest.raises(UnknownTrimError) as caught:
        read_settings({"SLUGKIT_TRIM": "tests,doc,cache,doc"}, {})
    assert (caught.value.id, caught.value.exit_code) == ("settings::trim", 64)
    assert caught.value.text() == (
        "SLUGKIT_TRIM has words that we do not know\n\n"
        "Found: 'doc', 'cache'\n\n"
        "Use one or more of these, with commas between them:\n\n"
        "    tests    test suites of packages\n"
        "    pycache  bytecode (every process compiles what it imports)\n"
        "    types    type stubs (.pyi)\n"
        "    headers  C sources and headers, of packages and of Python\n"
        "    po       sources of translations (.po), whose .mo is used"
    )
    assert UnknownTrimError(("doc",)).text().startswith("SLUGKIT_TRIM has a word that we do not")


PANDAS = {
    "pandas/__init__.py": "",
    "pandas/testing.py": "def assert_frame_equal(): ...",
    "pandas/conftest.py": "path = os.path.join(here, 'tests', 'io')",
    "pandas/tests/__init__.py": "",
    "pandas/tests/io/test_csv.py": "from pandas.tests import x",
    "pandas/tests/io/data/a.csv": "1",
}


def test_a_test_suite_goes_with_its_data_and_its_directories(tmp_path: Path) -> None:
    venv = venv_of(tmp_path, pandas=PANDAS)
    assert suites(venv) == ("pandas/tests",)
    trim_venv(venv, (Trim.TESTS,))
    assert left(venv) == ["pandas/__init__.py", "pandas/conftest.py", "pandas/testing.py"]
    assert not (venv.site_packages / "pandas" / "tests").exists()


def test_a_directory_that_holds_no_tests_is_no_test_suite(tmp_path: Path) -> None:
    django = {"django/test/__init__.py": "", "django/test/client.py": "", "django/tests.py": ""}
    venv = venv_of(tmp_path, django=django)
    assert suites(venv) == ()


def test_what_a_distribution_is_imported_by_is_no_test_suite(tmp_path: Path) -> None:
    venv = venv_of(tmp_path, careless={"tests/test_a.py": "", "test/test_b.py": ""})
    assert suites(venv) == ()


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("a/b/__init__.py", "from .tests.runner import Runner"),
        ("a/b/__init__.py", "from . import x, tests"),
        ("a/b/deep/x.py", "from .. import (\n    core,\n    tests,\n)"),
        ("a/b/x.py", "try:\n    from a.b.tests import y\nexcept ImportError:\n    pass"),
        ("c/x.py", "import os, a.b.tests.util as util"),
        ("c/x.py", "from a.b import tests"),
        ("c/x.py", "module = import_module('a.b.tests.util')"),
        ("c/x.py", 'entry = "a.b.tests:main"'),
        ("a/b/x.py", "DATA = os.path.join(HERE, 'tests', 'data.csv')"),
        ("a/b/x.py", "DATA = HERE / 'tests' / 'data.csv'"),
        ("a/b/x.py", "DATA = 'tests/data.csv'"),
        ("c-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = a.b.tests.runner:main\n"),
    ],
)
def test_a_test_suite_that_something_needs_stays(tmp_path: Path, module: str, text: str) -> None:
    files = {"a/b/tests/test_x.py": "", "a/b/tests/util.py": "", "a/tests/test_y.py": ""}
    venv = venv_of(tmp_path, a=files, c={module: text})
    assert suites(venv) == ("a/tests",)


@pytest.mark.parametrize(
    "text",
    ["# as in a.b.tests.util", "from a.b import latest", "import a.b.tests_of", "x = 'tests'"],
)
def test_a_word_alone_needs_nothing(tmp_path: Path, text: str) -> None:
    venv = venv_of(tmp_path, a={"a/b/tests/test_x.py": "", "a/b/x.py": text})
    assert suites(venv) == ("a/b/tests",)


def test_type_stubs_go_but_not_from_who_reads_them(tmp_path: Path) -> None:
    skimage = {"skimage/__init__.py": "lazy.attach_stub(__name__, __file__)"}
    venv = venv_of(
        tmp_path,
        numpy={"numpy/__init__.py": "# see `x.pyi`", "numpy/x.pyi": "", "numpy/py.typed": ""},
        skimage={**skimage, "skimage/__init__.pyi": "", "skimage/py.typed": ""},
        mypy={"mypy/build.py": 'path + ".pyi"', "mypy/typeshed/os.pyi": ""},
    )
    trim_venv(venv, (Trim.TYPES,))
    assert left(venv) == [
        "mypy/build.py", "mypy/typeshed/os.pyi", "numpy/__init__.py", "skimage/__init__.py",
        "skimage/__init__.pyi", "skimage/py.typed",
    ]  # fmt: skip


def test_sources_of_extensions_go_but_not_from_who_compiles_at_run_time(tmp_path: Path) -> None:
    venv = venv_of(
        tmp_path,
        lxml={"lxml/etree.so": "", "lxml/etree.pyx": "", "lxml/includes/x.h": "", "lxml/x.py": ""},
        cffi={"cffi/parse_c_type.h": ""},
        torch={"torch/include/ATen.h": ""},
    )
    trim_venv(venv, (Trim.HEADERS,))
    kept = ["cffi/parse_c_type.h", "lxml/etree.so", "lxml/x.py", "torch/include/ATen.h"]
    assert left(venv) == kept
    assert not (venv.site_packages / "lxml" / "includes").exists()


def test_only_translations_that_were_compiled_lose_their_source(tmp_path: Path) -> None:
    files = {"django/de/django.po": "", "django/de/django.mo": "", "django/own.po": ""}
    venv = venv_of(tmp_path, django=files)
    trim_venv(venv, (Trim.PO,))
    assert left(venv) == ["django/de/django.mo", "django/own.po"]


def test_metadata_and_what_lies_elsewhere_stay(tmp_path: Path) -> None:
    venv = venv_of(tmp_path, a={"a/x.py": "", "../../../share/a/tests/test_x.py": ""})
    info = venv.site_packages / "a-1.0.dist-info"
    before = (info / "RECORD").read_text()
    trim_venv(venv, tuple(Trim))
    assert (info / "RECORD").read_text() == before
    assert (info / "METADATA").is_file()


def test_a_file_that_other_links_share_is_only_removed_here(tmp_path: Path) -> None:
    venv = venv_of(tmp_path, pandas=PANDAS)
    test = venv.site_packages / "pandas/tests/io/test_csv.py"
    (tmp_path / "cached").hardlink_to(test)
    trim_venv(venv, (Trim.TESTS,))
    assert (tmp_path / "cached").read_text() == "from pandas.tests import x"


LIB = "lib/python3.13"


@pytest.mark.parametrize(
    ("choices", "gone"),
    [
        ((Trim.TESTS, Trim.TYPES, Trim.PO), set()),
        ((Trim.PYCACHE,), {f"{LIB}/__pycache__/os.pyc", f"{LIB}/a/__pycache__/b.pyc"}),
        ((Trim.HEADERS,), {"include/python3.13/Python.h", "include/python3.13/x/y.h"}),
    ],
)  # fmt: skip
def test_python_itself_has_bytecode_and_headers(
    tmp_path: Path, choices: tuple[Trim, ...], gone: set[str]
) -> None:
    names = {
        "include/python3.13/Python.h", "include/python3.13/x/y.h", f"{LIB}/os.py",
        f"{LIB}/__pycache__/os.pyc", f"{LIB}/a/__pycache__/b.pyc",
    }  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    trim_runtime(tmp_path, choices)
    there = {str(x.relative_to(tmp_path)) for x in tmp_path.rglob("*") if x.is_file()}
    assert there == names - gone
