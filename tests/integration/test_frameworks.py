"""Hooks, Django, NLTK and default web processes: bin/compile for real, then what it built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.nltk_index import NLTK_SITE, serving_nltk_data
from tests.environment import given
from tests.integration.support import free_port
from tests.stories import ROOT, STORIES
from tests.waiting import PATIENCE

SERVED = {
    name
    for name, story in STORIES.items()
    if "http" in story.table and not (story.directory / "Procfile").exists()
}
"""Their web process is the buildpack's own idea."""
SETTINGS = (
    "TMPDIR", "PIP_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "PYENV_ROOT",
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy",
)  # fmt: skip

pytestmark = [pytest.mark.integration, pytest.mark.network]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One run of the buildpack's programs over a copy of a fixture."""

    app: Path
    cache: Path
    env_dir: Path
    code: int
    stdout: str
    stderr: str

    def call(self, program: str, *args: Path) -> str:
        argv = [str(ROOT / "bin" / program), *map(str, args)]
        return subprocess.run(
            argv, env=machine(), capture_output=True, check=True, text=True, timeout=60
        ).stdout

    def report(self) -> dict[str, object]:
        found = json.loads(self.call("report", self.app, self.cache))
        assert isinstance(found, dict)
        return found

    def run(self, *words: str, **env: str) -> str:
        """What a one-off container of the built app prints."""
        argv = ("bash", "-euc", 'cd "$HOME"; . .profile.d/python.sh; exec "$@"', "run", *words)
        done = subprocess.run(
            argv, env=container(self.app, **env), capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def machine(**more: str) -> dict[str, str]:
    settings = given(*SETTINGS)
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), "SLUGKIT_PYTHON_PROVIDER": "host",
            **settings, **more}  # fmt: skip


def container(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "DYNO": "web.1", **more}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frameworks")


def build(
    place: Path, name: str, *, program: str = "compile", into: str = "", **more: str
) -> Build:
    """Build a fixture with its own config vars; all builds of this module share a cache."""
    app, env_dir = place / (into or name), place / f"env-{into or name}"
    STORIES[name].copy_to(app)
    env_dir.mkdir()
    for key, value in {**STORIES[name].env, **more}.items():
        (env_dir / key).write_text(value)
    argv = [str(ROOT / "bin" / program), str(app), str(place / "cache"), str(env_dir)]
    done = subprocess.run(
        argv, env=machine(), capture_output=True, text=True, timeout=240, check=False
    )
    return Build(
        app=app, cache=place / "cache", env_dir=env_dir,
        code=done.returncode, stdout=done.stdout, stderr=done.stderr,
    )  # fmt: skip


def test_a_failing_collectstatic_shows_names_and_no_values_on_request(place: Path) -> None:
    done = build(place, "collectstatic_missing_variable", into="debug")
    assert "DEBUG_COLLECTSTATIC: the environment of collectstatic" in done.stdout
    assert "  STRIPE_API_KEY (18 characters)" in done.stdout


def test_collectstatic_sees_config_vars_and_a_second_build_uses_its_files(place: Path) -> None:
    secret = "a-secret-that-is-long-enough"
    one = build(place, "collectstatic_missing_variable", into="one", SHOP_SECRET_KEY=secret)
    assert one.code == 0, one.stderr
    assert "1 static file copied" in one.stdout
    two = build(place, "collectstatic_missing_variable", into="two", SHOP_SECRET_KEY=secret)
    assert "Nothing has changed: using" in two.stdout
    assert sorted(p.name for p in (one.app / "staticfiles").iterdir()) == sorted(
        p.name for p in (two.app / "staticfiles").iterdir()
    )
    assert secret not in one.stdout + two.stdout + json.dumps(two.report())


@pytest.mark.parametrize("value", ["1", "true", "no"])
def test_collectstatic_is_off_for_any_value_but_0(value: str, place: Path) -> None:
    name = "collectstatic_syntax_error"
    done = build(place, name, into=f"off-{value}", DISABLE_COLLECTSTATIC=value)
    assert done.code == 0, done.stderr
    assert "Skipped: the config var DISABLE_COLLECTSTATIC is set." in done.stdout
    assert "django_collectstatic" not in done.report()


def test_collectstatic_is_on_for_0(place: Path) -> None:
    done = build(place, "collectstatic_syntax_error", into="on", DISABLE_COLLECTSTATIC="0")
    assert done.code == 1
    assert done.report()["django_collectstatic"] is True


