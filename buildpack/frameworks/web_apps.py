"""Where an app is made: the file and the name, or the factory, that a web server is told.

As `flask` and `fastapi` find it themselves, but in the syntax tree: nothing of the app is run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from pathlib import Path

from buildpack.frameworks.python_source import assignments, dotted_name, parse_source, top_level
from buildpack.support.values import value
from buildpack.venv import Venv

WSGI, ASGI = "WSGI", "ASGI"

FRAMEWORKS = {
    "flask": ("Flask", WSGI),
    "fastapi": ("FastAPI", ASGI),
    "starlette": ("Starlette", ASGI),
}
"""By import name: the class of an app, and how servers talk to it."""

ENTRY_FILES = (
    # Where `flask` looks, and WSGI and ASGI servers by custom.
    "wsgi.py",
    "asgi.py",
    # Where `flask` and `fastapi` look.
    "app.py",
    "main.py",
    "api.py",
    "server.py",
    "application.py",
    "app/__init__.py",
    "app/main.py",
    "app/app.py",
    "app/api.py",
)
"""In this order; the first that holds an app decides."""

APP_NAMES = ("app", "application", "api")
FACTORY_NAMES = ("create_app", "make_app")
"""As ``flask`` has them, and in its order."""

BY_CUSTOM = {"wsgi.py": WSGI, "asgi.py": ASGI}
"""Files whose `application` or `app` is one for a server, wherever it was made."""


@value
class AppObject:
    """What a server is told to serve: ``module:name``, or a factory that gives it."""

    target: str
    file: str
    interface: str
    framework: str
    is_factory: bool = False


def find_app(root: Path, venv: Venv) -> AppObject | None:
    """The app in the first entry file that has one, of a framework that is installed."""
    installed = {name for name in FRAMEWORKS if has_module(venv, name)}
    if not installed:
        return None
    for name in (*ENTRY_FILES, *_only_package(root)):
        if name.endswith("/__init__.py") or not (root / name[:-3] / "__init__.py").is_file():
            tree = parse_source(root / name)
            if tree and (found := _app_in(tree, name, installed)):
                return found
    return None


def has_module(venv: Venv, name: str) -> bool:
    return (venv.site_packages / name / "__init__.py").is_file()


def _only_package(root: Path) -> tuple[str, ...]:
    """The app's package, if it has just one that is not for tests."""
    found = sorted(
        path.parent.name
        for path in root.glob("*/__init__.py")
        if path.parent.name not in {"app", "tests", "test", "migrations", "docs", "scripts"}
        and path.parent.name.isidentifier()
    )
    if len(found) != 1:
        return ()
    return tuple(f"{found[0]}/{name}" for name in ("__init__.py", "app.py", "main.py"))


def _app_in(tree: ast.Module, file: str, installed: Set[str]) -> AppObject | None:
    """The app a module makes: by its usual name, the only one, or through a factory."""
    classes = _framework_classes(tree, installed)
    made: dict[str, str] = {}
    bound: set[str] = set()
    for node in top_level(tree.body):
        for name, assigned in assignments(node):
            bound.add(name)
            if framework := _made_by(assigned, classes, installed):
                made[name] = framework
            elif not _wraps(assigned, name):
                made.pop(name, None)
        if isinstance(node, ast.ImportFrom):
            bound.update(alias.asname or alias.name for alias in node.names)
    for name in APP_NAMES:
        if name in made:
            return _object(file, name, made[name])
    if len(made) == 1:
        name, framework = next(iter(made.items()))
        return _object(file, name, framework)
    return _by_custom(file, bound, installed) or _factory_in(tree, file, classes, installed)


def _made_by(value: ast.expr, classes: Mapping[str, str], installed: Set[str]) -> str:
    """The framework whose app an expression makes: ``Flask(...)``, or a usual factory's name."""
    if not isinstance(value, ast.Call):
        return ""
    called = dotted_name(value.func)
    if called.rpartition(".")[2] in FACTORY_NAMES and len(installed) == 1:
        return min(installed)
    return classes.get(called, "")


def _wraps(value: ast.expr, name: str) -> bool:
    """``app = Middleware(app)`` is still an app."""
    arguments = value.args if isinstance(value, ast.Call) else []
    return any(isinstance(argument, ast.Name) and argument.id == name for argument in arguments)


def _by_custom(file: str, bound: Set[str], installed: Set[str]) -> AppObject | None:
    interface = BY_CUSTOM.get(file)
    possible = [name for name in sorted(installed) if FRAMEWORKS[name][1] == interface]
    for name in ("application", "app"):
        if name in bound and possible:
            return _object(file, name, possible[0])
    return None


def _factory_in(
    tree: ast.Module, file: str, classes: Mapping[str, str], installed: Set[str]
) -> AppObject | None:
    """A function of a usual name that makes an app and needs no arguments."""
    functions = {
        node.name: node for node in top_level(tree.body) if isinstance(node, ast.FunctionDef)
    }
    for name in FACTORY_NAMES:
        function = functions.get(name)
        if function is None or not _needs_no_arguments(function.args):
            continue
        inner = {**classes, **_framework_classes(function, installed)}
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and (called := dotted_name(node.func)) in inner:
                return _object(file, name, inner[called], is_factory=True)
    return None


def _needs_no_arguments(arguments: ast.arguments) -> bool:
    positional = [*arguments.posonlyargs, *arguments.args]
    return len(arguments.defaults) == len(positional) and None not in arguments.kw_defaults


def _object(file: str, name: str, framework: str, *, is_factory: bool = False) -> AppObject:
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    shown, interface = FRAMEWORKS[framework]
    return AppObject(
        target=f"{module}:{name}",
        file=file,
        interface=interface,
        framework=shown,
        is_factory=is_factory,
    )


def _framework_classes(tree: ast.AST, installed: Set[str]) -> dict[str, str]:
    """The names by which a module calls the classes of apps: ``Flask``, ``flask.Flask``."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.partition(".")[0]
                if package in installed:
                    class_name = FRAMEWORKS[package][0]
                    found[f"{alias.asname or alias.name}.{class_name}"] = package
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            package = node.module.partition(".")[0]
            for alias in node.names:
                if package in installed and alias.name == FRAMEWORKS[package][0]:
                    found[alias.asname or alias.name] = package
    return found
