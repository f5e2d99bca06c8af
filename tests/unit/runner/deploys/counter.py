"""A desk over an empty data directory, slugs of a few bytes, and an engine that starts nothing."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.deploys.deploy import Deployed, DeployRequest, deploy, read_deployable
from runner.deploys.desk import Desk
from runner.deploys.narrator import Narrator
from runner.deploys.phase import PhaseOptions
from runner.engine_choice import EngineChoice
from runner.engines.base import EngineRequest
from runner.state.state import State, opened_state
from runner.state.values import App, NewRelease
from slugc.packing.slug_writer import write_slug
from slugc.privileges import data_dir
from slugc.procfile import ProcessType
from slugc.slug import Slug, SlugFacts, read_slug
from slugc.stack import Stack, read_host_stack
from slugc.store import Store
from tests.unit.runner.fakes import Behaviour, FakeEngine

OPTIONS = PhaseOptions(engine=EngineChoice(name="fake", asked=True), timeout=20)


def a_slug_file(
    path: Path,
    types: Mapping[str, str],
    *,
    content: str = "",
    config_vars: Mapping[str, str] | None = None,
    stack: Stack | None = None,
    commit: str | None = None,
) -> Slug:
    """A real slug, made in milliseconds."""
    tree = path.parent / f"tree-{path.name}"
    tree.mkdir(exist_ok=True)
    (tree / "file").write_text(content or path.name)
    facts = SlugFacts(
        name="polls",
        stack=stack or read_host_stack(),
        buildpacks=(),
        process_types={ProcessType(name): command for name, command in types.items()},
        config_vars=config_vars or {},
        commit=commit,
    )
    write_slug(tree, path, facts=facts, store=Store(path.parent / "packing"))
    return read_slug(path)


@dataclass(slots=True, kw_only=True)
class Counter:
    """Where deploys are handed in."""

    root: Path
    desk: Desk
    app: App
    out: io.StringIO
    err: io.StringIO
    behaviours: dict[str, Sequence[Behaviour]] = field(default_factory=dict)
    """what the release command of each version does; at first it ends well"""
    requests: list[EngineRequest] = field(default_factory=list)
    engines: list[FakeEngine] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.desk.state

    def slug(self, name: str, types: Mapping[str, str] | None = None, **more: Any) -> Slug:
        wanted = types if types is not None else {"web": "serve"}
        return a_slug_file(self.root / f"{name}.slug", wanted, **more)

    def deploy(self, slug: Slug, *, app: App | None = None, **more: Any) -> Deployed:
        request = DeployRequest(slug_file=slug.archive, options=OPTIONS, **more)
        return deploy(self.desk, app or self.app, read_deployable(self.desk, request), request)

    def config(self, app: App | None = None, **config_vars: str) -> None:
        """What `slug-run config set` does to the state."""

        def edit(current: object) -> NewRelease:
            now = self.state.current(app or self.app)
            old = dict(now.config_vars) if now else {}
            return NewRelease(
                slug=now.slug if now else None,
                config_vars={**old, **config_vars},
                description="Set",
                who="bob",
            )

        self.state.add_release(app or self.app, edit)

    def release_command(self, version: int, behaviour: Behaviour) -> None:
        self.behaviours[f"release.{version}"] = (behaviour,)

    def statuses(self, app: App | None = None) -> dict[str, str]:
        found = self.state.releases(app or self.app)
        return {release.label: str(release.status) for release in reversed(found)}

    def current(self, app: App | None = None) -> str:
        found = self.state.current(app or self.app)
        assert found is not None
        return found.label

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


@contextlib.contextmanager
def opened_counter(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    home = data_dir({"SLUGKIT_HOME": str(root / "home")})
    out, err = io.StringIO(), io.StringIO()
    with opened_state(home) as state:
        desk = Desk(
            data_dir=home,
            state=state,
            env={"SLUGKIT_HOME": str(home)},
            who="alice",
            narrator=Narrator(out=out, err=err),
            patience=0.2,
        )
        app = state.create_app("polls")
        counter = Counter(root=root, desk=desk, app=app, out=out, err=err)

        @contextlib.contextmanager
        def opened(choice: EngineChoice, request: EngineRequest) -> Iterator[FakeEngine]:
            counter.requests.append(request)
            # Without a word said of it, a release command ends well.
            engine = FakeEngine(_Otherwise(counter.behaviours))
            counter.engines.append(engine)
            yield engine

        monkeypatch.setattr("runner.engine_choice.opened_engine", opened)
        yield counter


class _Otherwise(dict[str, Sequence[Behaviour]]):
    def __bool__(self) -> bool:
        return True  # also when nothing was said

    def get(self, key: str, default: object = None) -> Any:
        return super().get(key, (Behaviour(exits=0, output=b"migrated\n"),))
