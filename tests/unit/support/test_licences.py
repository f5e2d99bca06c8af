"""licences: what a distribution says is told as the standard has it, and never as more."""

from __future__ import annotations

import importlib.resources
import json

import pytest

from buildpack.support.licences import SPDX, licences

MIT = "License :: OSI Approved :: MIT License"
BSD = "License :: OSI Approved :: BSD License"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, []),
        ({"license-expression": ("MIT OR Apache-2.0",)}, [{"expression": "MIT OR Apache-2.0"}]),
        (
            {"license-expression": ("(MIT AND BSD-3-Clause) OR LicenseRef-x",)},
            [{"expression": "(MIT AND BSD-3-Clause) OR LicenseRef-x"}],
        ),
        ({"license-expression": ("see LICENSE",)}, [{"license": {"name": "see LICENSE"}}]),
        ({"license-expression": ("(MIT",)}, [{"license": {"name": "(MIT"}}]),
        ({"license-expression": ("MIT",), "license": ("BSD",)}, [{"expression": "MIT"}]),
        ({"license": ("Expat",), "classifier": (MIT,)}, [{"license": {"id": "MIT"}}]),
        (
            {"license": ("BSD-3-Clause",), "classifier": (BSD,)},
            [{"license": {"id": "BSD-3-Clause"}}],
        ),
        ({"license": ("Mine",), "classifier": (BSD,)}, [{"license": {"name": "Mine"}}]),
        ({"license": ("UNKNOWN",), "classifier": (BSD,)}, [{"license": {"name": "BSD License"}}]),
        ({"license": ("a\nb",), "classifier": (BSD, BSD)}, [{"license": {"name": "BSD License"}}]),
        ({"classifier": ("License :: OSI Approved", "Topic :: X")}, []),
        ({"license": ("x" * 81,)}, []),
    ],
)
def test_expression_then_classifier_then_name(
    headers: dict[str, tuple[str, ...]], wanted: list[object]
) -> None:
    assert licences(headers) == wanted


def test_every_id_is_one_of_the_standards() -> None:
    schema = importlib.resources.files("cyclonedx.schema._res") / "spdx.SNAPSHOT.schema.json"
    assert set(SPDX.values()) <= set(json.loads(schema.read_text())["enum"])
