"""Makes ``import packaging`` work: it is a build tool like any other, and may have to be fetched.

Most builds never need it: what is common in requirements and versions is read without. So it is
fetched by the first import that asks for it, not before.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildpack.tools import ToolBox

NAME = "packaging"


class PackagingFinder:
    """Comes after Python's own finders: an installed ``packaging`` is used where there is one."""

    def __init__(self, tools: ToolBox) -> None:
        self.tools = tools

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where ``packaging`` is, fetched if need be; None for every other module."""
        if fullname != NAME:
            return None
        return PathFinder.find_spec(NAME, [str(self.tools.ensure(NAME))], target)


def make_packaging_importable(tools: ToolBox) -> None:
    """Let ``packaging`` be imported from the tools, unless Python has it."""
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, PackagingFinder)]
    sys.meta_path.append(PackagingFinder(tools))
