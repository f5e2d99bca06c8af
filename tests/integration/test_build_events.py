"""`slugc build --json`: every event is as docs/slugc.md says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types, and one call is all we make
import pytest

from tests.integration.build_support import Builder, make_app, make_buildpack

ROOT = Path(__file__).parents[2]
TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
SECONDS, MAYBE = {"type": "number", "minimum": 0}, {"type": ["string", "null"]}
DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TYPES = {"type": "object", "additionalProperties": TEXT}
PHASE: dict[str, Any] = {
    "phase": {"enum": ["stage", "fetch", "detect", "compile", "release", "report", "pack"]},
    "buildpack": MAYBE,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "build_started": {"app": TEXT},
    "sandbox": {"kind": {"enum": ["embedded", "docker", "none"]}, "stack": TEXT},
    "phase_started": PHASE,
    "phase_ended": {**PHASE, "ok": FLAG, "duration": SECONDS},
    "step": {"text": TEXT},
    "info": {"text": TEXT},
    "warning": {"text": TEXT},
    "source": {"commit": MAYBE, "files": WHOLE, "size": WHOLE, "left_out": WHOLE},
    "buildpack": {"buildpack": TEXT, "source": TEXT, "version": TEXT, "digest": DIGEST},
    "detected": {"buildpack": TEXT, "name": TEXT},
    "line": {**PHASE, "text": TEXT},
    "packages": {**PHASE, "count": WHOLE},
    "bytes": {"what": {"enum": ["fetched", "packed"]}, "count": WHOLE},
    "process_types": {
        "process_types": TYPES,
        "declared": {"type": "array", "items": TEXT},
    },
    "layer": {
        "name": TEXT,
        "size": WHOLE,
        "uncompressed_size": WHOLE,
        "frames": WHOLE,
        "reused": WHOLE,
    },
}
RESULT: dict[str, Any] = {
    "ok": {"const": True},
    "slug": TEXT,
    "size": WHOLE,
    "checksum": DIGEST,
    "unchanged": FLAG,
    "sandbox": TEXT,
    "stack": TEXT,
    "python_version": MAYBE,
    "commit": MAYBE,
    "buildpacks": {"type": "array"},
    "process_types": TYPES,
    "duration": SECONDS,
}
ERROR: dict[str, Any] = {"code": WHOLE, "id": TEXT, "message": TEXT, "details": TEXT, "hint": TEXT}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_app(tmp_path / "app", Procfile="web: serve\n")


def schema(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Exactly these properties, and what every event has."""
    stamp = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
    all_of_them = {"event": {"const": name}, "ts": stamp, **properties}
    return {
        "type": "object",
        "properties": all_of_them,
        "required": list(all_of_them),
        "additionalProperties": False,
    }


def events(stdout: str) -> list[dict[str, Any]]:
    """Every line as an event that is as it should be; the last one is the result."""
    found = [json.loads(line) for line in stdout.splitlines()]
    for event in found[:-1]:
        jsonschema.validate(event, schema(event["event"], SCHEMAS[event["event"]]))
    if found[-1]["ok"]:
        jsonschema.validate(found[-1], schema("result", RESULT))
    else:
        details = {
            **ERROR,
            **({k: TEXT for k in ("phase", "buildpack") if k in found[-1]["error"]}),
        }
        error = {"type": "object", "properties": details, "required": list(ERROR),
                 "additionalProperties": False}  # fmt: skip
        jsonschema.validate(found[-1], schema("result", {"ok": {"const": False}, "error": error}))
    return found


def test_json_is_one_event_a_line_and_nothing_else(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(
        tmp_path / "pack",
        compile="""echo '-----> Working'
            echo '       Installed 1,234 packages in 2 s'
            printf '\\xff\\n'""",
    )
    (app / ".env").touch()

    outcome = builder.build(app, "-b", pack, "--json")

    assert (outcome.code, outcome.stderr) == (0, "")
    found = events(outcome.stdout)
    named = [event["event"] for event in found]
    assert named[0] == "build_started"
    assert named[-1] == "result"
    assert set(SCHEMAS) - set(named) == set()
    one = {event["event"]: event for event in found}
    assert one["packages"]["count"] == 1234
    assert one["packages"]["phase"] == "compile"
    assert one["warning"]["text"].startswith("The slug will hold .env")
    assert one["process_types"]["process_types"] == {"web": "serve"}
    assert one["detected"]["name"] == "Tiny"
    assert one["result"]["slug"] == str(outcome.slug)
    phases = [e["phase"] for e in found if e["event"] == "phase_ended" and e["ok"]]
    assert phases[:2] == ["stage", "fetch"]
    assert sorted(phases[2:]) == ["compile", "detect", "pack", "release", "report"]


def test_a_second_build_says_that_nothing_has_changed(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack")
    builder.build(app, "-b", pack, "-q")

    found = events(builder.build(app, "-b", pack, "--json").stdout)

    assert [event["name"] for event in found if event["event"] == "layer"] == ["app"]
    assert found[-1]["unchanged"] is True


@pytest.mark.parametrize(
    ("compile_", "code", "named"),
    [
        ("echo why >&2; exit 3", 65, "phase-failed"),
        ("kill -9 $$", 65, "phase-failed"),
        ("sleep 60", 124, "phase-timeout"),
    ],
)
def test_an_error_is_the_last_event_and_in_words_on_standard_error(
    builder: Builder, app: Path, tmp_path: Path, compile_: str, code: int, named: str
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=compile_)

    outcome = builder.build(app, "-b", pack, "--json", "--timeout", "3")

    error = events(outcome.stdout)[-1]["error"]
    assert outcome.code == error["code"] == code
    assert (error["id"], error["phase"], error["buildpack"]) == (named, "compile", "pack")
    assert " !     Error: bin/compile of the buildpack pack" in outcome.stderr
    assert "----->" not in outcome.stderr
    if "why" in compile_:
        assert "why" in error["details"]
        assert "why" in outcome.stderr  # nobody has seen it otherwise


def test_a_stopped_build_ends_with_an_event_too(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo begun; sleep 60")
    argv = builder.argv(app, "-b", pack, "--json", slug=tmp_path / "x.slug")
    with subprocess.Popen(
        argv, env=builder.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if '"begun"' in line:
                running.send_signal(signal.SIGINT)
        running.wait(30)

    found = events("".join(lines))
    assert running.returncode == found[-1]["error"]["code"] == 130
    assert found[-1]["error"]["id"] == "stopped"
    assert not (tmp_path / "x.slug").exists()


def test_a_reader_that_goes_ends_the_build(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(
        tmp_path / "pack", compile="for i in $(seq 50); do echo $i; sleep 0.1; done"
    )
    argv = builder.argv(app, "-b", pack, "--json", slug=tmp_path / "x.slug")
    with subprocess.Popen(
        argv, env=builder.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert (running.wait(30), running.stderr.read()) == (141, "")
    assert not (tmp_path / "x.slug").exists()


def test_every_event_is_in_the_guide_and_the_guides_events_are_all_there_are() -> None:
    guide = (ROOT / "docs" / "slugc.md").read_text()
    section = guide.partition("\n## Events\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.M)

    told = {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in rows}
    assert told == {name: set(fields) for name, fields in {**SCHEMAS, "result": RESULT}.items()}
