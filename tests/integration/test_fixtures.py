"""Apps of fixtures/: built into slugs, unpacked, booted on every engine and asked over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from slugc.slug import read_slug
from tests.integration.conftest import Built
from tests.integration.support import (
    FIXTURES,
    ROOT,
    WEB_FIXTURES,
    Kit,
    ask,
    free_port,
    websocket_says,
)

pytestmark = [pytest.mark.integration, pytest.mark.network]

Build = Callable[[str], Built]

MANY_DAYS_AGO = 1_000_000_000

ENGINES = (
    pytest.param("embedded", marks=pytest.mark.embedded),
    pytest.param("docker", marks=pytest.mark.docker),
    "host",
)


@pytest.mark.parametrize("name", FIXTURES)
def test_the_build_log_tells_the_story_in_order(name: str, built: Build) -> None:
    result = built(name)
    rest = result.output
    for part in result.fixture.build_output:
        assert part in rest, result.output
        rest = rest.partition(part)[2]


@pytest.mark.parametrize("name", FIXTURES)
def test_the_slug_carries_the_process_types(name: str, built: Build) -> None:
    result = built(name)
    assert dict(read_slug(result.slug).metadata.process_types) == result.fixture.process_types


@pytest.mark.parametrize("name", FIXTURES)
def test_the_slug_opens_with_plain_tar_and_runs_from_there(
    name: str, built: Build, open_dir: Path
) -> None:
    argv = ("tar", "--zstd", "-xf", str(built(name).slug), "-C", str(open_dir))
    subprocess.run(argv, check=True, timeout=60)
    app = open_dir / "app"
    python = app / ".heroku/venv/bin/python"
    script = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
    done = subprocess.run(
        (python, "-c", script), env={}, capture_output=True, check=True, text=True, timeout=30
    )
    assert done.stdout.split() == [str(app / ".heroku/venv"), str(app / ".heroku/python")]


@pytest.mark.parametrize("name", FIXTURES)
def test_nothing_in_the_slug_names_a_place_outside(
    name: str, built: Build, kit: Kit, open_dir: Path
) -> None:
    argv = ("tar", "--zstd", "-xf", str(built(name).slug), "-C", str(open_dir))
    subprocess.run(argv, check=True, timeout=60)
    places = (str(kit.home), str(ROOT), kit.env.get("PYENV_ROOT", "/.pyenv/versions"))
    for place in places:
        grep = ("grep", "-rlF", place, str(open_dir))
        found = subprocess.run(grep, capture_output=True, check=False, text=True, timeout=60)
        assert (found.returncode, found.stdout) == (1, ""), f"{place} is named"
    absolute = [
        path
        for path in (open_dir / "app").rglob("*")
        if path.is_symlink() and path.readlink().is_absolute()
    ]
    assert absolute == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", WEB_FIXTURES)
def test_both_containers_serve_every_page(name: str, engine: str, built: Build, kit: Kit) -> None:
    result, port = built(name), free_port()
    words = ("web", "--count", "2", "--port", str(port))
    with kit.running(result.slug, *words, engine=engine) as run:
        run.wait_for_http(port)
        run.wait_for("both containers", lambda: answering(port, times=20) == {"web.1", "web.2"})
        for reply in result.fixture.replies:
            answer = ask(port, reply.path)
            assert answer.status == reply.status, answer.text
            assert [part for part in reply.contains if part not in answer.text] == []
        assert run.stop() == 128 + 15, run.text()


def answering(port: int, *, times: int) -> set[str]:
    """Which containers say so on the front page, asked ``times`` times."""
    pages = [ask(port).text for _ in range(times)]
    return {name for name in ("web.1", "web.2") if any(name in page for page in pages)}


@pytest.mark.parametrize("engine", ENGINES)
def test_websockets_pass_through_the_router(engine: str, built: Build, kit: Kit) -> None:
    port = free_port()
    words = ("web", "--count", "2", "--port", str(port))
    with kit.running(built("fastapi_async").slug, *words, engine=engine) as run:
        run.wait_for_http(port)
        said = websocket_says(port, "/echo", "ping")
        assert said in {"web.1: ping", "web.2: ping"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["worker_only", "django_polls"])
def test_a_worker_ends_what_it_does_when_told_to_stop(
    name: str, engine: str, built: Build, kit: Kit
) -> None:
    result = built(name)
    with kit.running(result.slug, "worker", engine=engine) as run:
        run.wait_for_line(result.fixture.log_started)
        assert run.stop() == 128 + 15
        assert result.fixture.log_stopped in run.text()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_release_command_and_what_follows_share_a_one_off(
    engine: str, built: Build, kit: Kit
) -> None:
    command = "python manage.py migrate --no-input && python manage.py tally --once"
    done = kit.one_off(built("django_polls").slug, "bash", "-c", command, engine=engine)
    assert done.returncode == 0, done.stderr
    assert "Applying polls.0002_first_question... OK" in done.stdout
    assert "Where does your app live?: 0 votes" in done.stdout


def test_an_unchanged_build_installs_nothing_and_gives_the_same_bytes(
    built: Build, kit: Kit
) -> None:
    first = built("flask_hello")
    again = kit.home / "again.slug"
    done = kit.build(first.fixture.directory, again)
    assert "+ flask==" not in done.stderr
    assert again.read_bytes() == first.slug.read_bytes()


@pytest.mark.parametrize("name", FIXTURES)
def test_the_same_source_gives_the_same_bytes_elsewhere_with_empty_caches(
    name: str, built: Build, fresh_kit: Kit, open_dir: Path
) -> None:
    elsewhere = open_dir / "another-place" / name
    shutil.copytree(built(name).fixture.directory, elsewhere, copy_function=shutil.copy)
    for path in (elsewhere, *elsewhere.rglob("*")):
        os.utime(path, (MANY_DAYS_AGO, MANY_DAYS_AGO))
    output = open_dir / "elsewhere.slug"
    fresh_kit.build(elsewhere, output)
    assert output.read_bytes() == built(name).slug.read_bytes()


def test_the_source_is_read_and_never_written(fresh_kit: Kit, open_dir: Path) -> None:
    source = open_dir / "flask_hello"
    shutil.copytree(FIXTURES["flask_hello"].directory, source)
    before = census(source)
    fresh_kit.build(source, open_dir / "flask.slug")
    assert census(source) == before


def census(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, size and time of change of everything below ``directory``."""
    entries = [(path, path.lstat()) for path in (directory, *sorted(directory.rglob("*")))]
    return {str(path): (st.st_mode, st.st_size, st.st_ctime_ns) for path, st in entries}
