"""A copied Python is started once: one that does not work is told as such, and not delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpack.runtime.build import prove
from buildpack.runtime.errors import RuntimeBrokenError
from buildpack.versions.python_version import PythonVersion

VERSION = PythonVersion(major=3, minor=13, patch=1)


def answering(tmp_path: Path, script: str) -> Path:
    program = tmp_path / "bin" / "python3.13"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    return tmp_path


def test_one_that_works_is_delivered(tmp_path: Path) -> None:
    prove(answering(tmp_path, f'#!/bin/sh\necho \'["3.13.1", "{tmp_path}"]\'\n'), VERSION)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "#!/bin/sh\necho Traceback >&2\necho 'ImportError: no _ssl' >&2\nexit 1\n",
            "ImportError: no _ssl",
        ),
        (
            '#!/bin/sh\necho \'["3.12.0", "/usr"]\'\n',
            "the copy says it is Python 3.12.0 in /usr",
        ),
        ("#!/bin/sh\necho hello\n", "Expecting value: line 1 column 1 (char 0)"),
        ("\x7fELF of another processor", "Exec format error"),
    ],
)
def test_one_that_does_not_work_says_why(script: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeBrokenError) as caught:
        prove(answering(tmp_path, script), VERSION)
    assert reason in caught.value.text()
