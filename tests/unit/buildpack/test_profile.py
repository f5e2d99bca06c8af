"""profile.sh: what every container starts with, in bash and in a plain sh, with any cgroup."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpack.environment import PROFILE_SCRIPT

SHELLS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"no {name}"))
    for name in ("bash", "dash")
]
MB = 1024 * 1024
NO_LIMIT = "9223372036854771712"  # what cgroup v1 says


def source_profile(shell: str, home: Path | str, script: Path = PROFILE_SCRIPT, **env: str) -> Said:
    done = subprocess.run(
        [shell, "-euc", f". '{script}'; echo end; env -0"],
        env={"PATH": "/usr/bin:/bin", **env, "HOME": str(home)},
        capture_output=True,
        check=True,
        timeout=10,
    )
    said, _, rest = done.stdout.decode().partition("end\n")
    found = dict(line.split("=", 1) for line in rest.split("\0") if "=" in line)
    found.pop("_", None)  # bash's own
    return Said(out=said, err=done.stderr.decode(), env=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What sourcing the script printed and left in the environment."""

    out: str
    err: str
    env: Mapping[str, str]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_app_comes_first_wherever_home_is(shell: str, tmp_path: Path) -> None:
    home = tmp_path / "my $app's dir"
    home.mkdir()
    said = source_profile(shell, home)
    heroku = f"{home}/.heroku"
    assert said.env["PATH"] == f"{heroku}/venv/bin:{heroku}/python/bin:/usr/bin:/bin"
    assert said.env["PYTHONUNBUFFERED"] == "true"
    assert said.env["PYTHONPATH"] == str(home)
    assert said.env["LANG"] == "C.UTF-8"
    assert said.env["GUNICORN_CMD_ARGS"] == "--access-logfile -"
    assert said.env["FORWARDED_ALLOW_IPS"] == "*"
    assert said.env["WEB_CONCURRENCY_SET_BY"] == "slugkit/python"
    assert int(said.env["WEB_CONCURRENCY"]) >= 1
    assert (said.out, said.err) == ("", "")
    assert not [name for name in said.env if "__python" in name]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_CONCURRENCY", "7"),
        ("GUNICORN_CMD_ARGS", ""),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1"),
        ("PYTHONPATH", "/lib"),
        ("LANG", "de_DE.UTF-8"),
        ("NLTK_DATA", "/data"),
    ],
)
def test_what_the_app_has_set_stays(shell: str, name: str, value: str, tmp_path: Path) -> None:
    (tmp_path / ".heroku" / "nltk_data").mkdir(parents=True)
    said = source_profile(shell, tmp_path, PROFILE_SCRIPT, **{name: value})
    assert said.env[name] == value
    assert ("WEB_CONCURRENCY_SET_BY" in said.env) == (name != "WEB_CONCURRENCY")


@pytest.mark.parametrize("shell", SHELLS)
def test_nltk_finds_the_data_of_the_build(shell: str, tmp_path: Path) -> None:
    assert "NLTK_DATA" not in source_profile(shell, tmp_path).env
    (tmp_path / ".heroku" / "nltk_data").mkdir(parents=True)
    assert source_profile(shell, tmp_path).env["NLTK_DATA"] == f"{tmp_path}/.heroku/nltk_data"


@pytest.mark.parametrize("shell", SHELLS)
def test_sourcing_twice_is_the_same_as_once(shell: str, tmp_path: Path) -> None:
    first = source_profile(shell, tmp_path).env
    again = source_profile(shell, tmp_path, PROFILE_SCRIPT, **first).env
    assert again["PATH"] == first["PATH"]
    assert again["WEB_CONCURRENCY"] == first["WEB_CONCURRENCY"]


@pytest.mark.parametrize("shell", SHELLS)
def test_only_a_web_container_says_how_many_workers_and_on_stderr(
    shell: str, tmp_path: Path
) -> None:
    said = source_profile(shell, tmp_path, DYNO="web.1")
    assert said.err.startswith(f"Python buildpack: WEB_CONCURRENCY={said.env['WEB_CONCURRENCY']} (")
    assert said.out == ""
    silent: tuple[dict[str, str], ...] = (
        {"DYNO": "worker.1"},
        {"DYNO": "web.1", "WEB_CONCURRENCY": "3"},
        {},
    )
    for quiet in silent:
        assert source_profile(shell, tmp_path, PROFILE_SCRIPT, **quiet).err == ""


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.parametrize("shell", SHELLS)
def test_no_program_is_started(shell: str, tmp_path: Path) -> None:
    log = tmp_path / "trace"
    argv = [
        "strace",
        "-f",
        "-e",
        "trace=process",
        "-o",
        str(log),
        shell,
        "-c",
        f". {PROFILE_SCRIPT}",
    ]
    done = subprocess.run(
        argv, env={"HOME": "/app", "PATH": "/usr/bin:/bin"}, check=False, timeout=30,
        capture_output=True,
    )  # fmt: skip
    if done.returncode != 0 or not log.exists():
        pytest.skip("this machine does not let processes be traced")
    calls = log.read_text()
    assert calls.count("execve(") == 1, calls
    assert not re.search(r"\b(clone3?|v?fork)\(", calls), calls


