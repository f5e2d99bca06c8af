"""cnb.layers and cnb.launch: the files a lifecycle reads after the build."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

from buildpack.cnb.launch import (
    launch_toml,
    write_exec_d,
    write_layer_environment,
    write_variable,
)
from buildpack.cnb.layers import LayersDir, LayerTypes


def test_a_layer_says_who_sees_it_and_keeps_its_metadata(tmp_path: Path) -> None:
    layers = LayersDir(root=tmp_path)
    layers.write("python", LayerTypes(launch=True, build=True), {"version": "3.13.1"})
    assert tomllib.loads((tmp_path / "python.toml").read_text()) == {
        "types": {"launch": True, "build": True, "cache": False},
        "metadata": {"version": "3.13.1"},
    }
    assert layers.metadata("python") == {"version": "3.13.1"}


def test_metadata_that_is_missing_or_broken_is_no_metadata(tmp_path: Path) -> None:
    (tmp_path / "venv.toml").write_text("not [ toml")
    layers = LayersDir(root=tmp_path)
    assert layers.metadata("python") == {}
    assert layers.metadata("venv") == {}


def test_every_process_type_is_started_by_bash_and_web_by_default() -> None:
    text = launch_toml({"web": 'gunicorn "my app" --bind 0.0.0.0:$PORT', "worker": "python w.py"})
    assert tomllib.loads(text) == {
        "processes": [
            {
                "type": "web",
                "command": ["bash", "-c", 'gunicorn "my app" --bind 0.0.0.0:$PORT'],
                "default": True,
            },
            {"type": "worker", "command": ["bash", "-c", "python w.py"]},
        ]
    }


def test_users_keep_their_own_variables_but_for_unbuffered_output(tmp_path: Path) -> None:
    write_layer_environment(tmp_path, Path("/workspace"))
    found = {path.name: path.read_text() for path in (tmp_path / "env.launch").iterdir()}
    assert found == {
        "LANG.default": "C.UTF-8",
        "PYTHONPATH.default": "/workspace",
        "PYTHONUNBUFFERED.override": "true",
    }


def exec_d(layer: Path, env: dict[str, str]) -> dict[str, object]:
    """What the start-up program answers on file descriptor 3, as a launcher reads it."""
    reading, writing = os.pipe()
    script = f'exec 3>&{writing}; exec "$0"'
    with subprocess.Popen(
        ["bash", "-c", script, str(layer / "exec.d" / "python")],
        env={"PATH": "/usr/bin:/bin", "HOME": "/", **env},
        pass_fds=(writing,),
    ) as process:
        os.close(writing)
        with os.fdopen(reading) as answer:
            text = answer.read()
    assert process.returncode == 0
    return tomllib.loads(text)


def test_start_up_answers_with_the_values_of_the_profile_script(tmp_path: Path) -> None:
    write_exec_d(tmp_path)
    answer = exec_d(tmp_path, {})
    assert int(str(answer["WEB_CONCURRENCY"])) >= 1
    assert answer["GUNICORN_CMD_ARGS"] == "--access-logfile -"
    assert answer["FORWARDED_ALLOW_IPS"] == "*"


def test_start_up_keeps_what_the_user_set_letter_for_letter(tmp_path: Path) -> None:
    write_exec_d(tmp_path)
    answer = exec_d(tmp_path, {"WEB_CONCURRENCY": "7", "GUNICORN_CMD_ARGS": '--x "a\\b"'})
    assert answer["WEB_CONCURRENCY"] == "7"
    assert answer["GUNICORN_CMD_ARGS"] == '--x "a\\b"'


def test_a_variable_stands_beside_those_of_every_process(tmp_path: Path) -> None:
    write_layer_environment(tmp_path, Path("/workspace"))
    write_variable(tmp_path, "NLTK_DATA.default", "/layers/python/nltk_data")
    launch = tmp_path / "env.launch"
    assert (launch / "NLTK_DATA.default").read_text() == "/layers/python/nltk_data"
    assert (launch / "LANG.default").exists()
