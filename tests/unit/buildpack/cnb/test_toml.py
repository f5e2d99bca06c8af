"""cnb.toml: what we write, Python's own TOML reader understands."""

from __future__ import annotations

import tomllib

import pytest

from buildpack.cnb.toml import toml_table, toml_value

AWKWARD = ["", 'a "quoted" \\ word', "tab\tnew\nline", "\x7f\x01", "snowman ☃ and 🐍", "='#[]"]


@pytest.mark.parametrize("text", AWKWARD)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert tomllib.loads(f"x = {toml_value(text)}") == {"x": text}


def test_lists_and_booleans_come_back_as_they_were() -> None:
    text = f"a = {toml_value(AWKWARD)}\nb = {toml_value(True)}\nc = {toml_value(False)}"
    assert tomllib.loads(text) == {"a": AWKWARD, "b": True, "c": False}


def test_a_table_quotes_the_keys_that_need_it() -> None:
    text = toml_table("[metadata]", {"plain-key_1": "x", "a.b": "y", "ü": "z"})
    assert tomllib.loads(text) == {"metadata": {"plain-key_1": "x", "a.b": "y", "ü": "z"}}
