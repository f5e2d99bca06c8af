"""Editable installs point at the app by its full path; here they learn to point relatively."""

from __future__ import annotations

import re
from pathlib import Path

from buildpack.support import files
from buildpack.venv import Venv, record_again


def make_editables_movable(venv: Venv, build_dir: Path, way_to_app: str) -> None:
    """Rewrite every .pth file and every setuptools finder that names ``build_dir``.

    ``way_to_app`` leads from site-packages to where ``build_dir``'s content is when it runs.
    """
    root, rewritten = str(build_dir), []
    for pattern, rewrite in (
        ("*.pth", relative_pth),
        ("__editable__*_finder.py", relative_finder),
    ):
        for path in sorted(venv.site_packages.glob(pattern)):
            text = path.read_text("utf-8")
            if root in text:
                files.write_whole(path, rewrite(text, root, way_to_app))
                rewritten.append(path)
    record_again(venv, rewritten)


def relative_pth(text: str, root: str, way_to_app: str) -> str:
    """``site`` takes a relative line from the directory the file is in."""
    pattern = re.compile(rf"^{re.escape(root)}(?=/|$)", re.MULTILINE)
    return pattern.sub(lambda _: way_to_app, text)


def relative_finder(text: str, root: str, way_to_app: str) -> str:
    """String literals below ``root`` become expressions that start from the file itself."""
    here = f"__import__('os').path.normpath(__file__ + '/../{way_to_app}')"
    pattern = re.compile(rf"(['\"]){re.escape(root)}((?:/[^'\"]*)?)\1")
    return pattern.sub(lambda match: f"{here} + {match[2]!r}", text)
