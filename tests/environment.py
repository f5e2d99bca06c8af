"""What programs under test are given of the environment of the tests."""

from __future__ import annotations

import os

PLAIN = ("PATH", "HOME", "TMPDIR")


def given(*names: str) -> dict[str, str]:
    """Those of these variables that are set; without names, what any program is given."""
    return {name: os.environ[name] for name in names or PLAIN if name in os.environ}
