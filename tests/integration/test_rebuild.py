"""Builds after builds: what is kept for the next one, and that it never shows in a slug."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.build_support import Builder, Outcome, make_app, make_buildpack
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.embedded]

# A stranger's buildpack that takes its 'made' directory over from the build before.
TAKER = r"""
test "$(ls "$1")" = app_txt
test "$PREVIOUS_BUILD_DIR" != "$1"
if mv "$PREVIOUS_BUILD_DIR/made" "$1/made" 2>/dev/null; then echo taken; else
  mkdir "$1/made"; echo made; fi
date +%s%N >>"$1/made/times"
"""


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(home=tmp_path / "home")


def test_any_buildpack_may_take_parts_of_the_last_tree(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=TAKER)
    lines = []
    for _ in range(3):
        outcome = builder.build(app, "-b", pack)
        assert outcome.code == 0, outcome.stderr
        lines.append("taken" if "\ntaken\n" in outcome.stderr else "made")
    assert lines == ["made", "taken", "taken"]
    assert len(outcome.read("made/times").splitlines()) == 3


def test_a_buildpack_that_takes_nothing_sees_a_fresh_build_dir(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile='ls -A "$1"; touch "$1/left"')
    first = builder.build(app, "-b", pack)
    names, checksum = first.names(), first.metadata.checksum
    second = builder.build(app, "-b", pack)
    assert second.names() == names == {"", "app_txt", "left"}
    assert second.metadata.checksum == checksum


def test_without_a_cache_there_is_no_last_tree(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=TAKER)
    builder.build(app, "-b", pack)
    assert "\nmade\n" in builder.build(app, "-b", pack, "--no-cache").stderr
    assert "\nmade\n" in builder.build(app, "-b", pack).stderr


def test_the_last_tree_is_offered_to_compile_alone(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    said = 'echo "$0 ${PREVIOUS_BUILD_DIR-none}" >&2'
    pack = make_buildpack(
        tmp_path / "pack",
        detect=f"{said}; echo Tiny",
        compile=said,
        release=f"{said}; echo 'default_process_types: {{web: serve}}'",
    )
    seen = {
        line.split()[0].rpartition("/")[2]: line.split()[1] for line in _said(builder, app, pack)
    }
    assert seen == {"detect": "none", "compile": "/tmp/previous", "release": "none"}


def _said(builder: Builder, app: Path, pack: Path) -> list[str]:
    return [line for line in builder.build(app, "-b", pack).stderr.splitlines() if "/bin/" in line]


# What our own buildpack does, in a few lines: a dependency layer, moved if it is there.
LAYERED = r"""
mkdir -p "$1/.heroku"
mv "$PREVIOUS_BUILD_DIR/.heroku/venv" "$1/.heroku/venv" 2>/dev/null || {
  mkdir -p "$1/.heroku/venv/lib"; for n in 1 2 3; do echo $n >"$1/.heroku/venv/lib/$n.py"; done; }
