"""Buildpacks that fail in each phase, and buildpacks that do what none should."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.build_support import Builder
from tests.integration.pack_support import PACKS, slugc, write_app
from tests.integration.test_build_errors import error_of

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

FAILING, UNRULY = PACKS / "failing", PACKS / "unruly"


REASON = "The reason stands above, in the buildpack's own words."
SILENT = "It gave no reason."


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        (
            "detect-1",
            65,
            "The buildpack failing did not recognise this app\n\nThere is no recipe here.",
        ),
        (
            "detect-2",
            65,
            "bin/detect of the buildpack failing ended with code 2\n\n"
            f"usage: detect DIR\n\n{REASON}",
        ),
        (
            "detect-100",
            65,
            "The buildpack failing did not recognise this app\n\n"
            "Choose another buildpack with -b, or check the app's files.",
        ),
        (
            "detect-killed",
            65,
            f"bin/detect of the buildpack failing ended with code 137\n\n{SILENT}",
        ),
        (
            "detect-hangs",
            124,
            "bin/detect of the buildpack failing was still running when the time\n"
            "limit of 1 second was reached\n\n"
            "It was stopped, with everything it had started. Nothing was written.\n\n"
            "Give it more time with --detect-timeout SECONDS.",
        ),
        ("compile-3", 65, f"bin/compile of the buildpack failing ended with code 3\n\n{REASON}"),
        (
            "compile-killed",
            65,
            f"bin/compile of the buildpack failing ended with code 137\n\n{SILENT}",
        ),
        (
            "release-7",
            65,
            f"bin/release of the buildpack failing ended with code 7\n\nno such file\n\n{REASON}",
        ),
    ],
)
def test_each_phase_that_fails_is_named_with_its_reason(
    builder: Builder, tmp_path: Path, how: str, code: int, words: str
) -> None:
    app = write_app(tmp_path / "app", {"FAIL": how})

    outcome = builder.build(app, "-b", FAILING, "--detect-timeout", "1")

    assert outcome.code == code
    assert error_of(outcome) == words


def test_a_release_that_prints_rubbish(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"FAIL": "release-rubbish"})

    outcome = builder.build(app, "-b", FAILING)

    assert outcome.code == 65
    assert error_of(outcome).startswith(
        "bin/release of the buildpack failing printed something we cannot use\n\n- it is not "
    )


def test_a_report_that_fails_is_no_reason_to_fail(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"FAIL": "report-9"})

    outcome = builder.build(app, "-b", FAILING)

    assert dict(outcome.metadata.process_types) == {"web": "cat built.txt"}


def test_half_a_cache_is_not_handed_on(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"FAIL": "compile-killed"})
    assert builder.build(app, "-b", FAILING).code == 65
    (app / "FAIL").write_text("no")

    outcome = builder.build(app, "-b", FAILING)

    assert outcome.code == 0, outcome.stderr
    assert (
        "       The last build was stopped midway: its build cache is not used.\n" in outcome.stderr
    )
    assert "found half a cache" not in outcome.stderr


def test_a_cache_of_another_buildpack_is_not_handed_on(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"DO": "no", "index.html": "x"})
    assert builder.build(app, "-b", PACKS / "static").code == 0

    outcome = builder.build(app, "-b", UNRULY)

    assert "       The build cache is of other buildpacks: it is not used.\n" in outcome.stderr
    # What was set aside is deleted while the build goes on, in directories named so.
    assert not list(builder.home.glob("cache/*/[!et]*/cache/httpd"))


def test_a_daemon_does_not_outlive_its_phase(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"DO": "daemon"})
    started = time.monotonic()

    outcome = builder.build(app, "-b", UNRULY)

    assert outcome.code == 0, outcome.stderr
    assert "left a daemon\n" in outcome.stderr
    assert time.monotonic() - started < 20
    assert subprocess.run(("pgrep", "-f", "sleep 4321[.]25"), check=False).returncode == 1


def test_binary_output_and_escape_sequences_do_no_harm(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"DO": "binary"})
    for kind in ("binary", "ansi"):
        (app / "DO").write_text(kind)

        outcome = builder.build(app, "-b", UNRULY)

        assert outcome.code == 0, outcome.stderr
        assert not set(outcome.stderr) & {chr(code) for code in (*range(9), *range(11, 32), 127)}
    assert "\nredmoved\n" in outcome.stderr.replace(" ", "")
    colored = builder.build(app, "-b", UNRULY, env={"FORCE_COLOR": "1"})
    assert "\x1b[31mred\x1b[0m moved" in colored.stderr  # colours alone: no title, no move


@pytest.mark.parametrize("kind", ["loud", "loud-lines"])
def test_a_gigabyte_of_output_is_cut_with_a_mark(
    builder: Builder, tmp_path: Path, kind: str
) -> None:
    app = write_app(tmp_path / "app", {"DO": kind})

    outcome = builder.build(app, "-b", UNRULY)

    assert outcome.code == 0, outcome.stderr[-1000:]
    assert "[the rest is not shown: more than 16 MiB of output]\n" in outcome.stderr
    assert 15 * 1024**2 < len(outcome.stderr) < 17 * 1024**2
    assert outcome.stderr.endswith(" s)\n")  # our own words come through


def test_what_is_written_outside_goes_nowhere(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"DO": "outside"})

    outcome = builder.build(app, "-b", UNRULY)

    assert outcome.code == 0, outcome.stderr
    found = [Path(line.removeprefix("wrote to ")) for line in outcome.stderr.splitlines()
             if line.startswith("wrote to ")]  # fmt: skip
    assert not {Path(p) for p in ("/", "/etc", "/usr", "/usr/bin", "/proc/sys/kernel")} & set(found)
    for place in ("/", "/etc", "/usr", "/usr/bin", "/home", "/root", "/var", "/tmp"):
        assert not (Path(place) / "unruly-was-here").exists()
    assert "unruly-was-here" not in outcome.names()


def test_one_that_never_ends_is_ended(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"DO": "never-ends"})

    outcome = builder.build(app, "-b", UNRULY, "--timeout", "1.5")

    assert outcome.code == 124
    assert error_of(outcome) == (
        "bin/compile of the buildpack unruly was still running when the time\n"
        "limit of 1.5 seconds was reached\n\n"
        "It was stopped, with everything it had started. Nothing was written.\n\n"
        "Give it more time with --timeout SECONDS."
    )


def test_one_that_kills_everything_kills_itself_alone(builder: Builder, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"DO": "stops-others"})

    outcome = builder.build(app, "-b", UNRULY)

    assert outcome.code in {0, 65}
    assert "Traceback" not in outcome.stderr


def test_an_odd_answer_among_several_is_a_no_with_a_warning(
    builder: Builder, tmp_path: Path
) -> None:
    app = write_app(tmp_path / "app", {"FAIL": "detect-2", "DO": "no"})
    for pack in (FAILING, UNRULY):
        assert slugc(builder, "buildpacks", "add", pack).code == 0

    outcome = builder.build(app)

    assert outcome.code == 0, outcome.stderr
    assert "Warning: bin/detect of the buildpack failing ended with code 2" in outcome.stderr
    assert "       unruly recognised it, of 3 installed.\n" in outcome.stderr


@pytest.mark.parametrize(("how", "code"), [("detect-killed", 65), ("detect-hangs", 124)])
def test_one_that_could_not_answer_ends_the_search(
    builder: Builder, tmp_path: Path, how: str, code: int
) -> None:
    app = write_app(tmp_path / "app", {"FAIL": how, "DO": "no"})
    for pack in (FAILING, UNRULY):
        assert slugc(builder, "buildpacks", "add", pack).code == 0

    assert builder.build(app, "--detect-timeout", "1").code == code
