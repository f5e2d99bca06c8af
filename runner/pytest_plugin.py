"""The pytest plugin ``slugkit``: fixtures that build an app into a slug and serve it.

docs/api.md is its guide. It is loaded wherever Slugkit is installed, so it does nothing unless a
fixture is asked for, and imports nothing of ours before. It stands above all three rooms, like a
user's program, and uses only what they export.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from runner import RunningFormation, SlugkitError
    from slugc import Slug

UNAVAILABLE = 69  # buildpack.support.errors.ExitCode, which is not imported for a number
ENGINES, SANDBOXES = ("embedded", "docker", "host"), ("embedded", "docker", "none")


class Build(Protocol):
    """What the fixture ``slugkit_build`` is."""

    def __call__(self, source: str | os.PathLike[str] | None = None, **arguments: Any) -> Slug: ...


class Serve(Protocol):
    """What the fixture ``slugkit_serve`` is."""

    def __call__(
        self,
        slug: str | os.PathLike[str] | None = None,
        *,
        formation: Mapping[str, int] | None = None,
        config_vars: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> RunningFormation: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plugin, and the settings that stand for them."""
    group = parser.getgroup("slugkit", "Slugkit: build and serve an app")
    group.addoption(
        "--slugkit-app", metavar="DIR", help="The app to build. Default: slugkit_app, or rootdir."
    )
    group.addoption("--slugkit-engine", choices=ENGINES, help="What runs containers.")
    group.addoption("--slugkit-sandbox", choices=SANDBOXES, help="Where builds run.")
    group.addoption(
        "--slugkit-require",
        action="store_true",
        help="Fail instead of skipping where nothing can build or run here.",
    )
    parser.addini("slugkit_app", "The app's directory, from rootdir.", default="")
    parser.addini("slugkit_buildpacks", "Buildpacks, one a line, in order.", type="linelist")
    parser.addini("slugkit_engine", "embedded, docker or host.", default="")
    parser.addini("slugkit_sandbox", "embedded, docker or none.", default="")
    parser.addini("slugkit_require", "Fail instead of skipping.", type="bool", default=False)


@pytest.fixture(scope="session")
def slugkit_build(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``slugkit_build(source)`` gives the slug of an app; the same question is answered once.

    Takes the arguments of ``slugc.build_slug``. Processes of pytest-xdist share the slugs.
    """
    place = _shared_dir(tmp_path_factory)

    def build(source: str | os.PathLike[str] | None = None, **arguments: Any) -> Slug:
        app = _app(pytestconfig, source)
        given = {**_build_settings(pytestconfig), **arguments}
        with _told(pytestconfig):
            return _built(app, place, given)

    return build


@pytest.fixture(scope="session")
def slugkit_serve(pytestconfig: pytest.Config, slugkit_build: Build) -> Iterator[Serve]:
    """``slugkit_serve(slug)`` starts it and gives what ``runner.start`` gives, until the session
    ends. Without a slug the app is built first; the same question is answered once."""
    with contextlib.ExitStack() as stack:
        running: dict[str, RunningFormation] = {}

        def serve(
            slug: str | os.PathLike[str] | None = None,
            *,
            formation: Mapping[str, int] | None = None,
            config_vars: Mapping[str, str] | None = None,
            **arguments: Any,
        ) -> RunningFormation:
            import runner

            path = os.fspath(slugkit_build() if slug is None else slug)
            given = {"engine": _setting(pytestconfig, "engine") or None, **arguments}
            question = repr((path, formation, config_vars, sorted(given.items())))
            if question not in running:
                with _told(pytestconfig):
                    running[question] = stack.enter_context(
                        runner.start(
                            path, formation=formation, config_vars=config_vars or {}, **given
                        )
                    )
            return running[question]

        yield serve


@pytest.fixture(scope="session")
def slugkit_url(slugkit_serve: Serve) -> str:
    """Where the app that is tested answers: it is built and served first."""
    return slugkit_serve().url


def _setting(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"slugkit_{name}") or config.getini(f"slugkit_{name}"))


def _build_settings(config: pytest.Config) -> dict[str, Any]:
    buildpacks: list[str] = config.getini("slugkit_buildpacks")
    # One that starts with a dot is a directory, from rootdir as all settings are.
    specs = [str(config.rootpath / each) if each[0] == "." else each for each in buildpacks]
    return {"buildpacks": specs, "sandbox": _setting(config, "sandbox") or None}


def _app(config: pytest.Config, source: str | os.PathLike[str] | None) -> str:
    """What to build. Directories are looked for in rootdir, wherever pytest was started."""
    chosen = os.fspath(source) if source is not None else ""
    if not chosen and (typed := config.getoption("slugkit_app")):
        return str(config.invocation_params.dir / typed)
    return str(config.rootpath / (chosen or config.getini("slugkit_app")))


def _built(app: str, place: Path, arguments: Mapping[str, Any]) -> Slug:
    import slugc
    from buildpack.support.locks import locked

    question = repr((app, sorted(arguments.items())))
    name = hashlib.sha256(question.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    slug = place / f"{name}.slug"
    with locked(place / f"{name}.lock", timeout=3600):
        if slug.exists():  # it appears whole
            return slugc.Slug.open(slug)
        return slugc.build_slug(app, output=slug, **arguments).slug


def _shared_dir(factory: pytest.TempPathFactory) -> Path:
    """One directory for all processes of this session."""
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "slugkit"
    place.mkdir(exist_ok=True)
    return place


@contextlib.contextmanager
def _told(config: pytest.Config) -> Iterator[None]:
    """What cannot be done is the test's result, in our words, without our code."""
    from runner import SlugkitError

    try:
        yield
    except SlugkitError as err:
        raise _result(config, err) from None  # or pytest would show the same words twice


def _result(config: pytest.Config, error: SlugkitError) -> BaseException:
    is_required = config.getoption("slugkit_require") or config.getini("slugkit_require")
    if int(error.exit_code) == UNAVAILABLE and not is_required:
        return pytest.skip.Exception(f"slugkit: {' '.join(error.text().split())}")
    return pytest.fail.Exception(f"slugkit: {error.text()}", pytrace=False)