sleep 0.05
if [ -e "$1/tamper" ]; then sh "$1/tamper" "$1/.heroku/venv"; fi
"""


@pytest.mark.parametrize(
    "tamper",
    [
        "t=$(stat -c @%Y $1/lib/1.py); echo 9 >$1/lib/1.py; touch -d $t $1/lib/1.py",
        "rm $1/lib/2.py",
        "echo new >$1/lib/new.py",
        "mv $1/lib $1/other",
        "cp $1/lib/1.py $1/x; echo 9 >$1/x; mv $1/x $1/lib/1.py",
    ],
)
def test_what_a_build_changes_in_a_tree_it_took_over_is_in_the_slug(
    builder: Builder, app: Path, tmp_path: Path, tamper: str
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=LAYERED)
    builder.build(app, "-b", pack)
    untouched = builder.build(app, "-b", pack)
    assert "dependencies 0.2 kB (unchanged)" in untouched.stderr
    before = layers(untouched)

    (app / "tamper").write_text(tamper)
    changed = layers(builder.build(app, "-b", pack))
    (tmp_path / "other").mkdir()
    elsewhere = Builder(home=tmp_path / "other" / "home").build(app, "-b", pack)
    assert changed == layers(elsewhere)
    assert changed["dependencies"] != before["dependencies"]


def layers(outcome: Outcome) -> dict[str, str]:
    return {layer.name: layer.diff_id for layer in outcome.metadata.layers}


def test_a_build_that_was_killed_spoils_nothing(
    builder: Builder, app: Path, tmp_path: Path
) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=LAYERED)
    first = builder.build(app, "-b", pack).metadata.checksum
    (app / "tamper").write_text("echo half >$1/lib/1.py; echo waiting; sleep 60")
    process = subprocess.Popen(
        builder.argv(app, "-b", pack, slug=tmp_path / "killed.slug"),
        env=builder.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("waiting" in line for line in process.stderr)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    process.stderr.close()

    (app / "tamper").unlink()
    again = builder.build(app, "-b", pack)
    assert again.metadata.checksum == first
    assert not list(tmp_path.glob(".killed*"))


def test_two_builds_at_once_are_both_right(builder: Builder, app: Path, tmp_path: Path) -> None:
    pack = make_buildpack(tmp_path / "pack", compile=LAYERED)
    first = builder.build(app, "-b", pack)
    slugs = [tmp_path / f"{number}.slug" for number in range(3)]
    running = [
        subprocess.Popen(builder.argv(app, "-b", pack, "-q", slug=slug), env=builder.env)
        for slug in slugs
    ]
    deadline = time.monotonic() + 60
    assert [process.wait(deadline - time.monotonic()) for process in running] == [0, 0, 0]
    assert {slug.read_bytes() for slug in slugs} == {first.slug.read_bytes()}


# Dependencies as our buildpack leaves them: a directory for each, beside it what an installer
# notes; those that are there are kept. 30 of them are more than one frame may hold.
PACKAGES = r"""
site="$1/.heroku/venv/lib/python3.13/site-packages"
mkdir -p "$1/.heroku"
mv "$PREVIOUS_BUILD_DIR/.heroku/venv" "$1/.heroku/venv" 2>/dev/null || mkdir -p "$site"
for name in $(cat "$1/requirements_txt"); do
  if [ -d "$site/$name" ]; then continue; fi
  mkdir "$site/$name" "$site/$name-1.0.dist-info"
  seq -f "$name %06.0f" 1 45000 >"$site/$name/data.py"
  echo "$name" >"$site/$name-1.0.dist-info/RECORD"
done
sleep 0.05
"""
NAMES = [f"package{number:02}" for number in range(30)]


def test_one_requirement_more_reuses_all_other_frames(builder: Builder, tmp_path: Path) -> None:
    app = make_app(tmp_path / "app", requirements_txt="\n".join(NAMES))
    pack = make_buildpack(tmp_path / "pack", compile=PACKAGES)
    before = frames(builder.build(app, "-b", pack))
    files = {path.name: path.stat().st_ino for path in stored(builder)}
    assert len(before) > len(NAMES)

    (app / "requirements_txt").write_text("\n".join([*NAMES, "package15a"]))
    outcome = builder.build(app, "-b", pack)
    after = frames(outcome)
    new = set(after) - set(before)
    # the package itself, and the small parts, among which its dist-info is
    assert len(new) == 2
    assert set(before) - set(after) <= {before[0]}
    assert f"({len(after) - 2} of {len(after)} frames unchanged)" in outcome.stderr

    now = {path.name: path.stat().st_ino for path in stored(builder)}
    kept = {digest.removeprefix("sha256:") + ".zst" for digest in set(before) & set(after)}
    assert {name: now[name] for name in kept} == {name: files[name] for name in kept}
    elsewhere = Builder(home=tmp_path / "other" / "home")
    elsewhere.home.parent.mkdir()
    assert frames(elsewhere.build(app, "-b", pack)) == after


def frames(outcome: Outcome) -> list[str]:
    """What identifies each frame of the dependencies."""
    (layer,) = [each for each in outcome.metadata.layers if each.name == "dependencies"]
    return [frame.diff_id for frame in layer.frames]


def stored(builder: Builder) -> list[Path]:
    return list((builder.home / "store" / "frames").iterdir())
