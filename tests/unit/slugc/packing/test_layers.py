"""A built tree falls into runtime, dependencies and app."""

from __future__ import annotations

from pathlib import Path

from slugc.archive.limits import DEFAULT_LIMITS
from slugc.archive.scan import scan_tree
from slugc.packing.layers import plan_layers
from tests.unit.slugc.trees import make_tree


def layers_of(tree: Path) -> dict[str, list[str]]:
    return {
        plan.name: [b"/".join(entry.path).decode() for entry in plan.entries]
        for plan in plan_layers(scan_tree(tree, DEFAULT_LIMITS))
    }


def test_python_app_has_three_layers(tmp_path: Path) -> None:
    assert layers_of(make_tree(tmp_path)) == {
        "runtime": [
            ".heroku",
            ".heroku/python",
            ".heroku/python/bin",
            ".heroku/python/bin/python3.13",
            ".heroku/python/lib",
            ".heroku/python/lib/os.py",
        ],
        "dependencies": [
            ".heroku",
            ".heroku/venv",
            ".heroku/venv/bin",
            ".heroku/venv/bin/python",
            ".heroku/venv/lib",
            ".heroku/venv/lib/flask.py",
            ".heroku/venv/pyvenv.cfg",
        ],
        "app": [".heroku", ".profile.d", ".profile.d/python.sh", "Procfile", "app.py"],
    }


def test_several_directories_share_a_layer(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"node_modules/a": "x", "vendor/bundle/b": "x", "vendor/c": "x"})
    assert layers_of(tree) == {
        "dependencies": [
            "node_modules",
            "node_modules/a",
            "vendor",
            "vendor/bundle",
            "vendor/bundle/b",
        ],
        "app": ["vendor", "vendor/c"],
    }


def test_only_the_top_one_counts(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"packages/a/node_modules/b": "x"})
    assert list(layers_of(tree)) == ["app"]


def test_link_of_that_name_is_the_app(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"lib/a": "x"})
    (tree / "node_modules").symlink_to("lib")
    assert list(layers_of(tree)) == ["app"]


def test_name_that_only_begins_alike_is_the_app(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, {"node_modules2/a": "x", ".heroku/python-extra/b": "x"})
    assert list(layers_of(tree)) == ["app"]


def test_empty_tree_is_an_app(tmp_path: Path) -> None:
    assert layers_of(tmp_path) == {"app": []}
