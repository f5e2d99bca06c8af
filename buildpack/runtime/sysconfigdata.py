"""Rewrites what Python remembers of how it was built, so that it names where it is, not was."""

from __future__ import annotations

import ast
import pprint
import re
from collections.abc import Mapping
from pathlib import Path

PLACEHOLDER = "@BASE@"

RPATH_FLAG = re.compile(r"(-Wl,-rpath[,=]|-Wl,-R,?|-Wl,--enable-new-dtags,-R)\S+\s*")
"""Would put the build machine's directories into every extension compiled with this Python."""

BUILD_TREE_KEYS = frozenset({"srcdir", "abs_srcdir", "abs_builddir", "VPATH", "CONFIG_ARGS"})
"""Describe a source tree that is long gone."""

TEMPLATE = """\
# system configuration generated and used by the sysconfig module
# Values under the installation directory are computed where this Python finds itself.
import sys

build_time_vars = {variables}

for _name, _value in build_time_vars.items():
    if isinstance(_value, str) and "{placeholder}" in _value:
        build_time_vars[_name] = _value.replace("{placeholder}", sys.base_prefix)
"""

DIRECTORY_KEY = re.compile(r".*(DIR|PY|DEST|SHARED|LIBPL|prefix|LIBDIRS?|LIB|dir|PREFIX)$")


def rewrite_sysconfigdata(file: Path, prefix: Path) -> None:
    """Replace ``prefix`` in every value by a placeholder that is filled at import."""
    variables = read_build_time_vars(file.read_text("utf-8"))
    rewritten = rewrite_variables(variables, str(prefix))
    text = pprint.pformat(rewritten, width=100)
    file.write_text(TEMPLATE.format(variables=text, placeholder=PLACEHOLDER), "utf-8")


def read_build_time_vars(source: str) -> Mapping[str, object]:
    """The dictionary in a ``_sysconfigdata`` module, read without running it."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "build_time_vars":
            value: dict[str, object] = ast.literal_eval(node.value)
            return value
    return {}


def rewrite_variables(variables: Mapping[str, object], prefix: str) -> dict[str, object]:
    """``variables`` with nothing left of where Python was built or installed."""
    source_trees = _source_trees(variables)
    rewritten: dict[str, object] = {}
    for name, value in sorted(variables.items()):
        if name in BUILD_TREE_KEYS:
            continue
        rewritten[name] = _rewrite(name, value, prefix, source_trees)
    return rewritten


def _rewrite(name: str, value: object, prefix: str, source_trees: tuple[str, ...]) -> object:
    if not isinstance(value, str):
        return value
    value = RPATH_FLAG.sub("", value)
    for tree in source_trees:
        value = value.replace(tree, ".")
    # /usr is everybody's prefix: there only directories of Python's own installation move.
    if prefix == "/usr" and not DIRECTORY_KEY.fullmatch(name):
        return value
    return re.sub(re.escape(prefix) + r"(?![\w.-])", PLACEHOLDER, value)


def _source_trees(variables: Mapping[str, object]) -> tuple[str, ...]:
    trees = {str(variables.get(key) or "") for key in ("abs_srcdir", "abs_builddir")}
    return tuple(sorted((tree for tree in trees if len(tree) > 4), key=len, reverse=True))
