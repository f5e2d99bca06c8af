"""What bin/run-tests makes of tests that fail, with a pytest that is a script."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Its first run fails in the tests of FAILED, its second one ends with SECOND.
PYTEST = """\
#!/bin/bash
echo "$@" >> calls
if [ "$(wc -l < calls)" -gt 1 ]; then exit "$SECOND"; fi
mkdir -p .pytest_cache/v/cache
exec > .pytest_cache/v/cache/lastfailed
echo '{'; printf '  "%s": true,\\n' $FAILED | sed '$s/,$//'; echo '}'
exit "$FIRST"
"""
ALL = "-m pytest --numprocesses auto --maxprocesses 4 --dist loadfile tests -k x"
AGAIN = "-m pytest --last-failed --last-failed-no-failures none tests -k x"


SOURCED = "".join(f'. "{ROOT}/bin/lib/{name}.sh"; ' for name in ("setup", "run_tests"))


def run_tests(place: Path, *, first: int, failed: str, second: int = 0) -> tuple[int, str, str]:
    (place / "python").write_text(PYTEST)
    (place / "python").chmod(0o755)
    done = subprocess.run(
        ("bash", "-c", f'set -euo pipefail; root=.; {SOURCED} bin="{place}"; run_tests tests -k x'),
        cwd=place,
        env={**os.environ, "FIRST": str(first), "FAILED": failed, "SECOND": str(second)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr, (place / "calls").read_text()


def test_what_fails_once_is_run_again_alone_and_named_last(tmp_path: Path) -> None:
    code, said, calls = run_tests(tmp_path, first=1, failed="a.py::test_a b.py::test_b[x]")
    assert (code, calls) == (0, f"{ALL}\n{AGAIN}\n")
    assert said == (
        "-----> Tests that failed, once more and alone\n"
        " !     Passed alone, and failed among all the others, which is a flaw to mend:\n"
        " !       a.py::test_a\n"
        " !       b.py::test_b[x]\n"
    )


def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    code, said, calls = run_tests(tmp_path, first=1, failed="a.py::test_a", second=1)
    assert (code, calls) == (1, f"{ALL}\n{AGAIN}\n")
    assert "flaw" not in said


@pytest.mark.parametrize(("first", "failed"), [(1, "a b c d"), (3, "a"), (0, "")])
def test_many_failures_and_what_is_no_failure_of_a_test_get_no_second_try(
    tmp_path: Path, first: int, failed: str
) -> None:
    assert run_tests(tmp_path, first=first, failed=failed) == (first, "", f"{ALL}\n")


@pytest.mark.parametrize(
    ("name", "stays"), [("sleep", True), ("dockerd", False)], ids=["who it is", "another one"]
)
def test_a_process_id_is_forgotten_unless_it_is_the_program_s(
    tmp_path: Path, name: str, stays: bool
) -> None:
    script = f"set -euo pipefail; root=.; {SOURCED} forget_dead none {name}; forget_dead pid {name}"
    with subprocess.Popen(("sleep", "60")) as process:
        (tmp_path / "pid").write_text(str(process.pid))
        subprocess.run(("bash", "-c", script), cwd=tmp_path, check=True, timeout=30)
        assert (tmp_path / "pid").exists() is stays
        process.kill()
    subprocess.run(("bash", "-c", script), cwd=tmp_path, check=True, timeout=30)
    assert not (tmp_path / "pid").exists()
