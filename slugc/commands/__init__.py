"""The commands of ``slugc``: one file each, named after its command, holding ``command``.

A file is imported when its command is called, or the help of all is asked for. A name that is a
word of Python ends in an underscore: ``import_.py`` is ``slugc import``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 90}


def command_files() -> Mapping[str, str]:
    """The name of each command, and its file's."""
    files = (module.name for module in pkgutil.iter_modules(__path__))
    return {name.removesuffix("_").replace("_", "-"): name for name in files}
