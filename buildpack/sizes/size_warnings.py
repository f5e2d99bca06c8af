"""What makes an app larger than it need be: GPU wheels, test suites, files that come twice.

Said from a size on that is worth a person's time. Known from what wheels list; nothing is hashed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from buildpack.records import Distribution
from buildpack.sizes.suites import find_suites, suite_files
from buildpack.sizes.trim import TRIM, Trim

MB = 1024 * 1024
"""As the table above the warnings counts."""
GPU_FROM = 200 * MB
SUITES_FROM, SUITES_PART, SUITES_LEAST = 20 * MB, 0.1, 5 * MB
LIBRARIES_FROM = 40 * MB
"""More than numpy and scipy bring twice: nobody can do anything about those."""
SAME_FILES_FROM = 5

GPU_PACKAGE = re.compile(
    r"nvidia-.*|triton|torch|torchvision|torchaudio|tensorflow|jaxlib|jax-cuda.*|cupy.*"
    r"|onnxruntime-gpu|tensorflow-gpu"
)
GPU_PROOF = re.compile(r"nvidia-.*|jax-cuda.*|cupy-.*|onnxruntime-gpu|tensorflow-gpu")
"""Without one of these it is the build for CPUs, however large."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WITHOUT_GPU: Mapping[str, str] = {
    "torch": "PyTorch without them is a tenth of the size. It comes from an index of its own:\n\n"
    f"    requirements.txt  --extra-index-url {CPU_INDEX}\n"
    "                      (as its first line, and a version such as torch==2.9.0+cpu)\n"
    f"    uv                uv add torch --index pytorch-cpu={CPU_INDEX}\n"
    f"    Poetry            poetry source add --priority explicit pytorch-cpu {CPU_INDEX}",
    "tensorflow": "Instead of tensorflow, require tensorflow-cpu.",
    "jaxlib": "Instead of jax[cuda12], require jax.",
    "onnxruntime-gpu": "Instead of onnxruntime-gpu, require onnxruntime.",
}

LIBRARY = re.compile(
    r"(?:.*/)?(?P<name>lib[^/]+?)(?:-r\d+)?(?:-[0-9a-f]{7,})?(?:[-.][\d.]+)?\.so[.\d]*"
)
"""As auditwheel names what it puts into a wheel: libpng16-1de24b99.so.16.44.0"""

OPENBLAS = re.compile(r"lib(scipy_)?openblas.*")
"""Wheels of numpy and scipy have it under names of their own."""


def size_warnings(site_packages: Path, found: Sequence[Distribution]) -> tuple[str, ...]:
    """Everything worth saying, what can be saved first."""
    notices = (
        gpu_warning(found),
        same_files_warning(found),
        suites_warning(site_packages, found),
        libraries_warning(found),
    )
    return tuple(notice for notice in notices if notice)


def gpu_warning(found: Collection[Distribution]) -> str:
    """Packages for graphics cards, and how to do without; '' where there are none of weight."""
    sizes = {each.name: each.size for each in found if GPU_PACKAGE.fullmatch(each.name)}
    total = sum(sizes.values())
    if total < GPU_FROM or not any(map(GPU_PROOF.fullmatch, sizes)):
        return ""
    advice = "\n\n".join(text for name, text in WITHOUT_GPU.items() if name in sizes)
    return (
        f"{total / MB:,.0f} MB of your packages are for graphics cards\n\n{_listing(sizes)}\n\n"
        f"Most containers have none. {advice or 'Remove what your app does not import.'}"
    )


def same_files_warning(found: Collection[Distribution]) -> str:
    """Distributions that install the same files: which one won is chance."""
    pairs = [
        (one, other, shared)
        for one, other in combinations(found, 2)
        if len(shared := _shared(one, other)) >= SAME_FILES_FROM
    ]
    if not pairs:
        return ""
    listing = "\n".join(
        f"  {one.name} and {other.name}: {len(shared)} files, such as {min(shared)}"
        for one, other, shared in pairs
    )
    return (
        f"Some of your packages install the same files\n\n{listing}\n\n"
        "Only one of the two is there in the end. Keep the one your app needs (for a server\n"
        "that is opencv-python-headless, and psycopg2-binary where nothing is compiled)."
    )


def _shared(one: Distribution, other: Distribution) -> frozenset[str]:
    names = one.files.keys() & other.files.keys()
    return frozenset(
        name for name in names if name.endswith((".py", ".so")) and not name.startswith("..")
    )


def suites_warning(site_packages: Path, found: Collection[Distribution]) -> str:
    """How much SLUGKIT_TRIM=tests would save."""
    total = sum(each.size for each in found)
    guess = sum(
        size
        for each in found
        for name, size in each.files.items()
        if "/tests/" in name or "/test/" in name
    )
    if not _is_worth_saying(guess, total):
        return ""  # Nearly always; who needs which suite takes longer to find out.
    suites = find_suites(site_packages, (name for each in found for name in each.files))
    sizes = {
        each.name: sum(each.files[name] for name in suite_files(each.files, suites))
        for each in found
    }
    saved = sum(sizes.values())
    if not _is_worth_saying(saved, total):
        return ""
    return (
        f"{saved / MB:,.0f} MB of your packages are their own test suites\n\n"
        f"{_listing(sizes, shown=3)}\n\n"
        f"Your app does not need them. This config var leaves them out:\n\n    {TRIM}={Trim.TESTS}"
    )


def _is_worth_saying(size: int, total: int) -> bool:
    return size >= SUITES_FROM or (size >= SUITES_LEAST and size >= SUITES_PART * total)


def libraries_warning(found: Collection[Distribution]) -> str:
    """Shared libraries that more than one wheel brings along."""
    sizes: dict[str, dict[str, int]] = {}
    for each in found:
        for library, size in _libraries(each):
            by_package = sizes.setdefault(library, {})
            by_package[each.name] = by_package.get(each.name, 0) + size
    twice = {name: found for name, found in sizes.items() if len(found) > 1}
    extra = {name: sum(found.values()) - max(found.values()) for name, found in twice.items()}
    total = sum(extra.values())
    if total < LIBRARIES_FROM:
        return ""
    largest = sorted(extra, key=lambda name: (-extra[name], name))[:5]
    listing = "\n".join(
        f"  {name}: " + ", ".join(f"{p} {_megabytes(s)}" for p, s in sorted(twice[name].items()))
        for name in largest
    )
    return (
        f"{total / MB:,.0f} MB of shared libraries come with more than one package\n\n{listing}\n\n"
        "Wheels cannot share what they bring. Remove the packages that your app does not\n"
        "import, and take smaller ones where there are any."
    )


def _libraries(distribution: Distribution) -> Iterator[tuple[str, int]]:
    for path, size in distribution.files.items():
        if ".so" in path and (match := LIBRARY.fullmatch(path)):
            name = match["name"]
            if ".cpython-" not in name and ".abi3" not in name:
                yield "libopenblas" if OPENBLAS.fullmatch(name) else name, size


def _listing(sizes: Mapping[str, int], *, shown: int = 10) -> str:
    largest = sorted(((-size, name) for name, size in sizes.items() if size))[:shown]
    return "\n".join(f"  {_megabytes(-size):>9}  {name}" for size, name in largest)


def _megabytes(size: int) -> str:
    return f"{size / MB:,.0f} MB"
