"""environment: config vars in, secrets out, and what a container starts with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildpack.environment import (
    PROFILE_SCRIPT,
    app_env,
    install_settings,
    read_env_dir,
    secret_values,
    visible_at_build,
    write_export,
    write_profile_d,
)


def test_config_vars_are_files_kept_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "GREETING").write_bytes("höllo\nworld\n".encode())
    (tmp_path / "not a name").write_text("x")
    (tmp_path / "A_DIRECTORY").mkdir()
    assert read_env_dir(tmp_path) == {"GREETING": "höllo\nworld\n"}


def test_no_env_dir_means_no_config_vars(tmp_path: Path) -> None:
    assert read_env_dir(None) == {}
    assert read_env_dir(tmp_path / "gone") == {}


def test_dangerous_names_never_reach_a_program_of_the_build() -> None:
    config_vars = {"PATH": "/evil", "LD_PRELOAD": "/evil.so", "PYTHONHOME": "/x", "DEBUG": "1"}
    assert visible_at_build(config_vars) == {"DEBUG": "1"}
    env = app_env({"PATH": "/usr/bin"}, config_vars, Path("/build"))
    assert env["PATH"] == "/build/.heroku/venv/bin:/build/.heroku/python/bin:/usr/bin"
    assert env["DEBUG"] == "1"
    assert not {"LD_PRELOAD", "PYTHONHOME"} & env.keys()


def test_the_installer_sees_index_settings_and_no_other_config_var() -> None:
    config_vars = {"PIP_EXTRA_INDEX_URL": "https://i.example", "DATABASE_URL": "postgres://x"}
    assert install_settings({"PATH": "/bin"}, config_vars) == {
        "PATH": "/bin",
        "PIP_EXTRA_INDEX_URL": "https://i.example",
    }


def test_secrets_are_values_of_telling_names_and_passwords_in_urls() -> None:
    found = secret_values(
        {
            "DJANGO_SECRET_KEY": "s3cr3t-value",
            "DATABASE_URL": "postgres://me:hunter22@db/x",
            "STRIPE_API_KEY": "sk_live",
            "MONKEY": "banana",
            "API_TOKEN": "abc",
        }
    )
    assert found == ("s3cr3t-value", "hunter22", "sk_live")


def test_profile_names_nothing_but_home(tmp_path: Path) -> None:
    write_profile_d(tmp_path)
    content = (tmp_path / ".profile.d" / "python.sh").read_text()
    assert str(tmp_path) not in content


def source_profile(home: Path, **env: str) -> dict[str, str]:
    script = f". {PROFILE_SCRIPT} && env -0"
    output = subprocess.run(
        ["bash", "-c", script],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        check=True,
        timeout=10,
    ).stdout.decode()
    return dict(line.split("=", 1) for line in output.split("\0") if "=" in line)


def test_profile_puts_the_app_first_on_path(tmp_path: Path) -> None:
    env = source_profile(tmp_path)
    assert env["PATH"] == (
        f"{tmp_path}/.heroku/venv/bin:{tmp_path}/.heroku/python/bin:/usr/bin:/bin"
    )
    assert env["PYTHONUNBUFFERED"] == "true"
    assert env["PYTHONPATH"] == str(tmp_path)
    assert env["GUNICORN_CMD_ARGS"] == "--access-logfile -"
    assert env["FORWARDED_ALLOW_IPS"] == "*"
    assert int(env["WEB_CONCURRENCY"]) >= 1
    assert not [name for name in env if "__python" in name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_CONCURRENCY", "7"),
        ("GUNICORN_CMD_ARGS", ""),
        ("PYTHONPATH", "/lib"),
        ("LANG", "de_DE.UTF-8"),
    ],
)
def test_profile_keeps_what_the_app_has_set(name: str, value: str, tmp_path: Path) -> None:
    assert source_profile(tmp_path, **{name: value})[name] == value


MB = 1024 * 1024


@pytest.mark.parametrize(
    ("memory", "quota", "cores", "expected"),
    [
        # Heroku's own table (512 MB and 8 cores give 2, and so on).
        (512 * MB, "max", 8, 2),
        (1024 * MB, "max", 8, 4),
        (2560 * MB, "max", 2, 5),
        (14336 * MB, "max", 8, 17),
        (30720 * MB, "max", 4, 9),
        (63488 * MB, "max", 8, 17),
        (129024 * MB, "max", 16, 33),
        # No limit: cgroup v2 says "max", v1 a number beyond any machine.
        ("max", "max", 2, 5),
        (9223372036854771712, "max", 2, 5),
        ("", "", 4, 9),
        # A CPU quota is fewer processors; half of one is still one.
        ("max", "200000", 8, 5),
        ("max", "50000", 8, 3),
        # Never less than one.
        (64 * MB, "max", 1, 1),
    ],
)
def test_web_concurrency(memory: object, quota: str, cores: int, expected: int) -> None:
    text = PROFILE_SCRIPT.read_text().partition('\n[ -n "${WEB')[0]
    script = (
        f'{text}\n__python_concurrency "{memory}" "{quota}" 100000 {cores}; echo $WEB_CONCURRENCY'
    )
    output = subprocess.run(
        ["bash", "-c", script],
        env={"HOME": "/app", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    assert output.stdout.decode().strip() == str(expected)
    assert output.stderr == b""


def test_only_a_web_container_says_how_many_workers_it_got(tmp_path: Path) -> None:
    def spoken(dyno: str) -> str:
        return subprocess.run(
            ["bash", "-eu", "-c", f". {PROFILE_SCRIPT}"],
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DYNO": dyno},
            capture_output=True,
            check=True,
            timeout=10,
        ).stderr.decode()

    assert spoken("web.1").startswith("Python buildpack: WEB_CONCURRENCY=")
    assert spoken("worker.1") == ""


def test_export_is_written_into_a_copy_and_never_into_a_checkout(tmp_path: Path) -> None:
    build_dir = Path("/build")
    assert write_export(tmp_path, build_dir)
    assert (tmp_path / "export").read_text() == (
        'export PATH="/build/.heroku/venv/bin:/build/.heroku/python/bin:$PATH"\n'
    )
    checkout = tmp_path / "checkout"
    (checkout / ".git").mkdir(parents=True)
    assert not write_export(checkout, build_dir)
    assert not (checkout / "export").exists()