@pytest.mark.parametrize("name", sorted(SERVED))
def test_the_default_web_process_is_shown_and_serves(name: str, place: Path) -> None:
    story: Any = STORIES[name].table
    done = build(place, name)
    assert done.code == 0, done.stderr
    rest = done.stdout
    for part in story["build"]["output"]:
        assert part in rest, done.stdout
        rest = rest.partition(part)[2]
    command = story["process_types"]["web"]
    assert done.call("release", done.app) == (
        f"---\ndefault_process_types:\n  web: {json.dumps(command)}\n"
    )
    assert done.report()["default_web_process"] == command
    for reply, (status, text) in zip(story["http"], serve(done, command, story), strict=True):
        assert status == reply["status"], text
        assert all(part in text for part in reply["contains"]), text


def serve(
    done: Build, command: str, story: dict[str, list[dict[str, str]]]
) -> list[tuple[int, str]]:
    """Start the process as a container would, ask every page, stop it."""
    port = free_port()
    script = 'cd "$HOME"; . .profile.d/python.sh; exec bash -c "$1"'
    with (done.app.parent / f"{done.app.name}.log").open("wb") as log:
        process = subprocess.Popen(
            ("bash", "-c", script, "web", command), start_new_session=True,
            env=container(done.app, PORT=str(port)), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        return [ask(f"http://127.0.0.1:{port}{reply['path']}") for reply in story["http"]]
    finally:
        process.terminate()
        process.wait(PATIENCE)


def ask(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with opener.open(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as err:
            with err:
                return err.code, err.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_hooks_see_the_api_and_config_vars_and_what_they_change_counts(place: Path) -> None:
    done = build(place, "hooks")
    assert done.code == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "greeting: good morning, token: [redacted]" in lines
    assert "+ schedule==1.2.2" in lines
    assert "schedule is importable" in lines
    assert (done.app / "greeting.txt").read_text() == "good morning"
    assert done.run("python", "worker.py") == "good morning\n"
    report = done.report()
    assert (report["pre_compile_hook"], report["post_compile_hook"]) == (True, True)
    assert {"pre_compile_hook_duration", "post_compile_hook_duration"} <= report.keys()


def test_a_build_for_tests_installs_what_tests_need(place: Path) -> None:
    done = build(place, "flask_no_procfile", program="test-compile", into="for-tests")
    assert done.code == 0, done.stderr
    assert "+ pytest==" in done.stdout
    assert "1 passed" in done.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_dangerous_config_vars_are_refused_before_any_hook_runs(place: Path) -> None:
    done = build(place, "hook_fails", into="unsafe", PYTHONHOME="/x", PIP_TARGET="/y")
    assert (done.code, done.stdout) == (1, "")
    assert "Your app sets 2 config vars that a build cannot use" in done.stderr
    assert "    heroku config:unset PIP_TARGET PYTHONHOME" in done.stderr
    assert done.report()["failure_reason"] == "checks::unsafe-env"


@pytest.fixture
def nltk_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    with serving_nltk_data(tmp_path) as config_vars:
        yield config_vars


def test_nltk_data_is_fetched_kept_and_found_at_run_time(
    place: Path, nltk_server: dict[str, str]
) -> None:
    one = build(place, "nltk_data", **nltk_server)
    assert one.code == 0, one.stdout + one.stderr
    assert "-----> Downloading NLTK data (nltk.txt)" in one.stdout
    assert one.run("python", "count.py") == "3 words\n"
    two = build(place, "nltk_data", into="nltk-again", **nltk_server)
    assert "Nothing has changed: using the data of an earlier build." in two.stdout
    files = [path for path in (two.app / ".heroku/nltk_data").rglob("*") if path.is_file()]
    assert files
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in files)


def test_nltk_data_that_does_not_exist_is_told_from_a_server_that_is_down(
    place: Path, nltk_server: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "index.xml").write_text("<nltk_data><packages/><collections/></nltk_data>")
    # Another query: the cache has what the first test fetched.
    wrong = {**nltk_server, "NLTK_DOWNLOAD_URL": nltk_server["NLTK_DOWNLOAD_URL"] + "?wrong"}
    unknown = build(place, "nltk_data", into="nltk-unknown", **wrong)
    assert "NLTK does not have the data your nltk.txt asks for" in unknown.stderr
    assert " !       slugkit_words\n" in unknown.stderr
    down = build(place, "nltk_data", into="nltk-down", NLTK_DOWNLOAD_URL=f"{NLTK_SITE}/down.xml")
    assert "NLTK's data could not be downloaded" in down.stderr
    for done in (unknown, down):
        assert done.code == 1
        assert done.report()["failure_reason"] == "nltk-downloader"
