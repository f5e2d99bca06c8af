"""What `slugc lint` says of sources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.requests import COMMANDS
from slugc.linting.finding import Finding, Severity
from slugc.linting.lint import exit_code, lint_from_options, lint_source
from slugc.linting.own_buildpack import findings_in
from slugc.linting.procfile import RUNNER_COMMANDS
from slugc.sources.errors import SourceKindError
from tests.unit.slugc.linting.linted import linted

AWS = "AKIA" + "ABCDEFGHIJKLMNOP"
FIXTURES = Path(__file__).parents[4] / "fixtures"


@pytest.mark.parametrize(
    ("procfile", "said"),
    [
        ("web: gunicorn app:app\nrelease: ./migrate\n", []),
        ("web: gunicorn -b 0.0.0.0:$PORT app:app\n", []),
        ("worker: x --port 9000\n", []),
        (
            "web gunicorn\n",
            ["Procfile:1:1: error: 'web gunicorn' has no colon [procfile]"],
        ),
        (
            "web: gunicorn -b :8000 app:app\n",
            [
                "Procfile:1:15: warning: web listens on port 8000; requests come to the port that"
                " $PORT names [fixed-port]"
            ],
        ),
        (
            "web: python manage.py runserver\n",
            [
                "Procfile:1:13: warning: 'manage.py runserver' is for development: slow, and open"
                " to who finds it [development-server]"
            ],
        ),
        (
            "web: serve &\n",
            [
                "Procfile:1:12: warning: 'web' goes to the background: its container ends as soon"
                " as it has started [background]"
            ],
        ),
        (
            "\n  my-task: x\n",
            [
                "Procfile:2:3: warning: 'my-task' does not work everywhere: Scalingo and Heroku's"
                " local runner take no '-' in it [type-not-portable]"
            ],
        ),
        (
            "a_b: x\n",
            [
                "Procfile:1:1: warning: 'a_b' does not work everywhere: Kubernetes takes no '_' in"
                " a name [type-not-portable]"
            ],
        ),
        (
            "Web: x\n",
            [
                "Procfile:1:1: warning: 'Web' does not work everywhere: Kubernetes takes"
                " lower-case names only [type-not-portable]"
            ],
        ),
        (
            "logs: x\n",
            [
                "Procfile:1:1: warning: 'logs' is a command of slug-run too; to start it:"
                " slug-run start logs [type-is-command]"
            ],
        ),
        ("web: x\nconsole: y\n", []),
        (
            "release: x\n",
            [
                "Procfile: warning: it names 'release' alone, which runs once before the others:"
                " there are none [only-release]"
            ],
        ),
    ],
)
def test_procfiles(tmp_path: Path, procfile: str, said: list[str]) -> None:
    assert linted(tmp_path, Procfile=procfile) == said


def test_a_procfile_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "Procfile").mkdir()

    assert linted(tmp_path) == ["Procfile: error: it is a directory, not a regular file [procfile]"]


def test_a_slug_of_nothing_but_the_procfile_is_an_error(tmp_path: Path) -> None:
    said = linted(tmp_path, Procfile="web: x\n", _slugignore="*\n")
    assert (
        ".slugignore: error: leaves out all 1 entries, so the slug would be empty [source-empty]"
        in said
    )


def test_a_byte_order_mark_is_told(tmp_path: Path) -> None:
    assert linted(tmp_path, Procfile="\ufeffweb: x\n") == [
        "Procfile:1:1: warning: it begins with a byte order mark [byte-order-mark]"
    ]


def test_words_that_slug_run_takes_for_commands_are_known() -> None:
    assert set(COMMANDS) <= RUNNER_COMMANDS, "add the new command to slugc/linting/procfile.py"


def test_slugignore(tmp_path: Path) -> None:
    ignore = "docs/\n!docs/index.html\n*.mp4\nrequirements.txt\nProcfile\n"
    said = linted(
        tmp_path, _slugignore=ignore, Procfile="web: x\n", docs__index="", requirements_txt=""
    )
    (tmp_path / "requirements.txt").touch()

    assert linted(tmp_path) == [
        ".slugignore:2:1: warning: brings nothing back: 'docs/' itself is left out [keeps-in-vain]",
        ".slugignore:3:1: note: '*.mp4' leaves nothing out that is there and not left out already"
        " [leaves-nothing-out]",
        ".slugignore:4:1: warning: leaves out requirements.txt, which buildpacks look for"
        " [leaves-out]",
        ".slugignore:5:1: warning: leaves out the Procfile, which is kept all the same"
        " [leaves-out]",
    ]
    assert len(said) == 4


def test_slugignore_files_that_cannot_be_used(tmp_path: Path) -> None:
    said = linted(tmp_path, _slugignore="ok\n../x\n", **{"_slugignore.after": "a/../../b\n"})

    assert said == [
        ".slugignore:2:1: error: '../x' points outside the source [slugignore]",
        ".slugignore.after:1:1: error: 'a/../../b' points outside the source [slugignore]",
    ]


def test_a_lock_nobody_can_read(tmp_path: Path) -> None:
    (said,) = linted(tmp_path, **{"buildpacks.lock": "version = 2\n"})

    assert said.startswith("buildpacks.lock: error: 'version' is not 1")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f'key = "{AWS}"', "1:8: warning: this looks like an access key of AWS"),
        ("-----BEGIN RSA PRIVATE KEY-----", "1:1: warning: this looks like a private key"),
        (f"t = 'ghp_{'a1' * 18}'", "1:6: warning: this looks like a token of GitHub"),
        ("u = 'postgres://me:s3cr3t-x@db/x'", "1:17: warning: this looks like a password in a URL"),
        (
            "SECRET_KEY = 'django-insecure-abc'",
            "1:1: warning: this looks like the key that Django makes for development",
        ),
    ],
)
def test_secrets_in_files(tmp_path: Path, line: str, what: str) -> None:
    assert linted(tmp_path, settings=line) == [
        f"settings:{what}; give secrets as config vars [secret]"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "postgres://user:password@localhost/db",
        "postgres://${USER}:${PASSWORD}@host/db",
        "redis://:{password}@host",
        "git@github.com:owner/app.git",
        "SECRET_KEY = os.environ['SECRET_KEY']",
        f"\0{AWS}",
    ],
)
def test_examples_of_secrets_are_none(tmp_path: Path, line: str) -> None:
    assert linted(tmp_path, settings=line) == []


def test_what_is_left_out_needs_no_finding(tmp_path: Path) -> None:
    secret = f'key = "{AWS}"'
    said = linted(tmp_path, _slugignore="*.pem\nprivate/\n", private__a=secret, **{"x.pem": ""})
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "venv" / "a.pem").touch()

    assert said == linted(tmp_path) == []


def test_what_no_slug_can_hold(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").symlink_to("../outside")
    (tmp_path / "in").symlink_to("pipe")

    assert linted(tmp_path) == [
        "out: error: a link out of the source, to ../outside [source-refused]",
        "pipe: error: a FIFO [source-refused]",
    ]


def test_a_source_without_a_file(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert linted(tmp_path) == [".: error: there is no file to build from [source-empty]"]

    said = linted(tmp_path, **{".slugignore": "*\n", "app.py": ""})
    assert said == [
        ".slugignore: error: leaves out all 3 entries, so the slug would be empty [source-empty]"
    ]


def test_our_own_buildpack_is_asked_for_what_it_alone_knows(tmp_path: Path) -> None:
    said = linted(tmp_path, **{"requirements.txt": "flask==3.1.3\nimport flask\n"})

    assert said == [
        "requirements.txt:2:1: error: import flask (Your requirements have a line that cannot be"
        " understood) [python]"
    ]


def test_it_sees_the_source_as_a_build_does() -> None:
    """A virtualenv is left out before any buildpack looks."""
    assert lint_source(FIXTURES / "venv_in_source", {}) == ()


def test_it_is_not_asked_where_another_one_builds(tmp_path: Path) -> None:
    said = linted(
        tmp_path,
        _buildpacks="https://host/a.git\n",
        **{"requirements.txt": "flask==3.1.3\nimport flask\n"},
    )

    assert said == []


def test_blocks_of_a_buildpack_become_findings() -> None:
    said = [
        "",
        " !     Warning: Old",
        " !",
        " !     It is old.",
        "",
        "",
        " !     Error: Bad",
        " !",
        " !     a.txt:2:7: wrong",
        " !     b.txt:3 says so",
    ]

    assert [one.shown for one in findings_in(said)] == [
        ".: warning: Old. It is old. [python]",
        "a.txt:2:7: error: wrong (Bad) [python]",
        "b.txt:3:1: error: says so (Bad) [python]",
    ]


@pytest.mark.parametrize(
    ("severities", "code"),
    [((), 0), (("note",), 0), (("note", "warning"), 1), (("warning", "error"), 65)],
)
def test_the_exit_code_says_how_bad_it_is(severities: tuple[str, ...], code: int) -> None:
    assert exit_code([Finding(severity=Severity(x), id="", text="") for x in severities]) == code


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: x --port 80\n")

    done = slugc(tmp_path, "lint")
    assert (done.returncode, done.stderr) == (1, "1 warning.\n")
    assert done.stdout.startswith("Procfile:1:8: warning: ")

    as_json = slugc(tmp_path, "lint", "--json")
    assert (as_json.returncode, as_json.stderr) == (1, "")
    assert json.loads(as_json.stdout) == [
        {
            "file": "Procfile",
            "line": 1,
            "column": 8,
            "severity": "warning",
            "id": "fixed-port",
            "text": "web listens on port 80; requests come to the port that $PORT names",
        }
    ]


def slugc(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env: Mapping[str, str] = {
        **os.environ,
        "PYTHONPATH": os.fspath(FIXTURES.parent),
        "SLUGKIT_HOME": os.fspath(cwd / ".home"),
    }
    return subprocess.run(
        (sys.executable, "-m", "slugc.main", *words),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_directories_alone_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").touch()

    with pytest.raises(SourceKindError):
        lint_from_options("a.tgz", as_json=False, env={}, cwd=tmp_path)
