"""rollout: the verdict on a release is written down once, and what follows goes by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support.values import changed
from runner.logbook.app_log import AppLog
from runner.state.errors import StateFileError
from runner.state.rollouts import Failure, Rollout, RolloutState
from runner.state.state import State, opened_state
from runner.state.values import App, NewRelease, ReleaseStatus
from runner.supervision.rollout import RolloutWatch
from runner.supervision.strategies import StrategyName, make_strategies
from runner.supervision.upkeep import STEADY_AFTER
from runner.supervision.wanted import Wanted
from slugc.procfile import ProcessType
from tests.unit.runner.supervision.fakes import Stage
from tests.unit.runner.supervision.test_upkeep import wanted

WEB, WORKER = ProcessType("web"), ProcessType("worker")


class Scene:
    """An app whose second release is rolled out by an upkeep on fakes."""

    def __init__(self, root: Path, state: State) -> None:
        self.state, self.app = state, state.create_app("polls")
        for status in (ReleaseStatus.SUCCEEDED, ReleaseStatus.PENDING):
            new = NewRelease(slug="s", config_vars={}, description="", who="me", status=status)
            state.add_release(self.app, lambda _, new=new: new)  # type: ignore[misc]  # bound now
        state.set_supervision(self.app, {})
        assert RolloutState(state, self.app).begin(2)
        (root / "records").mkdir()
        self.stage = Stage(root / "records")
        self.events: list[str] = []
        self.watch = RolloutWatch(
            root,
            upkeep=lambda: self.stage.upkeep,
            log=self.stage.log,
            log_dir=root / "log",
            tell=lambda event: self.events.append(f"{event['event']} {event['text']}"),
            reread=self.reread,
        )
        self.stage.upkeep.blame = self.watch.blame
        self.names: tuple[str, ...] = ("web.1",)

    def reread(self) -> None:
        rollout = RolloutState(self.state, self.app).current()
        current = self.state.current(self.app)
        assert current is not None
        version = current.version if rollout is None else rollout.version
        found = changed(wanted(*self.names, version=version), app=self.app, rollout=rollout)
        self.want(found)

    def want(self, found: Wanted | None) -> None:
        self.watch.follow(found)
        self.stage.upkeep.want(found)

    def begin(self, *names: str) -> None:
        """All runs as the first release; then the second is wanted."""
        self.names = names
        self.stage.upkeep.strategies = make_strategies(StrategyName.ROLLING, (WEB, WORKER), {})
        self.want(changed(wanted(*names), app=self.app))
        self.stage.go()
        self.reread()

    def go(self, seconds: float = 0.0) -> None:
        """In small steps, as in the supervisor: what happened, the verdict, then what follows."""
        for _ in range(max(1, int(seconds * 10))):
            for key, _ in self.stage.selector.select(0):
                key.data()
            due = self.watch.due()
            if due is not None and due <= self.stage.now:
                self.watch.attend()
            self.stage.go(0.1)

    @property
    def verdict(self) -> Rollout:
        found = RolloutState(self.state, self.app).of(2)
        assert found is not None
        return found

    def status(self) -> str:
        return str(self.state.release(self.app, 2).status)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with opened_state(tmp_path) as state:
        found = Scene(tmp_path, state)
        yield found
        found.stage.close()


def test_a_release_has_succeeded_when_all_of_it_is_up(scene: Scene) -> None:
    scene.begin("web.1", "web.2")
    assert scene.watch.is_open
    assert scene.status() == "pending"
    scene.go(1)
    assert scene.status() == "succeeded"
    assert RolloutState(scene.state, scene.app).current() is None
    assert "api: Release v2 is up" in scene.stage.log.lines


def test_what_has_no_port_has_to_run_for_a_while(scene: Scene) -> None:
    scene.begin("worker.1")
    scene.go(STEADY_AFTER - 0.5)
    assert scene.status() == "pending"
    scene.go(1)
    assert scene.status() == "succeeded"


def test_a_release_of_which_nothing_is_wanted_any_more_has_succeeded(scene: Scene) -> None:
    """Scaled to nothing while it is rolled out. A verdict that is due is due before the time that
    it is compared with: that was taken earlier."""
    scene.begin("web.1")
    scene.names = ()
    scene.reread()
    scene.stage.go(1)
    due = scene.watch.due()
    assert due is not None
    assert due < scene.stage.now
    scene.go()
    assert scene.status() == "succeeded"


def test_the_first_container_that_ends_decides_and_the_release_before_goes_on(
    scene: Scene,
) -> None:
    scene.begin("worker.1")
    scene.go(0.3)
    scene.stage.engine.started[-1].end(4)
    scene.go(1)
    assert scene.status() == "failed"
    failure = scene.verdict.failure
    assert failure == Failure(name="worker.1", text="exited with status 4")
    assert scene.events == ["rollout-failed worker.1 exited with status 4"]
    running = [live.record.running for live in scene.stage.upkeep.lives.values()]
    assert [(each.process_type, each.version) for each in running] == [("worker", 1)]
    assert len(scene.stage.engine.started) == 3  # not tried again


def test_of_several_failures_the_first_is_told(scene: Scene) -> None:
    scene.begin("web.1")
    first = Failure(name="web.1", text="exited with status 1")
    for failure in (first, Failure(name="web.2", text="exited with status 137")):
        scene.watch.blame(2, failure, "")
    scene.go()
    assert scene.verdict.failure == first


def test_a_container_of_the_old_release_that_ends_is_not_blamed_on_the_new_one(
    scene: Scene,
) -> None:
    scene.begin("web.1", "worker.1")
    old = next(each for each in scene.stage.engine.started if each.spec.name == "worker.1")
    old.end(1)
    scene.go(STEADY_AFTER + 1)
    assert scene.status() == "succeeded"


def test_nothing_is_judged_while_nothing_is_wanted(scene: Scene) -> None:
    scene.begin("web.1")
    scene.stage.upkeep.want(None)
    assert scene.watch.due() is None
    for each in scene.stage.engine.started:
        each.end(137)
    scene.go(1)
    assert scene.status() == "pending"


def test_a_verdict_that_cannot_be_written_is_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.begin("web.1")
    scene.stage.go(1)

    def refuse(home: Path) -> None:
        raise StateFileError(home, "No space left on device")

    monkeypatch.setattr("runner.supervision.rollout.opened_state", refuse)
    scene.watch.attend()
    assert scene.status() == "pending"
    assert scene.watch.is_open
    monkeypatch.undo()
    scene.watch.attend()
    assert scene.status() == "succeeded"


def test_the_last_lines_are_those_of_the_container_that_failed(
    scene: Scene, tmp_path: Path
) -> None:
    import os

    scene.begin("web.1")
    with AppLog(tmp_path / "log") as log:
        for key, text in (("run-a", "of another"), ("run-b", "no database\nbye")):
            reader, writer = os.pipe()
            os.write(writer, f"{text}\n".encode())
            os.close(writer)
            log.open_container(key, "web.1", reader)
            log.attend(key)
            log.close_container(key)
            os.close(reader)
    scene.watch.blame(2, Failure(name="web.1", text="exited with status 3"), "run-b")
    scene.watch.attend()
    failure = scene.verdict.failure
    assert failure is not None
    assert failure.last == ("no database", "bye")


def test_a_verdict_is_given_once(scene: Scene) -> None:
    rollouts = RolloutState(scene.state, scene.app)
    rollouts.fail(2, Failure(name="", text="first"))
    rollouts.succeed(2)
    rollouts.fail(2, Failure(name="", text="second"))
    assert scene.status() == "failed"
    assert scene.verdict.failure == Failure(name="", text="first")
    assert rollouts.current() is None
    assert set(rollouts.all()) == {2}
    rollouts.succeed(1)  # which nobody rolled out
    assert rollouts.of(1) is None


def test_without_anybody_to_roll_it_out_a_release_has_succeeded(scene: Scene) -> None:
    app: App = scene.state.create_app("shop")
    new = NewRelease(
        slug="s", config_vars={}, description="", who="me", status=ReleaseStatus.PENDING
    )
    scene.state.add_release(app, lambda _: new)
    assert not RolloutState(scene.state, app).begin(1)
    assert scene.state.release(app, 1).status is ReleaseStatus.SUCCEEDED
