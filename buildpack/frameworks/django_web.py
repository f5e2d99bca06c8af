"""What serves a Django app: its settings name the application, manage.py names the settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from buildpack.frameworks.python_source import assignments, parse_source, top_level
from buildpack.frameworks.web_apps import ASGI, WSGI, AppObject

MOST_MODULES = 20
"""Of settings that import each other; each is read once."""
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def find_django(root: Path, manage_py: str) -> Iterator[AppObject]:
    """The applications of the Django project of ``manage_py``, the first choice first."""
    base = (root / manage_py).parent
    found = read_settings(base, settings_module(base / "manage.py"))
    for setting, interface in (("WSGI_APPLICATION", WSGI), ("ASGI_APPLICATION", ASGI)):
        module, _, name = found.get(setting, "").rpartition(".")
        if name.isidentifier() and _is_module(base, module):
            yield _django(f"{module}:{name}", manage_py, interface)
    modules = sorted(path.parent.name for path in base.glob("*/wsgi.py"))
    if len(modules) == 1 and MODULE.fullmatch(modules[0]):
        yield _django(f"{modules[0]}.wsgi:application", manage_py, WSGI)


def _django(target: str, manage_py: str, interface: str) -> AppObject:
    return AppObject(target=target, file=manage_py, interface=interface, framework="Django")


def _is_module(base: Path, module: str) -> bool:
    if not MODULE.fullmatch(module):
        return False
    path = base / module.replace(".", "/")
    return Path(f"{path}.py").is_file() or (path / "__init__.py").is_file()


def settings_module(manage_py: Path) -> str:
    """The default of DJANGO_SETTINGS_MODULE in manage.py."""
    for node in ast.walk(parse_source(manage_py) or ast.Module(body=[], type_ignores=[])):
        if isinstance(node, ast.Call) and len(node.args) == 2:
            name, value = (getattr(argument, "value", None) for argument in node.args)
            if name == "DJANGO_SETTINGS_MODULE" and isinstance(value, str):
                return value
    return ""


def read_settings(
    base: Path, module: str, read: dict[str, dict[str, str]] | None = None
) -> dict[str, str]:
    """The plain strings among a settings module's names; ``from .base import *`` is followed.

    ``read`` has what was found in modules before.
    """
    read = {} if read is None else read
    if module in read or len(read) == MOST_MODULES:
        return read.get(module, {})
    found = read[module] = {}
    path = base / module.replace(".", "/")
    is_package = (path / "__init__.py").is_file()
    tree = parse_source(path / "__init__.py" if is_package else Path(f"{path}.py"))
    if tree is None or not MODULE.fullmatch(module):
        return found
    for node in top_level(tree.body):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            imported = _absolute(module, node, is_package=is_package)
            found |= read_settings(base, imported, read)
        for name, value in assignments(node):
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[name] = value.value
    return found


def _absolute(module: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    """The dotted name of what ``from .base import *`` in ``module`` means."""
    parents = module.split(".") if is_package else module.split(".")[:-1]
    package = parents[: len(parents) - node.level + 1] if node.level else []
    return ".".join([*package, *([node.module] if node.module else [])])