class Machine:
    """A made-up /sys/fs/cgroup and /proc, and the script that reads them instead of ours."""

    def __init__(self, root: Path, *, cores: str, cgroup: str) -> None:
        self.root = root
        (root / "sys").mkdir()
        (root / "status").write_text(f"Name:\tsh\nCpus_allowed_list:\t{cores}\nMems_allowed:\t1\n")
        (root / "cgroup").write_text(cgroup)
        places = ("/sys/fs/cgroup", "/proc/self/status", "/proc/self/cgroup")
        text = PROFILE_SCRIPT.read_text()
        for place, ours in zip(places, ("sys", "status", "cgroup"), strict=True):
            assert f" {place}" in text
            text = text.replace(f" {place}", f" '{root / ours}'")
        self.script = root / "profile.sh"
        self.script.write_text(text)

    def write(self, name: str, content: object) -> None:
        path = self.root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")

    def v2(self, name: str = "") -> None:
        """There is a version 2 hierarchy here."""
        self.write(f"{name}cgroup.controllers", "cpu memory")

    def ask(self, shell: str, **given: str) -> tuple[str, str | None]:
        env = source_profile(shell, "/app", self.script, **given).env
        return env["WEB_CONCURRENCY"], env.get("DYNO_RAM")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("megabytes", "cores", "expected"),
    # Heroku's own table.
    [(512, 8, 2), (1024, 8, 4), (2560, 2, 5), (14336, 8, 17), (30720, 4, 9), (63488, 8, 17),
     (129024, 16, 33), (64, 1, 1)],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_the_workers_heroku_gives(
    version: int, megabytes: int, cores: int, expected: int, shell: str, tmp_path: Path
) -> None:
    cgroup = "5:memory:/\n0::/\n" if version == 1 else "0::/\n"
    machine = Machine(tmp_path, cores=f"0-{cores - 1}", cgroup=cgroup)
    if version == 1:
        machine.write("memory/memory.limit_in_bytes", megabytes * MB)
    else:
        machine.v2()
        machine.write("memory.max", megabytes * MB)
    assert machine.ask(shell) == (str(expected), str(megabytes))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 9), ("200000 100000", 5), ("50000 100000", 3), ("150000 100000", 5),
     ("garbage", 9), ("100000 0", 9), ("800000 100000", 9)],
)  # fmt: skip
def test_a_cpu_quota_is_fewer_processors(
    quota: str, expected: int, shell: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, cores="0-3", cgroup="0::/\n")
    machine.v2()
    machine.write("cpu.max", quota)
    assert machine.ask(shell) == (str(expected), None)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
def test_a_cpu_quota_of_cgroup_v1(controllers: str, shell: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, cores="0-7", cgroup=f"3:{controllers}:/a/b\n1:cpuset:/x\n")
    machine.write("cpu/cpu.cfs_quota_us", -1)
    machine.write("cpu/cpu.cfs_period_us", 100000)
    machine.write("cpu/a/b/cpu.cfs_quota_us", 100000)
    machine.write("cpu/a/b/cpu.cfs_period_us", 50000)
    assert machine.ask(shell) == ("5", None)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("cores", "expected"), [("0", 3), ("0-1,4,6-7", 11), ("3,5", 5), ("nonsense", 3)]
)
def test_processors_are_those_the_process_may_use(
    cores: str, expected: int, shell: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, cores=cores, cgroup="0::/\n")
    assert machine.ask(shell) == (str(expected), None)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_nested_cgroup_is_found_and_the_smallest_limit_above_it_counts(
    shell: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, cores="0-7", cgroup="0::/slice/app.scope\n")
    machine.v2()
    machine.write("slice/app.scope/memory.max", "max")
    machine.write("slice/memory.max", 1024 * MB)
    machine.write("slice/app.scope/cpu.max", "400000 100000")
    machine.write("slice/cpu.max", "max 100000")
    assert machine.ask(shell) == ("4", "1024")
    machine.write("slice/app.scope/memory.max", 512 * MB)
    assert machine.ask(shell) == ("2", "512")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_path_that_cannot_be_seen_from_inside_means_the_root_is_ours(
    shell: str, tmp_path: Path
) -> None:
    machine = Machine(
        tmp_path, cores="0-7", cgroup="7:memory:/docker/0123abc\n0::/docker/0123abc\n"
    )
    machine.write("memory/memory.limit_in_bytes", 768 * MB)
    assert machine.ask(shell) == ("3", "768")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("limit", [NO_LIMIT, "max", "", 2 * 1024 * 1024 * MB])
def test_no_limit_on_memory_leaves_it_to_the_processors(
    limit: object, shell: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, cores="0-1", cgroup="7:memory:/\n")
    machine.write("memory/memory.limit_in_bytes", limit)
    assert machine.ask(shell) == ("5", None)


@pytest.mark.parametrize("shell", SHELLS)
def test_dyno_ram_is_said_even_where_the_app_has_chosen_its_workers(
    shell: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, cores="0-1", cgroup="0::/\n")
    machine.v2()
    machine.write("memory.max", 512 * MB)
    env = source_profile(shell, "/app", machine.script, WEB_CONCURRENCY="9", DYNO_RAM="1").env
    assert (env["WEB_CONCURRENCY"], env["DYNO_RAM"]) == ("9", "512")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("given", "workers", "megabytes"),
    [("512", "2", "512"), ("1024", "4", "1024"), ("", "17", ""), ("0", "17", "0")]
    + [(nonsense, "17", nonsense) for nonsense in ("08", "1G", "99999999", "512,")],
)
def test_who_runs_us_may_say_how_much_memory_there_is_where_no_cgroup_does(
    given: str, workers: str, megabytes: str, shell: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, cores="0-7", cgroup="0::/\n")
    assert machine.ask(shell, DYNO_RAM=given) == (workers, megabytes)
    (tmp_path / "cgroup").unlink()
    assert machine.ask(shell, DYNO_RAM=given) == (workers, megabytes)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_that_shows_nothing_gets_one_processor(shell: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, cores="0", cgroup="")
    for name in ("status", "cgroup"):
        (tmp_path / name).unlink()
    assert machine.ask(shell) == ("3", None)
