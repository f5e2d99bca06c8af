"""From a fresh clone, and from an installed package, to a running app."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.support import FIXTURES, ROOT, Kit, ask, free_port

pytestmark = [pytest.mark.integration, pytest.mark.network]

# An id without an account: nothing on the machine is open to it that is not open to everybody.
ORDINARY_UID = 54321
ORDINARY_USER = ("setpriv", f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups")
ROOT_USER = ()

# How this machine reaches the package index.
NETWORK = ("PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

CLONE = ("git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks")


def run(
    argv: Sequence[str], *, cwd: Path, timeout: float = 400, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def clone(session_dir: Path) -> Path:
    """A fresh clone: what is committed, and nothing else."""
    directory = session_dir / "clone"
    done = run((*CLONE, str(ROOT), str(directory)), cwd=session_dir)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.embedded
def test_quickstart_goes_from_a_fresh_clone_to_two_answering_containers(
    clone: Path, open_dir: Path
) -> None:
    argv = ("bin/quickstart", "--check", "--port", str(free_port()))
    done = run(argv, cwd=clone, SLUGKIT_HOME=str(open_dir / "data"))
    assert done.returncode == 0, done.stderr
    assert "       web.1 answers\n" in done.stderr
    assert "       web.2 answers\n" in done.stderr


@pytest.mark.embedded
def test_quickstart_takes_an_app_and_a_count(clone: Path, open_dir: Path) -> None:
    app = str(FIXTURES["flask_hello"].directory)
    argv = ("bin/quickstart", app, "--check", "--count", "1", "--port", str(free_port()))
    done = run(argv, cwd=clone, SLUGKIT_HOME=str(open_dir / "data"))
    assert done.returncode == 0, done.stderr
    assert "web.1 answers" in done.stderr
    assert "web.2" not in done.stderr


@pytest.mark.embedded
def test_quickstart_passes_on_why_an_app_cannot_be_run(clone: Path, open_dir: Path) -> None:
    app = str(FIXTURES["worker_only"].directory)
    argv = ("bin/quickstart", app, "--check", "--port", str(free_port()))
    done = run(argv, cwd=clone, SLUGKIT_HOME=str(open_dir / "data"))
    assert done.returncode == 64
    assert "There is no process type or command called 'web'" in done.stderr
    assert " !     The containers did not all answer\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--count", "0"], 64, "--count needs a number from 1 on, not '0'"),
        (["--port"], 64, "--port needs a number"),
        (["--port=70000"], 64, "--port goes up to 65535, not to 70000"),
        (["--cuont", "2"], 64, "Unknown option '--cuont'"),
        (["one", "two"], 64, "One app directory, not two: 'one' and 'two'"),
        (["no/such/app"], 66, "There is no directory 'no/such/app'"),
    ],
)
def test_quickstart_refuses_what_makes_no_sense(
    arguments: list[str], code: int, words: str
) -> None:
    done = run(("bin/quickstart", *arguments), cwd=ROOT, timeout=20)
    assert done.returncode == code
    assert f" !     {words}\n" in done.stderr


@pytest.fixture(scope="module")
def installed(clone: Path, session_dir: Path) -> Path:
    """The bin directory of an environment of its own, after `pip install .` there."""
    venv = session_dir / "installed"
    debian = Path("/usr/bin/python3")
    # Ordinary users must reach its interpreter too; the tests' own may lie in somebody's home.
    python = debian if debian.exists() else Path(sys.executable)
    made = run((str(python), "-m", "venv", "--without-pip", str(venv)), cwd=session_dir)
    assert made.returncode == 0, made.stderr
    pip = (sys.executable, "-m", "pip", f"--python={venv / 'bin/python'}", "install", "--quiet")
    done = run((*pip, "--disable-pip-version-check", "."), cwd=clone)
    assert done.returncode == 0, done.stderr
    return venv / "bin"


def installed_kit(installed: Path, home: Path, as_user: Sequence[str] = ()) -> Kit:
    """The installed commands, with nothing of the checkout or of the builder's Pythons in reach."""
    own = {"HOME": str(home), "SLUGKIT_HOME": str(home / "data"), "PYENV_ROOT": "/nonexistent"}
    kept = {name: value for name, value in os.environ.items() if name.startswith(NETWORK)}
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **kept, **own}
    slugc = (*as_user, str(installed / "slugc"))
    return Kit(home=home, env=env, slugc=slugc, slug_run=(*as_user, str(installed / "slug-run")))


@pytest.mark.embedded
def test_the_installed_commands_build_and_run_an_app(installed: Path, open_dir: Path) -> None:
    kit, port = installed_kit(installed, open_dir), free_port()
    slug = open_dir / "hello.slug"
    kit.build(FIXTURES["flask_hello"].directory, slug)
    with kit.running(slug, "web", "--port", str(port), engine="embedded") as run:
        run.wait_for_http(port)
        assert "Answered by <strong>web.1</strong>" in ask(port).text
        assert run.stop() == 128 + 15


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_builds_the_same_bytes(installed: Path, open_dir: Path) -> None:
    source = open_dir / "flask_hello"
    shutil.copytree(FIXTURES["flask_hello"].directory, source)
    slugs: list[bytes] = []
    for who in (ROOT_USER, ORDINARY_USER):
        home = open_dir / f"home-{len(slugs)}"
        home.mkdir()
        if who:
            os.chown(home, ORDINARY_UID, ORDINARY_UID)
        slug = home / "hello.slug"
        installed_kit(installed, home, who).build(source, slug)
        slugs.append(slug.read_bytes())
    assert slugs[0] == slugs[1]
