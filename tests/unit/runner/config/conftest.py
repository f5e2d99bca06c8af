"""A data directory of its own for each test, and the command line in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from buildpack.support.values import value
from runner.main import main
from runner.state.state import State, opened_state
from runner.state.values import ReleaseRecord

Said = tuple[int, str, str]


@value
class SlugRun:
    """``slug-run`` with words, standard input, and what it left in the state file."""

    home: Path
    run: Callable[..., Said]

    def __call__(self, *words: str, stdin: bytes = b"") -> Said:
        """The exit code, standard output and standard error."""
        return self.run(words, stdin)

    def done(self, *words: str, stdin: bytes = b"") -> str:
        """What it printed; it must end well."""
        code, out, err = self(*words, stdin=stdin)
        assert code == 0, err
        return out

    def releases(self, app: str = "polls") -> tuple[ReleaseRecord, ...]:
        with opened_state(self.home) as state:
            return state.releases(state.app(app))

    def config_vars(self, app: str = "polls") -> dict[str, str]:
        found = self.releases(app)
        return dict(found[0].config_vars) if found else {}

    def state(self, change: Callable[[State], object]) -> None:
        with opened_state(self.home) as state:
            change(state)


@pytest.fixture
def slug_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> SlugRun:
    home = tmp_path / "home"
    monkeypatch.setenv("SLUGKIT_HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LOGNAME", "me")
    for name in ("SLUG_RUN_APP", "HEROKU_APP", "SUDO_USER", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(words: tuple[str, ...], stdin: bytes) -> Said:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            code = main(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return SlugRun(home=home, run=run)


@pytest.fixture
def polls(slug_run: SlugRun) -> SlugRun:
    """With one app, called polls."""
    slug_run.done("apps", "create", "polls")
    return slug_run
