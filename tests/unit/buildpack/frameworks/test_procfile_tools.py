"""procfile_tools: commands that would not start, because their first program is not in the slug."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildpack.frameworks.procfile_tools import LARGEST_PROCFILE, absent_tools_warning


def warning(root: Path, text: str) -> str:
    (root / ".heroku" / "venv" / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("python", "gunicorn", "uvicorn"):
        (root / ".heroku" / "venv" / "bin" / name).touch()
    (root / "Procfile").write_text(text)
    return absent_tools_warning(root, root / "Procfile")


def test_a_tool_that_is_not_in_the_slug_comes_with_the_line_that_does_without(
    tmp_path: Path,
) -> None:
    text = (
        "web: pipenv run gunicorn shop:app\nworker: python worker.py\n"
        "clock: cd jobs && poetry run python clock.py\n"
    )
    assert warning(tmp_path, text) == (
        "Your Procfile starts programs with pipenv and poetry, which the slug does not have\n\n"
        "    web: pipenv run gunicorn shop:app\n"
        "    clock: cd jobs && poetry run python clock.py\n\n"
        "It is not needed there: the programs of your packages are on PATH. Write:\n\n"
        "    web: gunicorn shop:app\n"
        "    clock: cd jobs && python clock.py"
    )


def test_options_of_the_tool_go_with_it(tmp_path: Path) -> None:
    said = warning(tmp_path, "web: uv run --frozen --no-dev uvicorn main:app --port $PORT\n")
    assert said.endswith("\n    web: uvicorn main:app --port $PORT")


@pytest.mark.parametrize(
    "command",
    ["pipenv run start", "uv run --with rich gunicorn shop:app", "uv run --python 3.13 main.py"],
)
def test_nothing_is_written_out_where_what_follows_is_no_program(
    command: str, tmp_path: Path
) -> None:
    said = warning(tmp_path, f"web: {command}\n")
    assert said.endswith("are on PATH. Write\nthe command that it would run.")


@pytest.mark.parametrize(
    "command",
    [
        "gunicorn app:app",
        "true\n# old: uv run x",
        "bin/uv run x",
        "python -m poetry_runner run x",
        "./pdm run x",
        "uv sync",
    ],
)
def test_other_commands_are_left_alone(command: str, tmp_path: Path) -> None:
    assert warning(tmp_path, f"web: {command}\n") == ""


def test_a_tool_that_the_app_has_asked_for_is_there(tmp_path: Path) -> None:
    warning(tmp_path, "")
    (tmp_path / ".heroku" / "venv" / "bin" / "uv").touch()
    assert warning(tmp_path, "web: uv run x\n") == ""
    assert "pdm" in warning(tmp_path, "web: pdm run x\n")


def test_a_procfile_that_cannot_be_read_is_somebody_elses_business(tmp_path: Path) -> None:
    assert absent_tools_warning(tmp_path, tmp_path / "Procfile") == ""
    assert warning(tmp_path, "web: uv run x\n" * (LARGEST_PROCFILE // 10)) == ""
    (tmp_path / "Procfile").unlink()
    os.mkfifo(tmp_path / "Procfile")
    assert absent_tools_warning(tmp_path, tmp_path / "Procfile") == ""
