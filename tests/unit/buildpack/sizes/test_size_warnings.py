"""size_warnings: said with sizes and what to do, and not at all where little can be saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.records import Distribution
from buildpack.sizes.size_warnings import (
    MB,
    gpu_warning,
    libraries_warning,
    same_files_warning,
    size_warnings,
    suites_warning,
)


def package(name: str, **megabytes: float) -> Distribution:
    """``a__b_so`` is a/b.so."""
    files = {
        path.replace("__", "/").replace("_so", ".so").replace("_py", ".py"): int(size * MB)
        for path, size in megabytes.items()
    }
    return Distribution(name=name, version="1.0", record=Path(name), files=files)


FLASK = package("flask", flask__app_py=1)
TORCH = package("torch", torch__lib_so=900)


def test_packages_for_graphics_cards_come_with_the_way_to_do_without() -> None:
    assert gpu_warning([TORCH, package("nvidia-cublas-cu12", nvidia__x_so=600), FLASK]) == (
        "1,500 MB of your packages are for graphics cards\n\n"
        "     900 MB  torch\n     600 MB  nvidia-cublas-cu12\n\n"
        "Most containers have none. PyTorch without them is a tenth of the size. It comes from an"
        " index of its own:\n\n"
        "    requirements.txt  --extra-index-url https://download.pytorch.org/whl/cpu\n"
        "                      (as its first line, and a version such as torch==2.9.0+cpu)\n"
        "    uv                uv add torch --index"
        " pytorch-cpu=https://download.pytorch.org/whl/cpu\n"
        "    Poetry            poetry source add --priority explicit pytorch-cpu"
        " https://download.pytorch.org/whl/cpu"
    )


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("tensorflow", "Instead of tensorflow, require tensorflow-cpu."),
        ("jaxlib", "Instead of jax[cuda12], require jax."),
        ("onnxruntime-gpu", "Instead of onnxruntime-gpu, require onnxruntime."),
        ("cupy-cuda12x", "Remove what your app does not import."),
    ],
)
def test_every_library_has_an_advice_of_its_own(name: str, advice: str) -> None:
    found = [package(name, x__lib_so=400), package("nvidia-cudnn-cu12", nvidia__x_so=600)]
    assert gpu_warning(found).endswith(f"\n\nMost containers have none. {advice}")


def test_builds_for_processors_and_small_ones_are_nobodys_business() -> None:
    assert gpu_warning([TORCH]) == ""
    assert gpu_warning([package("nvidia-ml-py", pynvml_py=1)]) == ""


def suite(root: Path, name: str, megabytes: float, rest: float) -> Distribution:
    return Distribution(
        name=name,
        version="1.0",
        record=root / name,
        files={f"{name}/tests/test_x.py": int(megabytes * MB), f"{name}/x.py": int(rest * MB)},
    )


def test_test_suites_come_with_what_leaves_them_out(tmp_path: Path) -> None:
    found = [suite(tmp_path, "pandas", 15, 300), suite(tmp_path, "numpy", 6.6, 300), FLASK]
    assert suites_warning(tmp_path, found) == (
        "22 MB of your packages are their own test suites\n\n"
        "      15 MB  pandas\n       7 MB  numpy\n\n"
        "Your app does not need them. This config var leaves them out:\n\n    SLUGKIT_TRIM=tests"
    )


@pytest.mark.parametrize(
    ("megabytes", "rest", "is_said"),
    [(20, 1000, True), (19, 1000, False), (6, 50, True), (4, 10, False), (6, 100, False)],
)
def test_small_savings_are_not_worth_a_warning(
    tmp_path: Path, megabytes: float, rest: float, is_said: bool
) -> None:
    assert bool(suites_warning(tmp_path, [suite(tmp_path, "a", megabytes, rest)])) is is_said


def test_a_suite_that_cannot_go_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text("from a.tests import test_x")
    assert suites_warning(tmp_path, [suite(tmp_path, "a", 30, 1)]) == ""


def test_libraries_of_several_wheels_are_known_without_their_hashes() -> None:
    found = [
        package("numpy", **{"numpy.libs/libscipy_openblas64_-32a4b2a6_so": 25}),
        package("scipy", **{"scipy.libs/libscipy_openblas-6cdc3b4a_so": 24}),
        package(
            "opencv-python",
            **{
                "opencv_python.libs/libopenblasp-r0-59ffcd50.3.15_so": 37,
                "opencv_python.libs/libpng16-8e2c1c9a_so.16.44.0": 1,
            },
        ),
        package("pillow", **{"pillow.libs/libpng16-4a38ea05_so.16.53.0": 0.5}),
    ]
    assert libraries_warning(found) == (
        "50 MB of shared libraries come with more than one package\n\n"
        "  libopenblas: numpy 25 MB, opencv-python 37 MB, scipy 24 MB\n"
        "  libpng16: opencv-python 1 MB, pillow 0 MB\n\n"
        "Wheels cannot share what they bring. Remove the packages that your app does not\n"
        "import, and take smaller ones where there are any."
    )


def test_what_nobody_can_change_is_not_told() -> None:
    numpy = package("numpy", **{"numpy.libs/libscipy_openblas64_-32a4b2a6_so": 25})
    scipy = package("scipy", **{"scipy.libs/libscipy_openblas-6cdc3b4a_so": 24})
    assert libraries_warning([numpy, scipy]) == ""


def test_extension_modules_of_one_name_are_no_library() -> None:
    name = "lib.cpython-311-x86_64-linux-gnu_so"
    pandas, pyarrow = package("pandas", **{f"p/{name}": 50}), package("a", **{f"a/{name}": 50})
    assert libraries_warning([pandas, pyarrow]) == ""


def test_distributions_that_overwrite_each_other_are_named(tmp_path: Path) -> None:
    files = {f"cv2__x{number}_py": 0.01 for number in range(5)}
    found = [FLASK, package("opencv-python", **files), package("opencv-python-headless", **files)]
    assert size_warnings(tmp_path, found) == (
        "Some of your packages install the same files\n\n"
        "  opencv-python and opencv-python-headless: 5 files, such as cv2/x0.py\n\n"
        "Only one of the two is there in the end. Keep the one your app needs (for a server\n"
        "that is opencv-python-headless, and psycopg2-binary where nothing is compiled).",
    )


def test_a_namespace_that_two_distributions_share_is_in_order() -> None:
    found = [package(name, google____init___py=0.1) for name in ("google-a", "google-b")]
    assert same_files_warning(found) == ""
