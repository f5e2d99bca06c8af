"""What a container is started with. The script is run for real: bash is its specification."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildpack.support.errors import ExitCode
from runner.launch import (
    CommandTooLongError,
    EmptyCommandError,
    container_env,
    container_spec,
    launch_argv,
    one_off_command,
)
from runner.release import create_release
from slugc.procfile import ProcessType
from tests.unit.runner.samples import a_release, a_slug


def run(command: str, home: Path, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        launch_argv(command),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), **(env or {})},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def profile(home: Path, name: str, text: str) -> None:
    (home / ".profile.d").mkdir(exist_ok=True)
    (home / ".profile.d" / name).write_text(text)


def test_container_env_is_complete_and_owns_its_facts() -> None:
    config_vars = {"A": "1", "HOME": "/root", "DYNO": "x", "PORT": "1", "LANG": "fi_FI.UTF-8"}
    env = container_env(config_vars=config_vars, name="web.2", port=5000, stack="debian-12")
    assert dict(env) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "fi_FI.UTF-8",
        "STACK": "debian-12",
        "A": "1",
        "HOME": "/app",
        "DYNO": "web.2",
        "PORT": "5000",
    }


def test_container_env_has_no_port_for_other_types() -> None:
    env = container_env(config_vars={"PORT": "1"}, name="worker.1", port=None, stack="s")
    assert "PORT" not in env


def test_container_spec_lets_the_release_beat_the_buildpack_and_the_terminal() -> None:
    release = create_release(a_slug(config_vars={"A": "pack", "B": "pack"}), {"A": "set"})
    spec = container_spec(
        release,
        process_type=ProcessType("run"),
        ordinal=4242,
        command="bash",
        terminal_env={"TERM": "xterm", "B": "tty"},
    )
    assert (spec.name, spec.env["A"], spec.env["B"], spec.env["TERM"]) == (
        "run.4242",
        "set",
        "pack",
        "xterm",
    )


def test_config_values_never_reach_a_command_line() -> None:
    spec = container_spec(
        create_release(a_slug(), {"TOKEN": "canary-value"}),
        process_type=ProcessType("web"),
        ordinal=1,
        command="gunicorn app:app",
    )
    assert not any("canary-value" in word for word in spec.argv)


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("echo one two", "one two\n"),
        ('echo "a  b"', "a  b\n"),
        ("echo '$HOME'", "$HOME\n"),
        ("echo $GREETING", "hi  there\n".replace("  ", " ")),
        ('echo "$GREETING"', "hi  there\n"),
        ("echo ${PORT:-5000}", "5000\n"),
        ("true && echo yes", "yes\n"),
        ("false || echo no", "no\n"),
        ("echo a; echo b", "a\nb\n"),
        ("echo abc | tr a-z A-Z", "ABC\n"),
        ("echo `echo tick`", "tick\n"),
        ("echo $(echo sub)", "sub\n"),
        ("A=1 env | grep ^A=", "A=1\n"),
        ("echo a # b", "a\n"),
        (r"echo a\ b", "a b\n"),
        ("if true; then echo t; fi", "t\n"),
        ("cd / && pwd", "/\n"),
        ("echo *.none", "*.none\n"),
        ("echo $#", "0\n"),
        ("-n", None),
    ],
)
def test_a_command_means_what_bash_says(tmp_path: Path, command: str, printed: str | None) -> None:
    code, out, err = run(command, tmp_path, {"GREETING": "hi  there"})
    if printed is None:
        assert code != 0
        assert out == ""
        return
    assert (code, out, err) == (0, printed, "")


def test_a_simple_command_becomes_the_process_itself(tmp_path: Path) -> None:
    """Signals reach the app only when no shell is left in between."""
    with subprocess.Popen(
        launch_argv("python3 -c 'import os; print(os.getpid())'"),
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid


@pytest.mark.parametrize(("command", "code"), [("exit 3", 3), ("no-such-program", 127), ("/", 126)])
def test_the_commands_status_is_passed_on(tmp_path: Path, command: str, code: int) -> None:
    assert run(command, tmp_path)[0] == code


def test_profiles_are_sourced_in_byte_order_then_dot_profile(tmp_path: Path) -> None:
    for name in ("b.sh", "B.sh", "10.sh", "9.sh", "a.sh", "skipped.txt"):
        profile(tmp_path, name, f'ORDER="$ORDER {name}"\n')
    (tmp_path / ".profile").write_text('export ORDER="$ORDER .profile"\n')
    _, out, err = run("echo $ORDER", tmp_path, {"LC_ALL": "C.UTF-8"})
    assert (out, err) == ("10.sh 9.sh B.sh a.sh b.sh .profile\n", "")


def test_profiles_see_config_vars_and_change_the_environment(tmp_path: Path) -> None:
    profile(tmp_path, "a.sh", 'export PATH="$HOME/bin:$PATH" SEEN="$TOKEN"\n')
    _, out, _ = run('echo "$SEEN" "${PATH%%:*}"', tmp_path, {"TOKEN": "t"})
    assert out == f"t {tmp_path}/bin\n"


def test_a_profile_that_sets_arguments_does_not_lose_the_command(tmp_path: Path) -> None:
    profile(tmp_path, "a.sh", "set -- x y z\nfor f in 1 2; do command=$f; done\n")
    assert run("echo still here", tmp_path)[1] == "still here\n"


def test_a_broken_profile_is_shown_and_the_app_still_starts(tmp_path: Path) -> None:
    profile(tmp_path, "a.sh", "no-such-command\n")
    profile(tmp_path, "b.sh", "if then\n")
    code, out, err = run("echo up", tmp_path)
    assert (code, out) == (0, "up\n")
    assert f"{tmp_path}/.profile.d/a.sh: line 1: no-such-command: command not found" in err
    assert f"{tmp_path}/.profile.d/b.sh: line 1: syntax error" in err


def test_a_profile_that_exits_is_named(tmp_path: Path) -> None:
    profile(tmp_path, "a.sh", "exit 7\n")
    code, out, err = run("echo up", tmp_path)
    assert (code, out) == (7, "")
    assert err == f"slug-run: {tmp_path}/.profile.d/a.sh ended the start with status 7\n"


def test_our_own_names_do_not_reach_the_app(tmp_path: Path) -> None:
    assert "__slugkit" not in run("env; set", tmp_path)[1]


def test_launch_argv_refuses_a_command_no_kernel_takes() -> None:
    with pytest.raises(CommandTooLongError) as caught:
        launch_argv("x" * 70000)
    assert caught.value.text() == (
        "The command is 70000 bytes long; at most 65536 are allowed\n\n"
        "Put it into a script inside the app and run that."
    )


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["python manage.py migrate && echo done"], "python manage.py migrate && echo done"),
        (["echo", "$HOME", "a b"], "echo '$HOME' 'a b'"),
        (["worker"], "python w.py $QUEUE"),
        (["worker", "42", "a b"], "python w.py $QUEUE 42 'a b'"),
        (["release"], "migrate"),
        (["a b", "c"], "'a b' c"),
    ],
)
def test_one_off_command(words: list[str], command: str) -> None:
    types = a_release({"worker": "python w.py $QUEUE", "release": "migrate"})
    assert one_off_command(words, types.slug.metadata.process_types) == command


@pytest.mark.parametrize("command", ["", "  ", "\n\t"])
def test_a_command_that_is_empty_is_refused(command: str) -> None:
    with pytest.raises(EmptyCommandError) as caught:
        launch_argv(command)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.text() == (
        "The command is empty\n\nA variable that is not set leaves such a word.\n\n"
        "Say what to run:\n\n    slug-run run -- python manage.py migrate"
    )
