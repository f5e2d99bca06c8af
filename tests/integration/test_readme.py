"""The README's six things to try, typed as they stand there, one after the other."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.support import ROOT, Kit, Run, ask, free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.network,
    pytest.mark.embedded,
    pytest.mark.docker,
]

DEFAULT_PORT = 5000
SECTION = re.compile(r"^## Six things to try$(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```$\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# bin/run-tests has made the stack image; making it again takes half a minute.
ALREADY_DONE = "slugc stack build"
LEFT_RUNNING = "slug-run start -d"
STOP = "slug-run stop"

EXPECTED = {
    "slugc inspect hello.slug": "web  gunicorn app:app",
    "slug-run config set GREETING=Bonjour": "GREETING: Bonjour\n",
    "slug-run scale web=2": "Now running web at 2:standard-1x\n",
    "slug-run logs -n 5": "slug-run[web.2]: State changed from starting to up",
    'slug-run schedule add "0 3 * * *" --name tidy -- python --version': "Added tidy: 0 3 * * *",
    "slug-run releases": "v2  Set GREETING config vars  current",
    "slug-run run --slug hello.slug -- python --version": "Python 3.",
    "echo 'print(6 * 7)' | slug-run run --slug hello.slug -- python -": "42\n",
    "slug-run engine doctor": "embedded   ok",
    "cmp hello.slug again.slug && echo identical": "identical\n",
}


def blocks() -> list[list[str]]:
    found = SECTION.search((ROOT / "README.md").read_text())
    assert found is not None
    return [block.splitlines() for block in BLOCK.findall(found.group(1))]


@pytest.fixture
def place(open_dir: Path) -> Path:
    """What a person has around them there: the checkout, and the two commands on PATH."""
    shutil.copytree(ROOT / "fixtures/flask_hello", open_dir / "fixtures/flask_hello")
    programs = open_dir / "bin"
    programs.mkdir()
    for name, module in (("slugc", "slugc.main"), ("slug-run", "runner.main")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)
    return open_dir


def type_line(line: str, place: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        ("bash", "-c", line),
        cwd=place,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_and_ask(command: str, request: str, place: Path, env: Mapping[str, str]) -> str:
    """``command`` in one terminal, ``request`` in another; then Ctrl-C's twin in the first."""
    log, port = place / "log", DEFAULT_PORT
    if ask(port).status:  # somebody else's, on a desk where work goes on
        port = free_port()
        command += f" --port {port}"
        request = request.replace(f":{DEFAULT_PORT}/", f":{port}/")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.split(), cwd=place, env=env, stdout=output, stderr=output, text=False
        )
    run = Run(process=process, log=log)
    try:
        run.wait_for_line("is up at")
        run.wait_for_http(port)
        return type_line(request, place, env)
    finally:
        assert run.stop() == 128 + 15, run.text()


def with_a_free_port(command: str) -> str:
    """``command`` as it stands, or with a port if somebody else has the default one."""
    return f"{command} --port {free_port()}" if ask(DEFAULT_PORT).status else command


def type_all(place: Path, env: Mapping[str, str], stack: contextlib.ExitStack) -> Mapping[str, str]:
    """What each line said. An app that is left running is stopped by ``stack`` if need be."""
    said: dict[str, str] = {}
    lines = iter([line for block in blocks() for line in block])
    for line in lines:
        if line.startswith("slug-run web"):
            said[line] = run_and_ask(line, next(lines), place, env)
        elif line == LEFT_RUNNING:
            stack.callback(type_line, STOP, place, env)
            said[line] = type_line(with_a_free_port(line), place, env)
        elif line == STOP:
            stack.close()
        elif line != ALREADY_DONE:
            said[line] = type_line(line, place, env)
    return said


def test_the_six_things_to_try_work_as_they_stand(kit: Kit, place: Path) -> None:
    env = {**kit.env, "PATH": f"{place / 'bin'}:{kit.env['PATH']}"}
    with contextlib.ExitStack() as stack:
        said = type_all(place, env, stack)
    assert {line: said[line] for line, part in EXPECTED.items() if part not in said[line]} == {}
    pages = [page for line, page in said.items() if line.startswith("slug-run web")]
    assert ["Bonjour from Flask" in page for page in pages] == [True, False], pages
    assert all("Answered by <strong>web." in page for page in pages)
