"""What `slugc lint` says of .env, app.json, lists of buildpacks and their lock."""

from __future__ import annotations

from pathlib import Path

from tests.unit.slugc.linting.linted import linted


def test_env_files(tmp_path: Path) -> None:
    assert linted(tmp_path, _env="A=1\nB\nC='open\n") == [
        ".env: warning: it may be secret, and the slug will hold it; name it in .slugignore"
        " [secret-file]",
        ".env:2:1: warning: 'B' has no '=' [env-file]",
        ".env:3:3: warning: the quote ' is never closed [env-file]",
    ]


def test_app_json(tmp_path: Path) -> None:
    document = """{
  "name": 3,
  "env": {"A": "x", "B": 1, "C": {"generator": "dice"}},
  "formation": {"web": {"quantity": -1}, "clock": {"quantity": 1}},
  "scripts": {"postdeploy": ["x"]}
}"""
    said = linted(tmp_path, Procfile="web: x\n", **{"app.json": document})

    assert said == [
        "app.json:2:3: warning: 'name' is not a text [app-json]",
        "app.json:3:21: warning: 'env.B' is neither a text nor an object [app-json]",
        "app.json:3:29: warning: 'env.C' has a 'generator' other than 'secret' [app-json]",
        "app.json:4:17: warning: 'formation.web' has no 'quantity' that is a whole number from 0"
        " [app-json]",
        "app.json:4:42: warning: 'formation.clock' is not in the Procfile [app-json]",
        "app.json:5:15: warning: 'scripts.postdeploy' is not a text [app-json]",
    ]


def test_what_slug_run_goes_by_in_app_json(tmp_path: Path) -> None:
    document = """{
  "cron": [
    {"command": "a", "schedule": "@daily"},
    {"command": "b", "schedule": "61 * * * *"}
  ],
  "healthchecks": {"web": [
    {"path": "up"}
  ]},
  "formation": {"web": {"quantity": 1, "overlap": "no"}}
}"""
    said = linted(tmp_path, Procfile="web: x\n", **{"app.json": document})

    assert said == [
        "app.json:4:22: warning: 'cron[1].schedule' cannot be used: '61 * * * *' does not say when"
        " to run. The minute is '61'. Allowed: 0 to 59. Also lists (1,15), ranges (1-5) and steps"
        " (*/10) [app-json-cron]",
        "app.json:7:6: warning: 'healthchecks.web[0].path' is not a path that begins with /"
        " [app-json-checks]",
        "app.json:9:40: warning: 'formation.web.overlap' is neither true nor false"
        " [app-json-checks]",
    ]


def test_checks_that_slug_run_leaves_out_are_a_note(tmp_path: Path) -> None:
    document = '{"healthchecks": {"web": [{"type": "readiness"}]}}'

    assert linted(tmp_path, Procfile="web: x\n", **{"app.json": document}) == [
        "app.json:1:27: note: 'healthchecks.web[0]' is left out: a readiness check needs a path"
        " or a command [app-json-left-out]",
    ]


def test_app_json_that_is_no_json(tmp_path: Path) -> None:
    assert linted(tmp_path, **{"app.json": '{\n  "a" 1\n}'}) == [
        "app.json:2:7: error: it is not JSON: Expecting ':' delimiter [buildpack-list]"
    ]


def test_lists_of_buildpacks(tmp_path: Path) -> None:
    said = linted(tmp_path, _buildpacks="https://host/a\n/etc\n../up\n")

    assert said == [
        ".buildpacks:2:1: error: '/etc' is no buildpack we use. A path in a source leads to a place"
        " in that source. [buildpack-list]",
        ".buildpacks:3:1: error: '../up' is no buildpack we use. A path in a source leads to a"
        " place in that source. [buildpack-list]",
    ]


def test_a_list_that_is_not_asked(tmp_path: Path) -> None:
    app_json = '{"buildpacks": [{"url": "https://host/a.git"}]}'

    assert linted(tmp_path, _buildpacks="https://host/b.git\n", **{"app.json": app_json}) == [
        ".buildpacks: note: it is not asked for buildpacks: app.json comes first [not-asked]"
    ]


def test_a_lock_that_does_not_hold(tmp_path: Path) -> None:
    lock = f'version = 1\n[[buildpack]]\nsource = "b"\nversion = ""\ndigest = "sha256:{"0" * 64}"\n'
    said = linted(tmp_path, _buildpacks="https://host/a.git\n", **{"buildpacks.lock": lock})

    assert said == [
        f"buildpacks.lock: error: Expected: b (sha256:{'0' * 64}) Found: https://host/a.git To lock"
        " what is there now: slugc buildpacks lock --update [buildpack-locked]"
    ]
