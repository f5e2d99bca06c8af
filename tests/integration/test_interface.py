"""What a build writes to standard output, in all its forms: a path, events, the slug itself."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no types, and one call is all we make
import pexpect
import pytest

from slugc.slug import read_slug
from tests.integration.build_support import Builder, make_app, make_buildpack
from tests.integration.support import SLUGC

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "fixtures" / "buildpacks" / "static"
TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
SECONDS, MAYBE = {"type": "number", "minimum": 0}, {"type": ["string", "null"]}
DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TYPES = {"type": "object", "additionalProperties": TEXT}
PHASE: dict[str, Any] = {
    "phase": {"enum": ["stage", "detect", "compile", "release", "report", "pack"]},
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
ERROR: dict[str, Any] = {"code": WHOLE, "id": TEXT, "message": TEXT, "hint": TEXT}


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


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(home=tmp_path / "data")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_app(tmp_path / "app", Procfile="web: serve\n")


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
    assert sorted(phases) == sorted(["stage", "detect", "compile", "release", "report", "pack"])


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
        assert "why" in error["message"]
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


@pytest.mark.parametrize("options", [(), ("-q",), ("--no-color",), ("--no-cache",)])
def test_the_path_and_nothing_else_is_on_standard_output(
    builder: Builder, app: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo noise; echo more >&2")

    for _ in range(2):  # also when nothing has changed
        outcome = builder.build(app, "-b", pack, *options)
        assert (outcome.code, outcome.stdout) == (0, f"{outcome.slug}\n")


def test_nothing_is_on_standard_output_when_there_is_no_slug(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo noise; exit 1")

    outcome = builder.build(app, "-b", pack)

    assert (outcome.code, outcome.stdout) == (65, "")


def test_a_slug_on_standard_output(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo noise")
    usual = builder.build(app, "-b", pack)

    argv = (*SLUGC, "build", str(app), "-b", str(pack), "-o", "-")
    done = subprocess.run(argv, cwd=tmp_path, env=builder.env, capture_output=True, check=True)

    assert done.stdout == usual.slug.read_bytes()
    assert b"written to standard output" in done.stderr
    assert sorted(path.name for path in (builder.home / "to-stdout").iterdir()) == []
    listed = subprocess.run(
        (*SLUGC, "list", "--json"), env=builder.env, capture_output=True, check=True
    )
    assert [each["slug"] for each in json.loads(listed.stdout)] == [str(usual.slug)]


def test_a_slug_is_not_written_to_a_terminal(builder: Builder, app: Path) -> None:
    parent, child = pty.openpty()
    argv = (*SLUGC, "build", str(app), "-o", "-")
    done = subprocess.run(
        argv, env=builder.env, stdout=child, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(child)
    os.close(parent)

    assert done.returncode == 64
    assert "A slug is not written to a terminal" in done.stderr
    assert "slugc build -o - > app.slug" in done.stderr


def test_standard_output_takes_one_thing(builder: Builder, app: Path) -> None:
    argv = (*SLUGC, "build", str(app), "-o", "-", "--json")
    done = subprocess.run(argv, env=builder.env, capture_output=True, text=True, check=False)

    assert done.returncode == 64
    assert "Standard output takes the slug or JSON, not both" in done.stderr


def test_the_four_argument_form_of_herokus_slug_compiler(builder: Builder, tmp_path: Path) -> None:
    site = make_app(
        tmp_path / "site", **{"index.html": "<h1>Hello</h1>", "Procfile": "clock: tick"}
    )
    argv = (*SLUGC, "site", str(STATIC), "cache", "out/deeper")

    for _ in range(2):  # the second one finds its cache
        done = subprocess.run(
            argv, cwd=tmp_path, env=builder.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    out = tmp_path / "out" / "deeper"
    assert done.stdout == f"{out}/slug.tgz\n"
    assert "-----> Static site app detected" in done.stderr
    assert "Using the cached copy" in done.stderr
    assert json.loads((out / "processes.json").read_text()) == {"web": "httpd", "clock": "tick"}
    listing = subprocess.run(
        ("tar", "-tzf", str(out / "slug.tgz")), capture_output=True, text=True, check=True
    ).stdout
    assert "./app/index.html\n" in listing
    assert read_slug(out / "slug.tgz").metadata.process_types == {"web": "httpd", "clock": "tick"}
    assert sorted(path.name for path in site.iterdir()) == ["Procfile", "app_txt", "index.html"]
    assert (tmp_path / "cache").is_dir()


def test_the_old_form_fails_with_the_same_codes(builder: Builder, tmp_path: Path) -> None:
    site = make_app(tmp_path / "site")
    (tmp_path / "file").touch()

    for words, code, said in (
        ((site, STATIC, "cache", "out"), 65, "did not recognise this app"),
        ((site, "nowhere", "cache", "out"), 66, "There is no buildpack at nowhere"),
        ((site, STATIC, "cache", "file/out"), 73, "The directory file/out cannot be used"),
    ):
        argv = (*SLUGC, *map(str, words))
        done = subprocess.run(
            argv, cwd=tmp_path, env=builder.env, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
    assert not (tmp_path / "out" / "slug.tgz").exists()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return make_buildpack(
        tmp_path / "slow",
        compile="""echo '-----> Taking a while'
            for i in 1 2 3; do echo "       $i"; sleep 0.2; done""",
    )


def on_terminal(
    builder: Builder, app: Path, pack: Path, **env: str
) -> Iterator[pexpect.spawn[str]]:
    program, *rest = builder.argv(app, "-b", pack, slug=builder.home.parent / "x.slug")
    terminal = pexpect.spawn(
        program,
        rest,
        env={**builder.env, "TERM": "xterm", **env},
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 60),
    )
    yield terminal
    terminal.close(force=True)


def test_a_terminal_shows_what_goes_on_and_is_left_clean(
    builder: Builder, app: Path, slow: Path
) -> None:
    for terminal in on_terminal(builder, app, slow, LC_ALL="C.UTF-8"):
        terminal.expect("Taking a while  [0-9.]+ s")
        terminal.expect(r"To run it: slug-run web --slug [^\r\n]*x\.slug")
        terminal.expect(pexpect.EOF)
        rest = terminal.before or ""
        assert rest.rstrip().endswith("x.slug")
        assert "\x1b[?" not in rest


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_ci_and_dumb_terminals_get_plain_lines(
    builder: Builder, app: Path, slow: Path, env: dict[str, str]
) -> None:
    for terminal in on_terminal(builder, app, slow, NO_COLOR="1", **env):
        terminal.expect(pexpect.EOF)
        shown = terminal.before or ""
        assert "\x1b" not in shown
        assert "-----> Taking a while\r\n       1\r\n" in shown


def test_no_color_keeps_the_row_and_takes_its_colours(
    builder: Builder, app: Path, slow: Path
) -> None:
    for terminal in on_terminal(builder, app, slow, NO_COLOR="1"):
        terminal.expect("Taking a while  [0-9.]+ s")
        terminal.expect(pexpect.EOF)
        assert not re.search(r"\x1b\[[0-9;]*m", terminal.before or "")


def test_ctrl_c_leaves_the_terminal_clean(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo '-----> Waiting'; sleep 60")
    for terminal in on_terminal(builder, app, pack):
        terminal.expect("Waiting  [0-9.]+ s")
        started = time.monotonic()
        terminal.sendintr()
        terminal.expect_exact("\r\x1b[K\r\nStopped. Nothing was written.\r\n")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 130
        assert time.monotonic() - started < 30
