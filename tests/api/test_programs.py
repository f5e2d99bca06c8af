"""bin/* as a stranger would run them: arguments, both outputs, exit codes, files left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.api.compiling import in_plain_text
from tests.stories import STORIES, compare_detect_failure

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "bin"
BASE_PYTHON = Path(sys.base_prefix) / "bin"


def run(
    program: str, *args: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    plain = {"PATH": f"{BASE_PYTHON}:/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(
        [str(BIN / program), *(str(arg) for arg in args)],
        env={**plain, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", STORIES)
def test_detect_answers_for_every_story(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    app = story.copy_to(tmp_path / "app")
    settings = {name: story.env[name] for name in story.env if name.startswith("SLUGKIT_")}
    answer = run("detect", app, env=settings)
    if not story.not_detected:
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "Python\n", "")
        return
    assert (answer.returncode, answer.stdout) == (1, "")
    message = in_plain_text(answer.stderr.replace(str(app), "APP")).removeprefix("Error: ")
    compare_detect_failure(story, message)


def test_detect_refuses_what_is_no_app_and_explains_on_stderr_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    answer = run("detect", tmp_path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("\n !     Error: This does not look like a Python app.\n")
    assert " !       index.html\n" in answer.stderr


def test_detect_looks_where_the_setting_says(tmp_path: Path) -> None:
    (tmp_path / "services" / "api").mkdir(parents=True)
    (tmp_path / "services" / "api" / "requirements.txt").touch()
    assert " !         SLUGKIT_APP_DIR=services/api\n" in run("detect", tmp_path).stderr
    answer = run("detect", tmp_path, env={"SLUGKIT_APP_DIR": "services/api"})
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "Python\n", "")


def test_programs_run_through_links_from_any_directory(tmp_path: Path) -> None:
    (tmp_path / "absolute").symlink_to(BIN / "detect")
    (tmp_path / "relative").symlink_to("absolute")
    (tmp_path / "requirements.txt").touch()
    answer = subprocess.run(
        ["./relative", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env={"PATH": f"{BASE_PYTHON}:/usr/bin:/bin"},
    )
    assert answer.stdout == "Python\n"


def tools_without_python(directory: Path) -> Path:
    directory.mkdir()
    for name in ("sh", "readlink"):
        (directory / name).symlink_to(str(shutil.which(name)))
    return directory


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    path = tools_without_python(tmp_path / "bin")
    answer = run("detect", tmp_path, env={"PATH": str(path)})
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        " !     Error: This buildpack needs Python 3.11 or newer, and found no python3 on PATH.\n"
        " !     Install it, for example with: apt-get install python3\n"
    )


def test_a_python_that_is_too_old_says_so_or_finds_a_newer_one(tmp_path: Path) -> None:
    path = tools_without_python(tmp_path / "bin")
    (tmp_path / "requirements.txt").touch()
    script = (
        "import sys; sys.version_info = (3, 9, 2); sys.argv = sys.argv[1:]; "
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    old = path / "python3"
    old.write_text(f'#!/bin/sh\nshift 3\nexec {BASE_PYTHON}/python3 -I -S -B -c "{script}" "$@"\n')
    old.chmod(0o755)
    answer = run("detect", tmp_path, env={"PATH": str(path)})
    assert answer.returncode == 1
    assert "'python3' here is Python 3.9.2" in answer.stderr
    (path / "python3.11").symlink_to(os.path.realpath(sys.executable))
    answer = run("detect", tmp_path, env={"PATH": str(path)})
    assert (answer.returncode, answer.stdout) == (0, "Python\n")


@pytest.mark.parametrize(
    ("program", "args", "usage"),
    [
        ("detect", (), "Usage: bin/detect BUILD_DIR"),
        ("compile", (), "Usage: bin/compile BUILD_DIR [CACHE_DIR [ENV_DIR]]"),
        ("compile", ("a", "b", "c", "d"), "Usage: bin/compile BUILD_DIR [CACHE_DIR [ENV_DIR]]"),
        ("test-compile", (), "Usage: bin/compile BUILD_DIR [CACHE_DIR [ENV_DIR]]"),
        ("release", (), "Usage: bin/release BUILD_DIR"),
        ("report", ("a",), "Usage: bin/report BUILD_DIR CACHE_DIR [ENV_DIR]"),
    ],
)
def test_wrong_arguments_get_the_usage(program: str, args: tuple[str, ...], usage: str) -> None:
    directories = tuple("/" for _ in args)
    answer = run(program, *directories)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f" !     Error: {usage}\n" in answer.stderr


BAD_APPS: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "python_version_eol": (
        {"requirements.txt": "", ".python-version": "3.8\n"},
        "Python 3.8 is no longer supported",
        "python-version::eol",
    ),
    "python_version_empty": (
        {"requirements.txt": "", ".python-version": "\n"},
        "No Python version was found in your .python-version",
        "python-version-file::no-version",
    ),
    "multiple_package_managers": (
        {"requirements.txt": "", "poetry.lock": ""},
        "Your app uses more than one package manager",
        "package-manager::multiple-found",
    ),
    "pipfile_without_lock": (
        {"Pipfile": ""},
        "Your app has a Pipfile, but no Pipfile.lock",
        "package-manager::missing-lockfile",
    ),
    "venv_in_source": (
        {"requirements.txt": "", "venv/pyvenv.cfg": ""},
        "Your app has a virtual environment in it",
        "checks::existing-venv-dir",
    ),
    "python_in_source": (
        {"requirements.txt": "", ".heroku/python/bin/python": ""},
        "Your app already has .heroku/python",
        "checks::existing-python-dir",
    ),
    "missing_include": (
        {"requirements.txt": "-r gone.txt\n"},
        "Your requirements have a line that cannot be understood",
        "requirements::invalid",
    ),
}


@pytest.mark.parametrize("story", sorted(BAD_APPS))
def test_a_bad_app_is_refused_before_anything_is_fetched(story: str, tmp_path: Path) -> None:
    contents, headline, reason = BAD_APPS[story]
    app, cache = tmp_path / "app", tmp_path / "cache"
    for name, text in contents.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)
    before = sorted(app.rglob("*"))
    answer = run("compile", app, cache)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"\n !     Error: {headline}\n !\n !     ")
    assert "Traceback" not in answer.stderr
    assert sorted(app.rglob("*")) == before
    assert not (cache / "tools").exists()
    report = json.loads(run("report", app, cache).stdout)
    assert (report["failure_reason"], report["failure_detail"]) == (reason, headline)


def test_a_failing_pre_compile_hook_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pre_compile").write_text('#!/bin/sh\necho "$TOKEN"\nexit 3\n')
    (tmp_path / "requirements.txt").touch()
    env_dir = tmp_path / "env"
    env_dir.mkdir()
    (env_dir / "TOKEN").write_text("hunter2222")
    answer = run("compile", tmp_path, tmp_path / "cache", env_dir)
    assert answer.returncode == 1
    assert answer.stdout == "-----> Running bin/pre_compile\n       [redacted]\n"
    assert "bin/pre_compile ended with exit code 3" in answer.stderr


def test_what_a_hook_leaves_running_ends_with_the_build(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    # A daemon: its parents have ended, and it has a session of its own.
    script = "#!/bin/sh\n(setsid sh -c 'echo $$ >daemon; exec sleep 600' &)\n"
    wait = "while [ ! -s daemon ]; do sleep 0.01; done\n"
    (tmp_path / "bin" / "pre_compile").write_text(script + wait)
    answer = run("compile", tmp_path, tmp_path / "cache")
    assert "Error: Nothing says which packages your app needs" in answer.stderr
    assert answer.stdout.endswith("       Ended what was left running: sleep.\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "daemon").read_text()), 0)


def test_what_ran_before_the_build_goes_on(tmp_path: Path) -> None:
    """A shell may have started it, and then have become the build."""
    script = 'sleep 600 >&- 2>&- & echo $! >"$1/before"; exec "$0" "$1" "$1/cache"'
    command = ["sh", "-c", script, str(BIN / "compile"), str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Error: Nothing says which packages your app needs" in answer.stderr
    os.kill(int((tmp_path / "before").read_text()), signal.SIGKILL)  # an error, if it is gone


def test_what_has_ended_by_itself_was_not_left_running(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = "#!/bin/sh\n(sh -c 'echo $$ >ended' &)\nwhile [ ! -s ended ]; do sleep 0.01; done\n"
    wait = "until grep -q ') Z' /proc/$(cat ended)/stat; do sleep 0.01; done\n"
    (tmp_path / "bin" / "pre_compile").write_text(script + wait)
    answer = run("compile", tmp_path, tmp_path / "cache")
    assert "Error: Nothing says which packages your app needs" in answer.stderr
    assert answer.stdout == "-----> Running bin/pre_compile\n"


def test_what_pre_compile_changes_in_the_source_counts(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pre_compile").write_text("#!/bin/sh\necho 3.8 > .python-version\n")
    (tmp_path / "requirements.txt").touch()
    answer = run("compile", tmp_path, tmp_path / "cache")
    assert "Error: Python 3.8 is no longer supported" in answer.stderr


def test_dangerous_config_vars_are_refused_before_a_hook_runs(tmp_path: Path) -> None:
    app, env_dir = tmp_path / "app", tmp_path / "env"
    (app / "bin").mkdir(parents=True)
    (app / "bin" / "pre_compile").write_text("#!/bin/sh\necho ran\n")
    env_dir.mkdir()
    for name in ("VIRTUAL_ENV", "UV_PROJECT", "LD_PRELOAD", "PATH"):
        (env_dir / name).write_text("/s3cret-place")
    answer = run("compile", app, tmp_path / "cache", env_dir)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert " !     Error: Your app sets 2 config vars that a build cannot use\n" in answer.stderr
    assert "s3cret" not in answer.stderr
    report = json.loads(run("report", app, tmp_path / "cache").stdout)
    assert report["failure_reason"] == "checks::unsafe-env"
    assert report["total_duration"] >= 0


def test_an_app_that_was_built_already_is_told_from_one_with_a_python_inside(
    tmp_path: Path,
) -> None:
    for name in (".heroku/python/bin", ".heroku/venv/bin", ".profile.d"):
        (tmp_path / name).mkdir(parents=True)
    profile = (ROOT / "buildpack" / "data" / "profile.sh").read_bytes()
    (tmp_path / ".profile.d" / "python.sh").write_bytes(profile)
    (tmp_path / "requirements.txt").touch()
    answer = run("compile", tmp_path, tmp_path / "cache")
    assert "Error: The Python buildpack has already built this app" in answer.stderr


def test_report_is_empty_json_before_the_first_build(tmp_path: Path) -> None:
    answer = run("report", tmp_path, tmp_path / "cache")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "{}\n", "")


def test_release_without_a_build_has_no_process_types(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask('x')\n")
    answer = run("release", tmp_path)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "--- {}\n", "")


def in_process(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    """What ``program``, lines of Python with ``words`` as arguments, ends with."""
    argv = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


BROKEN = (
    "import sys, buildpack.compile\n"
    "def compile_app(*args): raise {error}\n"
    "buildpack.compile.compile_app = compile_app\n"
    "from buildpack.main import main\n"
    "sys.exit(main(['compile', *sys.argv[1:]]))"
)


def test_a_bug_of_ours_is_told_as_one_with_its_traceback_and_is_in_the_report(
    tmp_path: Path,
) -> None:
    answer = in_process(BROKEN.format(error="RuntimeError('oops')"), tmp_path, tmp_path / "cache")
    assert (answer.returncode, answer.stdout) == (1, "")
    said = in_plain_text(answer.stderr)
    assert said.startswith("Error: Internal error\n\nTraceback (most recent call last):\n")
    assert said.endswith(
        "RuntimeError: oops\n\nThis is a bug in Slugkit. Please report it with the text above."
    )
    report = json.loads(run("report", tmp_path, tmp_path / "cache").stdout)
    assert report["failure_reason"] == "internal-error::unhandled"
    assert report["failure_detail"] == "RuntimeError('oops')"


def test_a_disk_that_is_full_while_a_file_is_written_is_no_bug_of_ours(tmp_path: Path) -> None:
    error = "OSError(28, 'No space left on device')"
    answer = in_process(BROKEN.format(error=error), tmp_path, tmp_path / "cache")
    assert in_plain_text(answer.stderr) == (
        "Error: The system refused something the build needs\n\n"
        "It says: no space left on device.\n\n"
        "The build, cache and layers directories must be directories that\n"
        "the build may write to, with room left."
    )
    report = json.loads(run("report", tmp_path, tmp_path / "cache").stdout)
    assert report["failure_reason"] == "system::refused"
    assert report["failure_detail"] == "The system refused something the build needs"


def test_a_build_for_tests_has_the_locale_and_the_switches_that_heroku_gives_it() -> None:
    shown = (
        "import os, buildpack.main as phases\n"
        "os.environ['LANG'] = 'de_DE.UTF-8'\n"
        "names = ['INSTALL_TEST', 'DISABLE_COLLECTSTATIC', 'LANG', 'LC_ALL']\n"
        "def run_compile(args, env, *_, **__): print([env[name] for name in names]); return 0\n"
        "phases.run_compile = run_compile\n"
        "phases.main(['test-compile', '/app'])"
    )
    assert in_process(shown).stdout == "['1', '1', 'C.UTF-8', 'C.UTF-8']\n"


def test_color_is_for_those_who_ask(tmp_path: Path) -> None:
    assert "\x1b[" not in run("compile", tmp_path, tmp_path / "cache").stderr
    colored = run("compile", tmp_path, tmp_path / "cache", env={"FORCE_COLOR": "1"})
    assert "\x1b[1;31mError: " in colored.stderr


def test_plan_prints_json_and_writes_nothing() -> None:
    plan = subprocess.run(
        [sys.executable, "-m", "buildpack", "plan", str(ROOT / "fixtures" / "flask_hello")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    found = json.loads(plan.stdout)
    assert found["package_manager"] == "pip"
    assert "flask==3.1.3" in found["dependencies"]


def test_the_checkout_is_never_written_to(tmp_path: Path) -> None:
    copy = tmp_path / "buildpack"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bin", copy / "bin", ignore=ignore)
    shutil.copytree(ROOT / "buildpack", copy / "buildpack", ignore=ignore)
    before = sorted(copy.rglob("*"))
    app = tmp_path / "app"
    app.mkdir()
    for program in ("detect", "compile", "release", "report"):
        args = [str(app), str(tmp_path / "cache")][: 1 if program in {"detect", "release"} else 2]
        subprocess.run(
            [str(copy / "bin" / program), *args],
            env={"PATH": f"{BASE_PYTHON}:/usr/bin:/bin"},
            capture_output=True,
            check=False,
            timeout=20,
        )
    assert sorted(copy.rglob("*")) == before


def test_bytecode_that_was_made_in_advance_is_used(tmp_path: Path) -> None:
    copy = tmp_path / "buildpack"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bin", copy / "bin", ignore=ignore)
    shutil.copytree(ROOT / "buildpack", copy / "buildpack", ignore=ignore)

    def bytecode_in_cache(cache: Path) -> bool:
        argv = [copy / "bin" / "compile", tmp_path / "no-app", cache]
        (tmp_path / "no-app").mkdir(exist_ok=True)
        env = {"PATH": f"{BASE_PYTHON}:/usr/bin:/bin"}
        subprocess.run(argv, env=env, capture_output=True, check=False, timeout=20)
        assert (cache / "lock").exists()
        return (cache / "buildpack-bytecode").exists()

    assert bytecode_in_cache(tmp_path / "before")
    python = shutil.which("python3", path=f"{BASE_PYTHON}:/usr/bin:/bin")
    options = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    subprocess.run([str(python), *options, str(copy)], check=True, timeout=60)
    assert not bytecode_in_cache(tmp_path / "after")


def test_detect_is_within_three_times_a_bare_interpreter(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    env = {"PATH": f"{BASE_PYTHON}:/usr/bin:/bin"}

    def seconds(*argv: str) -> float:
        begun = time.perf_counter()
        subprocess.run(argv, env=env, check=True, capture_output=True, timeout=20)
        return time.perf_counter() - begun

    # Pairs, so that a busy machine slows both sides alike.
    ratios = [
        seconds(str(BIN / "detect"), str(tmp_path)) / seconds("python3", "-I", "-c", "pass")
        for _ in range(9)
    ]
    assert statistics.median(ratios) < 3
