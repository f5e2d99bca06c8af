"""Builds, containers and prunes at once, in one store: nobody disturbs anybody.

SLUGKIT_RACES says how many rounds (4).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from slugc.slug import read_slug
from slugc.store import Store
from slugc.upkeep.prune import PruneRequest, prune
from tests.faults.tiny_builds import Ended, Tiny, digest, make_tiny

ROUNDS = int(os.environ.get("SLUGKIT_RACES", "4"))


@pytest.fixture
def tiny(open_dir: Path) -> Tiny:
    return make_tiny(open_dir)


def other_app(tiny: Tiny, name: str) -> Path:
    app = tiny.root / name
    app.mkdir()
    (app / "main.txt").write_text(f"{name}\n")
    return app


def use_layers(home: Path, slug: Path, seed: int, over: Event) -> None:
    """What slug-run does with a store, again and again: hold the layers, and read all of them."""
    pauses = random.Random(seed)
    found = read_slug(slug)
    while not over.is_set():
        with Store(home / "store").layers_in_use(found) as layers:
            for _ in range(3):
                count = sum(path.stat().st_nlink for layer in layers for path in layer.rglob("*"))
                assert count >= 8, "an app with all its files"
                time.sleep(pauses.uniform(0, 0.02))


def prune_all(home: Path, seed: int, over: Event) -> None:
    pauses = random.Random(seed)
    while not over.is_set():
        prune(PruneRequest(data_dir=home, older_than=0, max_size=None))
        time.sleep(pauses.uniform(0, 0.05))


def test_builds_containers_and_prunes_at_once(tiny: Tiny) -> None:
    outputs = [tiny.root / "app.slug", tiny.root / "second.slug"]
    apps = [tiny.app, other_app(tiny, "second")]
    for app, output in zip(apps, outputs, strict=True):
        assert tiny.build(output, app=app).code == 0
    expected = [digest(output) for output in outputs]
    kept = tiny.root / "kept.slug"  # for containers, while builds replace the others
    kept.write_bytes(outputs[0].read_bytes())
    fork = multiprocessing.get_context("fork")
    over = fork.Event()

    def build(which: int) -> Ended:
        return tiny.build(outputs[which], app=apps[which])

    others = [fork.Process(target=use_layers, args=(tiny.home, kept, n, over)) for n in (1, 2)]
    others += [fork.Process(target=prune_all, args=(tiny.home, n, over)) for n in (3, 4)]
    for process in others:
        process.start()
    try:
        for _ in range(ROUNDS):
            with ThreadPoolExecutor(2) as pool:
                ended = list(pool.map(build, (0, 1)))
            assert [each.code for each in ended] == [0, 0], ended
            assert [digest(output) for output in outputs] == expected
    finally:
        over.set()
    for process in others:
        process.join(60)
        assert process.exitcode == 0
    assert tiny.problems() == ()


def test_two_builds_of_one_app_at_once(tiny: Tiny) -> None:
    outputs = [tiny.root / f"{number}.slug" for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        ended: list[Ended] = list(
            pool.map(lambda output: tiny.build(output, "--name", "app"), outputs)
        )
    assert [each.code for each in ended] == [0, 0, 0], ended
    assert len({digest(output) for output in outputs}) == 1
    alone = make_tiny(tiny.root / "alone")
    assert alone.build(alone.root / "app.slug", "--name", "app").code == 0
    assert digest(alone.root / "app.slug") == digest(outputs[0])
    assert tiny.problems() == ()


def test_two_apps_at_once_give_what_each_gives_alone(tiny: Tiny) -> None:
    second = other_app(tiny, "second")
    pairs = [(tiny.app, tiny.root / "app.slug"), (second, tiny.root / "second.slug")]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda pair: tiny.build(pair[1], app=pair[0]), pairs))
    assert [each.code for each in ended] == [0, 0], ended
    for app, output in pairs:
        alone = Tiny(root=tiny.root, home=tiny.root / f"home-{app.name}")
        again = tiny.root / "alone" / output.name
        again.parent.mkdir(exist_ok=True)
        assert alone.build(again, app=app).code == 0
        assert digest(again) == digest(output)
    assert tiny.problems() == ()


def test_a_build_waits_for_another_and_says_so(tiny: Tiny) -> None:
    output = tiny.root / "app.slug"
    slow = subprocess.Popen(
        tiny.build_argv(output, "-q", "--env", "PAUSE=1"), cwd=tiny.root, env=tiny.env
    )
    lock = tiny.home / "cache"
    while not list(lock.glob("*/lock")):
        time.sleep(0.01)
    time.sleep(0.1)
    ended = tiny.run(*tiny.build_argv(output))
    assert slow.wait(30) == 0
    assert ended.code == 0
    told = f"Another build of this app is running (process {slow.pid}); waiting for it."
    assert told in ended.stderr
