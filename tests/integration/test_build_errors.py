"""What goes wrong in a build, in its words and codes; and that nothing is left of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.build_support import (
    Builder,
    Outcome,
    make_app,
    make_buildpack,
    result,
)

pytestmark = [pytest.mark.integration, pytest.mark.embedded]


def error_of(outcome: Outcome) -> str:
    """The last block on standard error, without its marks; and nothing half-written beside it."""
    assert not outcome.slug.exists()
    assert not list(outcome.slug.parent.glob(".out.slug*"))
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    _, _, block = outcome.stderr.rpartition("Error: ")
    lines = [line.removeprefix(" !").removeprefix("     ") for line in block.splitlines()]
    return "\n".join(lines).rstrip("\n")


def test_an_app_no_buildpack_recognises(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", detect="echo 'There is no tiny.toml.' >&2; exit 1")

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 65
    assert error_of(outcome) == (
        "The buildpack pack did not recognise this app\n\nThere is no tiny.toml."
    )


def test_an_app_our_own_buildpack_does_not_recognise(builder: Builder, app: Path) -> None:
    outcome = builder.build(app)

    assert outcome.code == 65
    assert error_of(outcome).startswith(
        "The buildpack slugkit/python did not recognise this app\n\n"
        "This does not look like a Python app.\n"
    )
    assert "app_txt" in error_of(outcome)  # the root directory it saw


def test_a_compile_that_fails(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo 'no such package: x' >&2; exit 3")

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 65
    assert outcome.stderr.count("no such package: x") == 1
    assert error_of(outcome) == (
        "bin/compile of the buildpack pack ended with code 3\n\n"
        "The reason stands above, in the buildpack's own words."
    )


def test_a_compile_that_fails_gives_its_reason_where_its_lines_were_not_shown(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="echo 'no such package: x' >&2; exit 3")

    assert error_of(builder.build(app, "-b", pack, "-q")) == (
        "bin/compile of the buildpack pack ended with code 3\n\n"
        "no such package: x\n\n"
        "The reason stands above, in the buildpack's own words."
    )


def test_a_compile_that_fails_without_a_word(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile="exit 3")

    assert error_of(builder.build(app, "-b", pack)) == (
        "bin/compile of the buildpack pack ended with code 3\n\nIt gave no reason."
    )


def test_a_detect_that_crashes_is_not_taken_for_a_no(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    outcome = builder.build(app, "-b", make_buildpack(tmp_path / "pack", detect="exit 7"))

    assert outcome.code == 65
    assert error_of(outcome).startswith("bin/detect of the buildpack pack ended with code 7")


def test_a_build_over_its_time_limit(builder: Builder, app: Path, tmp_path: Path) -> None:
    outcome = builder.build(
        app, "-b", make_buildpack(tmp_path / "pack", compile="sleep 60"), "--timeout", "1"
    )

    assert outcome.code == 124
    assert error_of(outcome) == (
        "bin/compile of the buildpack pack was still running when the time\n"
        "limit of 1 second was reached\n\n"
        "It was stopped, with everything it had started. Nothing was written.\n\n"
        "Give it more time with --timeout SECONDS."
    )


def test_a_release_that_prints_nonsense(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(
        tmp_path / "pack", release="echo 'default_process_types: {a/b: x, web: [y]}'"
    )

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 65
    assert error_of(outcome) == (
        "bin/release of the buildpack pack printed something we cannot use\n\n"
        "- 'default_process_types' holds 'web', which is not a name with a text\n"
        "- 'a/b' is no process type\n\n"
        "It prints YAML like this:\n\n    default_process_types:\n"
        "      web: gunicorn app:app\n    config_vars:\n      DEBUG: '0'"
    )


def test_an_app_with_nothing_to_run(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", release=":")

    outcome = builder.build(app, "-b", pack)
    allowed = builder.build(app, "-b", pack, "--allow-no-processes")

    assert outcome.code == 65
    assert "Error: The app names no process types, so there would be nothing to run" in (
        outcome.stderr
    )
    assert "There is no Procfile in the app's root directory" in outcome.stderr
    assert dict(allowed.metadata.process_types) == {}


def test_a_procfile_with_all_its_problems(builder: Builder, tmp_path: Path) -> None:
    app = make_app(tmp_path / "app", Procfile="web gunicorn\nworker:\n")

    outcome = builder.build(app, "-b", make_buildpack(tmp_path / "pack"))

    assert outcome.code == 65
    assert error_of(outcome).startswith("The Procfile has 2 problems")
    assert "Discovering process types" not in outcome.stderr  # nothing was built for nothing


def test_a_buildpack_without_its_programs(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", detect="exit 0", release=":")
    (pack / "bin" / "compile").unlink()
    (pack / "bin" / "detect").write_bytes(b"#!/bin/bash\r\n")
    (pack / "bin" / "release").chmod(0o644)

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 65
    assert error_of(outcome) == (
        "The buildpack pack cannot be started\n\n"
        "- bin/detect has Windows line ends (#!/bin/bash\\r): dos2unix bin/detect\n"
        "- bin/compile is missing\n"
        "- bin/release is not executable: chmod +x bin/release\n\n"
        "A buildpack is a directory with the programs bin/detect and\n"
        "bin/compile, and mostly bin/release."
    )


@pytest.mark.parametrize(
    "trick",
    [
        "rm -rf build_5106c0de; ln -s /etc build_5106c0de",
        "rm -rf build_5106c0de; touch build_5106c0de",
    ],
)
def test_a_link_in_the_build_dirs_place_is_not_followed(
    builder: Builder, app: Path, tmp_path: Path, trick: str
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=f"cd ..; {trick}")

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 65
    assert outcome.stderr.count("Error: ") == 1


@pytest.mark.parametrize("directory", ["env", "buildpacks", "cache", "home", "build_5106c0de"])
def test_links_left_in_the_work_directory_lead_nowhere(
    builder: Builder, app: Path, tmp_path: Path, directory: str
) -> None:
    """The next build, and the clean-up of this one, run outside the sandbox."""
    victim = make_app(tmp_path / "victim")
    before = (victim.stat().st_uid, victim.stat().st_mode)
    pack = make_buildpack(
        tmp_path / "pack", compile=f"cd /tmp; rm -rf {directory}; ln -s {victim} {directory}"
    )

    builder.build(app, "-b", pack)
    outcome = builder.build(app, "-b", make_buildpack(tmp_path / "tame"))

    assert (victim / "app_txt").read_text() == "hello\n"
    assert [path.name for path in victim.iterdir()] == ["app_txt"]
    assert (victim.stat().st_uid, victim.stat().st_mode) == before
    assert outcome.code == 0, outcome.stderr


def test_what_a_slug_cannot_hold_is_refused_before_anything_runs(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    os.mkfifo(app / "pipe\n")

    outcome = builder.build(app, "-b", make_buildpack(tmp_path / "pack"))

    assert outcome.code == 65
    assert error_of(outcome).splitlines()[2] == "    pipe\\n: a FIFO"
    assert "detected" not in outcome.stderr


def test_a_link_out_of_the_tree_made_by_the_build_is_refused(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile='ln -s ../../etc/passwd "$1/away"')

    outcome = builder.build(app, "-b", pack)

    assert outcome.code == 65
    assert "away" in error_of(outcome)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--env", "NAME"), 64, "--env number 1 has no '='"),
        (("--env", "1A=x"), 64, "'1A' is not a name"),
        (("--env-file", "nowhere"), 66, "The env file "),
        (("--name", "a/b"), 64, "'a/b' is no name for an app"),
        (("--output", "."), 73, "It is a directory."),
        (("--output", "no/such/x.slug"), 73, "There is no directory "),
        (("-b", "nowhere"), 66, "There is no buildpack at nowhere"),
        (("-b", "ext::sh -c id"), 65, "is not a git URL we use"),
        (("--stack", "heroku-24"), 69, "cannot build for the stack heroku-24"),
        (("--timeout", "0"), 64, "--timeout cannot be 0: it is a number of seconds, above 0"),
        (("--format", "zip"), 64, "--format cannot be used: 'zip' is not one of 'slug', 'tgz'"),
        (("--frobnicate",), 64, "slugc build has no option '--frobnicate'"),
    ],
)
def test_options_that_make_no_sense(
    builder: Builder, app: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    outcome = builder.build(app, *options)

    assert outcome.code == code
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_an_error_as_json(builder: Builder, tmp_path: Path) -> None:
    outcome = builder.build(tmp_path / "nowhere", "--json")

    hint = "Give a directory, a tarball or a git URL, for example:\n\n    slugc build path/to/app"
    assert outcome.code == 66
    assert result(outcome)["error"] == {
        "code": 66,
        "id": "source-missing",
        "message": f"There is no source at {tmp_path}/nowhere",
        "details": "",
        "hint": hint,
    }


def test_a_place_nobody_can_write_to(builder: Builder, app: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    outcome = builder.build(app, "--cache-dir", tmp_path / "file" / "cache")

    assert outcome.code == 73
    assert error_of(outcome).startswith(f"Slugkit cannot build in {tmp_path}/file/cache")


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")
def test_a_place_where_no_program_starts(builder: Builder, app: Path, tmp_path: Path) -> None:
    """The buildpack is not to be blamed that its bin/detect could not be started."""
    (at := tmp_path / "noexec").mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "noexec,size=4m", "tmpfs", str(at)), check=True)
    try:
        outcome = builder.build(app, "--cache-dir", at / "cache")
    finally:
        subprocess.run(("umount", "--lazy", str(at)), check=True)

    assert outcome.code == 73
    assert error_of(outcome) == (
        f"Slugkit cannot build in {at}/cache\n\n"
        "It is on a file system mounted with noexec, from which no program can be started.\n\n"
        "Choose a place on another file system with --cache-dir or SLUGKIT_HOME, or mount\n"
        "this one without noexec."
    )
