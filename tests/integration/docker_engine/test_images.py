"""Images that slugc made without a daemon, loaded and run by one."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slugc.stacks.image import DEFAULT_TAG
from tests.integration.docker_support import docker
from tests.integration.support import Kit, ask, free_port
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.integration]

NAME = "slugkit-test-export"
LISTING = "cd / && find app usr/local/bin | LC_ALL=C sort | xargs stat -c '%n %a %u:%g %s'"


@pytest.fixture(scope="module")
def stack_archive(stack_image: str, session_dir: Path) -> Path:
    """The stack image as `docker save` gives it."""
    path = session_dir / "stack.tar"
    docker("save", "--output", str(path), DEFAULT_TAG)
    return path


def export(kit: Kit, slug: Path, target: str, base: Path | str, *options: str) -> None:
    argv = (*kit.slugc, "export", str(slug), target, "--stack-image", str(base), *options)
    done = kit.call(argv, timeout=120)
    assert done.returncode == 0, done.stderr


@contextmanager
def image(name: str) -> Iterator[str]:
    """An image that is taken away at the end."""
    try:
        yield name
    finally:
        docker("image", "rm", "--force", name)


@pytest.fixture(scope="module")
def loaded(kit: Kit, slug: Path, stack_archive: Path, session_dir: Path) -> Iterator[str]:
    """The slug's image, through a pipe as people would: `slugc export ... | docker load`."""
    argv = (*kit.slugc, "export", str(slug), "docker-archive:-", "--tag", f"{NAME}:v1")
    words = (*argv, "--stack-image", str(stack_archive), "--quiet")
    with image(f"{NAME}:v1") as name:
        with subprocess.Popen(words, env=kit.env, stdout=subprocess.PIPE) as exporting:
            done = subprocess.run(
                ("docker", "load"),
                stdin=exporting.stdout,
                capture_output=True,
                check=False,
                text=True,
            )
        assert (exporting.returncode, done.returncode) == (0, 0), done.stderr
        assert f"Loaded image: {NAME}:v1" in done.stdout
        yield name


def test_the_web_process_answers_on_its_port(loaded: str) -> None:
    host_port = free_port()
    published = f"127.0.0.1:{host_port}:8123"
    container = docker("run", "-d", "-e", "PORT=8123", "-p", published, loaded).strip()
    try:
        until(lambda: ask(host_port).status != 0)
        answer = ask(host_port)
        assert answer.status == 200, docker("logs", container)
        assert "Hello from Flask" in answer.text
        inside = docker(
            "exec", container, "sh", "-c", "id -u; touch /app/x /app/templates/x && echo ok"
        )
        assert inside.split() == ["1000", "ok"]
        # The app is the container's first process, so that it gets its signals.
        assert "gunicorn" in docker("exec", container, "cat", "/proc/1/cmdline")
        begun = time.monotonic()
        docker("stop", "--time", "20", container)
        assert time.monotonic() - begun < 15
    finally:
        docker("rm", "--force", container)


def test_any_command_runs_in_the_apps_environment(loaded: str) -> None:
    shown = docker(
        "run", "--rm", loaded, "python", "-c", "import flask, os; print(os.environ['HOME'])"
    )
    assert shown.strip() == "/app"
    assert docker("run", "--rm", loaded, "echo $DYNO $STACK").split() == ["run.1", "debian-12"]


def test_an_image_that_docker_saved_again_is_the_same_slug(
    kit: Kit, loaded: str, slug: Path, open_dir: Path
) -> None:
    docker("save", "--output", str(open_dir / "saved.tar"), loaded)
    argv = (*kit.slugc, "import", str(open_dir / "saved.tar"), "-o", str(open_dir / "back.slug"))
    done = kit.call(argv)
    assert done.returncode == 0, done.stderr
    assert (open_dir / "back.slug").read_bytes() == slug.read_bytes()


def test_a_dockerfile_builds_the_same_app(
    kit: Kit, slug: Path, loaded: str, open_dir: Path
) -> None:
    export(kit, slug, f"dockerfile:{open_dir}/context", DEFAULT_TAG)
    with image(f"{NAME}:built") as name:
        docker("build", "--quiet", "--tag", name, str(open_dir / "context"))
        found, wanted = settings(name), settings(loaded)
        for key in ("Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts"):
            assert found[key] == wanted[key]
        assert docker("run", "--rm", name, LISTING) == docker("run", "--rm", loaded, LISTING)


def settings(name: str) -> dict[str, object]:
    (found,) = json.loads(docker("image", "inspect", name))
    config = found["Config"]
    assert isinstance(config, dict)
    return config
