"""What a container of the image starts: launch.toml, and what only start-up knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildpack.cnb.toml import toml_table
from buildpack.support import files

EXEC_D = Path(__file__).parent.parent / "data" / "exec-d.sh"
PROFILE = Path(__file__).parent.parent / "data" / "profile.sh"


def launch_toml(process_types: Mapping[str, str]) -> str:
    """One process for each process type; ``web`` is what the image starts by default.

    Since API 0.9 processes are started without a shell, and a Procfile's line is for one.
    """
    return "\n".join(
        toml_table(
            "[[processes]]",
            {
                "type": name,
                "command": ("bash", "-c", command),
                **({"default": True} if name == "web" else {}),
            },
        )
        for name, command in process_types.items()
    )


def write_layer_environment(layer_dir: Path, app_dir: Path) -> None:
    """Variables of every process: kept if the user sets them, but for the one logs rely on."""
    write_variable(layer_dir, "LANG.default", "C.UTF-8")
    write_variable(layer_dir, "PYTHONPATH.default", str(app_dir))
    write_variable(layer_dir, "PYTHONUNBUFFERED.override", "true")


def write_variable(layer_dir: Path, name: str, value: str) -> None:
    """One variable of every process; the end of its name says whether it wins."""
    files.write_atomically(layer_dir / "env.launch" / name, value)


def write_exec_d(layer_dir: Path) -> None:
    """The program that answers with WEB_CONCURRENCY and friends when a container starts."""
    files.write_atomically(layer_dir / "profile.sh", PROFILE.read_bytes())
    directory = layer_dir / "exec.d"
    directory.mkdir()
    program = directory / "python"
    files.write_atomically(program, EXEC_D.read_bytes())
    program.chmod(0o755)
