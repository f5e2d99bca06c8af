"""Names of no package: what a program imports, or what is part of Python itself."""

from __future__ import annotations

import sys

IMPORTED_AS = {
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "jose": "python-jose",
    "mysqldb": "mysqlclient",
    "pil": "pillow",
    "rest-framework": "djangorestframework",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Names seen in requirements files that an index does not have, or has as a warning."""

OF_SETUPTOOLS = frozenset({"distutils", "pkg-resources"})
"""Modules of it. On Heroku it is there with Python 3.12 and older."""


def likely_name(package: str) -> str:
    """What to write in place of ``package``, as a sentence or two; "" for what we do not know."""
    name = package.partition("==")[0].lower().replace("_", "-")
    if name == "pkg-resources":
        return (
            "There is no such package: Debian's pip freeze writes that line by mistake. Remove\n"
            "it. If your app imports pkg_resources, require setuptools<81."
        )
    if name == "python":
        return (
            "Python itself is no package: remove it from your requirements. Which Python your app\n"
            "gets is said in .python-version."
        )
    if advice := package_with(name):
        return advice
    if name.replace("-", "_") in {module.lower() for module in sys.stdlib_module_names}:
        return f"'{name}' is a part of Python itself: remove it from your requirements."
    return ""


def package_with(module: str) -> str:
    """Which package brings a module that is not installed; "" for what we do not know."""
    name = module.lower().replace("_", "-")
    if name in OF_SETUPTOOLS:
        return f"'{module}' is a part of setuptools: require setuptools<81."
    if name in IMPORTED_AS:
        right = IMPORTED_AS[name]
        return f"'{module}' is what a program imports. The package is called {right}: ask for that."
    return ""
