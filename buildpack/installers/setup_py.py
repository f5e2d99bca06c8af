"""setup.py or setup.cfg alone: the app is a package, installed as ``pip install -e .`` would."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Mapping

from buildpack.app import App
from buildpack.frameworks.python_source import LARGEST_SOURCE
from buildpack.installers.base import Dependencies, Install, OnLine, PythonRequirement
from buildpack.installers.built_in_place import building_in_place
from buildpack.installers.locks.project_file import PYPROJECT
from buildpack.installers.pyproject import SETUP_FILES, editable
from buildpack.installers.requirements import install_requirements
from buildpack.package_manager import PackageManager
from buildpack.settings import BuildSettings
from buildpack.support.errors import SlugkitError
from buildpack.versions.python_specifier import SpecifierError, parse_specifier

NOT_LOCKED = (
    "{source} says which packages your app needs, not in which versions.\n\n"
    "A later build may install newer ones. To keep those that work, write them\n"
    "down and commit the file, which is then installed instead:\n\n"
    "    pip freeze --exclude-editable > requirements.txt\n    echo '-e .' >> requirements.txt"
)


class SetupCfgAloneError(SlugkitError):
    """A package described by setup.cfg, which no installer reads by itself."""

    id = "package-manager::setup-cfg-only"

    def __init__(self) -> None:
        super().__init__(
            "Your app has a setup.cfg, but no pyproject.toml or setup.py",
            details="setup.cfg says what setuptools is to install. Nothing says that setuptools\n"
            "is to be asked, and pip and uv do not install such a directory.",
            resolution="Add a pyproject.toml to the root directory, with these two lines:\n\n"
            '    [build-system]\n    requires = ["setuptools"]',
        )


def read(app: App, settings: BuildSettings, env: Mapping[str, str]) -> Dependencies:
    """What can be told about the package without running its code."""
    names = tuple(name for name in (*SETUP_FILES, PYPROJECT) if name in app.names())
    if not {"setup.py", PYPROJECT}.intersection(names):
        raise SetupCfgAloneError
    source = names[0]
    return Dependencies(
        manager=PackageManager.SETUP_PY,
        listed=("-e .",),
        source=source,
        inputs={name: app.read_bytes(name) for name in names},
        local_paths=(".",),
        options=editable(settings.extras),
        requires_python=_requires_python(app, names),
        warnings=(NOT_LOCKED.format(source=source),),
        facts={"extras": ",".join(settings.extras)},
    )


def _requires_python(app: App, names: tuple[str, ...]) -> tuple[PythonRequirement, ...]:
    readers = {"setup.py": python_of_setup_py, "setup.cfg": python_of_setup_cfg}
    return tuple(
        PythonRequirement(specifier=specifier, origin=f"{name} (python_requires)")
        for name in names
        if name in readers and (specifier := readers[name](app.read_text(name)))
    )


def python_of_setup_py(text: str) -> str:
    """The literal ``python_requires`` of a call; "" where there is none, or it is computed."""
    if len(text) > LARGEST_SOURCE:
        return ""  # A syntax tree takes a hundred times the memory of its text.
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # Python itself says so when the package is built, with file and line.
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    keywords = (keyword for call in calls for keyword in call.keywords)
    values = (k.value for k in keywords if k.arg == "python_requires")
    literals = (v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str))
    return _specifier(next(literals, ""))


def python_of_setup_cfg(text: str) -> str:
    """``python_requires`` of [options]."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return ""  # setuptools says so when the package is built.
    return _specifier(parser.get("options", "python_requires", fallback="").strip())


def _specifier(text: str) -> str:
    try:
        parse_specifier(text)
    except SpecifierError:
        return ""  # As above: whoever builds it says it better.
    return text


def install(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """``uv pip install -e .``"""
    arguments = dependencies.options
    title = f"uv pip install {' '.join(arguments)}"
    with building_in_place(dependencies, install) as ready:
        install_requirements(ready, on_line, arguments=arguments, title=title)
