"""plan: what a deploy would change, without values of config vars."""

from __future__ import annotations

import json
from dataclasses import replace

from runner.app_json.cron import parse_cron
from runner.deploys.plan import Plan, plan_deploy, with_tasks
from runner.deploys.plan_text import plan_document, plan_text
from runner.deploys.tables import shown_duration, shown_size
from runner.schedule.task import Task
from runner.state.values import WantedCount
from slugc.procfile import ProcessType
from slugc.slug import BuildpackRecord, Slug
from tests.unit.runner.deploys.counter import Counter


def plan_of(counter: Counter, after: Slug, before: Slug | None = None) -> Plan:
    current = counter.state.current(counter.app)
    newest = max((x.version for x in counter.state.releases(counter.app)), default=0)
    return plan_deploy(
        "polls",
        current=current,
        newest=newest,
        before=before,
        after=after,
        counts=counter.state.formation(counter.app),
    )


def test_a_first_deploy(counter: Counter) -> None:
    slug = counter.slug("one", {"web": "serve", "worker": "work"})
    size = sum(layer.size for layer in slug.metadata.layers)
    assert plan_text(plan_of(counter, slug), timeout=3600) == (
        "polls (no release) -> v1\n"
        f"  slug    {slug.metadata.checksum[7:15]} ({size} B)\n"
        f"  stack   {slug.metadata.stack.id}\n"
        "  types   + web (starts at 1)   + worker (starts at 0)\n"
        "  config  no change\n"
        "  order   web (1)\n"
    )


def test_what_another_slug_changes(counter: Counter) -> None:
    before = counter.slug(
        "one",
        {"web": "serve", "worker": "work", "clock": "tick"},
        config_vars={"OLD": "s3cret", "SAME": "x", "MINE": "s3cret"},
    )
    counter.deploy(before)
    counter.config(MINE="own s3cret")
    many = WantedCount(process_type=ProcessType("web"), quantity=2)
    counter.state.scale(counter.app, lambda _: [many])
    after = counter.slug(
        "two",
        {"web": "serve", "worker": "work hard", "beat": "b", "release": "migrate x://u:pw@h/d"},
        config_vars={"NEW": "s3cret", "SAME": "x", "MINE": "other s3cret"},
        content="y" * 3000,
        commit="abcdef0123",
    )
    old = BuildpackRecord(name="python", version="1", digest="", source="")
    before = replace(before, metadata=replace(before.metadata, buildpacks=(old,)))
    new = replace(old, version="2")
    after = replace(after, metadata=replace(after.metadata, buildpacks=(new,)))
    plan = plan_of(counter, after, before)
    text = plan_text(plan, timeout=90)
    sign = "-" if plan.growth < 0 else "+"
    assert text == (
        "polls v2 -> v3\n"
        f"  slug        {before.metadata.checksum[7:15]} -> {after.metadata.checksum[7:15]}"
        f" ({sign}{abs(plan.growth)} B; layers changed: app)\n"
        "  commit      abcdef01\n"
        "  buildpacks  ~ python 1 -> 2\n"
        "  types       - clock   ~ worker: command changed   + beat (starts at 0)   + release\n"
        "  config      ~ MINE (the slug's default; the app has its own, so nothing changes)"
        "   - OLD (the slug's default)   + NEW (the slug's default)\n"
        "  release     migrate x://***@h/d     runs first, 90s limit\n"
        "  order       then anew: web (2)\n"
    )
    document = plan_document(plan, timeout=90)
    assert "s3cret" not in json.dumps(document)
    assert "pw@" not in json.dumps(document)
    assert document["version"] == 3
    assert document["config_vars"] == [
        {"name": "MINE", "change": "changed"},
        {"name": "OLD", "change": "removed"},
        {"name": "NEW", "change": "added"},
    ]
    assert document["release_command"] == "migrate x://***@h/d"
    assert document["formation"] == {"beat": 0, "web": 2, "worker": 0}


def cron(**times: str) -> tuple[Task, ...]:
    entries = [{"name": x, "command": "x://u:pw@h/d", "schedule": y} for x, y in times.items()]
    return parse_cron(json.dumps({"cron": entries}).encode())


def test_what_becomes_of_the_tasks_in_app_json(counter: Counter) -> None:
    before, after = (
        cron(same="@daily", gone="@daily", moved="@daily"),
        cron(same="@daily", moved="@hourly", fresh="0 3 * * *"),
    )
    plan = with_tasks(plan_of(counter, counter.slug("one")), before, after)
    assert (
        "  tasks   - gone   ~ moved (@hourly UTC: x://***@h/d)"
        "   + fresh (0 3 * * * UTC: x://***@h/d)\n"
    ) in plan_text(plan, timeout=1)
    document = plan_document(plan, timeout=1)
    assert "pw@" not in json.dumps(document)
    assert document["tasks"][1] == {  # type: ignore[index]  # a list
        "name": "moved",
        "change": "changed",
        "before": "@daily UTC: x://***@h/d",
        "after": "@hourly UTC: x://***@h/d",
    }


def test_the_same_slug_changes_nothing(counter: Counter) -> None:
    slug = counter.slug("one")
    counter.deploy(slug)
    plan = plan_of(counter, slug, slug)
    assert not plan.is_change
    assert plan_text(plan, timeout=1) == (
        f"polls v1 has the slug {slug.metadata.checksum[7:15]} already: nothing to do\n"
    )
    document = plan_document(plan, timeout=1)
    assert (document["changes"], document["version"]) == (False, None)


def test_where_the_slug_that_runs_is_gone_it_says_so(counter: Counter) -> None:
    one, two = counter.slug("one"), counter.slug("two")
    counter.deploy(one)
    assert f"{one.metadata.checksum[7:15]} is gone, so changes are unknown" in plan_text(
        plan_of(counter, two, None), timeout=1
    )


def test_sizes_and_durations_are_short() -> None:
    assert [shown_size(x) for x in (0, 999, 1000, 27_300_000, -1_200_000, 3_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "27.3 MB", "1.2 MB", "3.0 GB",
    ]  # fmt: skip
    assert [shown_duration(x) for x in (3600, 7200, 90, 120, 0.5)] == [
        "1h", "2h", "90s", "2m", "0.5s",
    ]  # fmt: skip
