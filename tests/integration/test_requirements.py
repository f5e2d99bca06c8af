"""requirements.txt as pip reads it, installed from an index of our own; and hostile wheels."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from zipfile import ZIP_DEFLATED

import pytest

from buildpack.installers import file_limit, load_installer, requirements
from buildpack.installers.base import Installer
from buildpack.installers.diagnosis.errors import FileTooLargeError
from buildpack.installers.installed import HostileWheelError
from buildpack.installers.vendored import NotVendoredError
from buildpack.package_manager import PackageManager
from buildpack.support.errors import SlugkitError
from buildpack.tools import ToolBox
from tests.integration.fake_index import (
    Answer,
    FakeIndex,
    make_project,
    make_sdist,
    make_wheel,
    serving,
)
from tests.integration.installing import Workbench, git, installed, network_env

pytestmark = [pytest.mark.integration, pytest.mark.network]


@pytest.fixture(scope="session")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> ToolBox:
    box = ToolBox(directory=tmp_path_factory.mktemp("tools"), env=network_env())
    box.program("uv")
    return box


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FakeIndex]:
    with serving(tmp_path / "wheels") as served:
        yield served


@pytest.fixture
def bench(tmp_path: Path, toolbox: ToolBox, index: FakeIndex) -> Workbench:
    (tmp_path / "app").mkdir()
    env = {**network_env(index=False), "PIP_INDEX_URL": f"{index.url}/simple", "PIP_RETRIES": "0"}
    return Workbench(
        directory=tmp_path, tools=toolbox, env=env, installer=cast("Installer", requirements)
    )


def test_all_that_pip_reads_is_installed_as_pip_installs_it(
    bench: Workbench, index: FakeIndex
) -> None:
    for name in ("aa", "bb", "capped", "direct"):
        make_wheel(index.directory, name)
    for version in ("1.0", "2.0", "3.0rc1"):
        make_wheel(index.directory, "cc", version)
    make_wheel(bench.app.root / "wheels", "linked")
    make_project(bench.app.root / "lib", "lib")
    repository = bench.directory / "repository"
    make_project(repository / "sub", "checkout")
    for words in (("init",), ("add", "."), ("commit", "-m", "x"), ("tag", "v1")):
        git(repository, *words)
    bench.env = {**bench.env, "AA_VERSION": "1.0", "PLACE": f"{index.url}/files"}
    text = (
        "# all of it\n-r more/base.txt\n-c limits.txt\n--find-links wheels\n"
        "--no-binary zz,yy --only-binary cc\n--prefer-binary\n"
        "linked\naa==${AA_VERSION} \\\n    ; python_version >= '3'\ncc\n./lib/\n"
        "direct @ ${PLACE}/direct-1.0-py3-none-any.whl\n"
        f"-e git+file://{repository}@v1#egg=checkout&subdirectory=sub\n"
    )
    bench.write(requirements_txt=text, more__base_txt="bb\n-c ../limits.txt\n", limits_txt="cc<2\n")

    place = bench.install()

    ours = {entry.partition(" from ")[0] for entry in installed(place)}
    assert ours == {
        "aa==1.0", "bb==1.0", "cc==1.0", "linked==1.0", "lib==1.0", "direct==1.0", "checkout==1.0",
    }  # fmt: skip
    assert ours == by_pip(bench, text.replace("-e git", "git"))
    assert not list((bench.app.root / "lib").glob("*.egg-info"))


def by_pip(bench: Workbench, text: str) -> set[str]:
    """What pip installs from the same text, with the same settings."""
    target = bench.directory / "by-pip"
    (bench.app.root / "requirements.txt").write_text(text)
    argv = (sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", str(target))
    env = {**bench.env, "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(
        (*argv, "-r", "requirements.txt"), cwd=bench.app.root, env=env, check=True, timeout=60
    )
    found = target.glob("*.dist-info")
    return {
        "==".join(info.name.removesuffix(".dist-info").rsplit("-", 1)).replace("_", "-")
        for info in found
    }


def test_a_password_of_a_private_index_is_in_no_line_and_no_file(
    bench: Workbench, index: FakeIndex
) -> None:
    def note(path: str, authorization: str) -> None:
        assert path
        seen.append(authorization)

    seen: list[str] = []
    make_wheel(index.directory, "private")
    make_wheel(index.directory, "linked")
    index.rules["/"] = note
    with_password = index.url.replace("://", "://reader:hunter2-secret@")
    bench.env = {**network_env(index=False), "INDEX": with_password}
    bench.write(
        requirements_txt="--index-url ${INDEX}/simple\nprivate\n"
        "linked @ ${INDEX}/files/linked-1.0-py3-none-any.whl\n"
    )

    place = bench.install()

    assert any(header.startswith("Basic ") for header in seen)
    assert {entry.partition(" ")[0] for entry in installed(place)} == {
        "private==1.0",
        "linked==1.0",
    }
    assert "hunter2" not in "\n".join(bench.log)
    found = subprocess.run(
        ("grep", "-rl", "hunter2", str(place.venv.root), str(place.scratch_dir)),
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (1, "")


def test_vendored_wheels_are_installed_without_an_index(bench: Workbench, index: FakeIndex) -> None:
    make_wheel(bench.app.root / "vendor", "top", requires=["below"])
    make_wheel(bench.app.root / "vendor", "below")
    bench.write(requirements_txt=f"--index-url {index.url}/simple\ntop==1.0\n")

    place = bench.install()

    assert installed(place) == {"top==1.0", "below==1.0"}
    assert index.asked == []


def test_what_a_vendored_wheel_needs_must_be_there_too(bench: Workbench, index: FakeIndex) -> None:
    make_wheel(bench.app.root / "vendor", "top", requires=["below"])
    bench.write(requirements_txt="top==1.0\n")

    with pytest.raises(NotVendoredError) as caught:
        bench.install()

    assert caught.value.missing == ("below",)
    assert index.asked == []


def test_partly_vendored_requirements_ask_the_index_for_the_rest(
    bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(bench.app.root / "vendor", "here")
    make_wheel(index.directory, "there")
    bench.write(requirements_txt="here==1.0\nthere==1.0\n")

    assert installed(bench.install()) == {"here==1.0", "there==1.0"}
    (warning,) = bench.read().warnings
    assert "requirements.txt:2: there==1.0" in warning


def test_a_wheel_that_is_not_what_its_record_says_is_refused(
    bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "bad", record="bad.py,sha256=AAAA,3\n")
    bench.write(requirements_txt="bad==1.0\n")

    with pytest.raises(HostileWheelError) as caught:
        bench.install()

    assert caught.value.problems == ("bad.py has 12 bytes instead of 3",)
    assert caught.value.brief == "The wheel of bad 1.0 is damaged or hostile"


@pytest.mark.parametrize("manager", [PackageManager.PIP, PackageManager.PYPROJECT])
def test_a_wheel_with_a_file_of_the_virtualenvs_own_is_refused(
    manager: PackageManager, bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "bad", files={"bad-1.0.data/data/pyvenv.cfg": "home = /srv\n"})
    project = '[project]\nname = "a"\nversion = "1"\ndependencies = ["bad==1.0"]\n'
    bench.write(requirements_txt="bad==1.0\n", pyproject_toml=project)
    bench.installer = load_installer(manager)

    with pytest.raises(HostileWheelError) as caught:
        bench.install()

    assert caught.value.problems == ("../../../pyvenv.cfg is the virtualenv's own",)


@pytest.mark.parametrize("kind", ["files", "unrecorded"])
@pytest.mark.parametrize("member", ["../../../../../sly_evil.py", "/var/tmp/sly_evil.py"])
def test_members_that_lead_out_of_the_virtualenv_are_left_out(
    member: str, kind: str, bench: Workbench, index: FakeIndex
) -> None:
    if kind == "files":
        make_wheel(index.directory, "sly", files={member: "x"})
    else:
        make_wheel(index.directory, "sly", unrecorded={member: "x"})
    bench.write(requirements_txt="sly==1.0\n")

    place = bench.install()

    assert installed(place) == {"sly==1.0"}
    assert not list(bench.directory.rglob("sly_evil.py"))
    assert not Path("/var/tmp/sly_evil.py").exists()
    assert "sly_evil" not in (place.venv.site_packages / "sly-1.0.dist-info/RECORD").read_text()


@pytest.mark.parametrize(
    "script", ["../evil", "python"], ids=["a script elsewhere", "a script named python"]
)
def test_entry_points_that_would_replace_programs_are_refused(
    script: str, bench: Workbench, index: FakeIndex
) -> None:
    entry_points = f"[console_scripts]\n{script}=bad:main\n"
    make_wheel(index.directory, "bad", files={"bad-1.0.dist-info/entry_points.txt": entry_points})
    bench.write(requirements_txt="bad==1.0\n")

    with pytest.raises(HostileWheelError) as caught:
        bench.install()

    assert caught.value.package.startswith("bad")


def test_a_wheel_whose_files_overlap_is_refused(bench: Workbench, index: FakeIndex) -> None:
    with zipfile.ZipFile(make_wheel(index.directory, "bad"), "a") as archive:
        other = copy.copy(archive.getinfo("bad.py"))  # one more name for the same bytes
        other.filename = "evil.py"
        archive.filelist.append(other)
        archive.writestr("more.py", "")  # so that the list is written anew

    error = fails(bench, "bad==1.0\n")

    assert error.exit_code == 65
    assert not list(bench.directory.glob("venv-*/**/evil.py"))


def test_an_extra_that_a_package_does_not_have_is_told(bench: Workbench, index: FakeIndex) -> None:
    make_wheel(index.directory, "plain")
    bench.write(requirements_txt="plain[fancy]==1.0\n")
    assert installed(bench.install()) == {"plain==1.0"}
    assert any("does not have an extra named `fancy`" in line for line in bench.log)


def test_a_removed_requirement_and_a_new_one_are_both_seen(
    bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "one")
    make_wheel(index.directory, "two")
    bench.write(requirements_txt="one==1.0\n")
    assert installed(bench.install()) == {"one==1.0"}
    bench.write(requirements_txt="two==1.0\n")
    assert installed(bench.install()) == {"two==1.0"}


def fails(bench: Workbench, text: str) -> SlugkitError:
    """The error of installing ``text``."""
    bench.write(requirements_txt=text)
    with pytest.raises(SlugkitError) as caught:
        bench.install()
    shutil.rmtree(bench.directory / "cache", ignore_errors=True)
    return caught.value


def test_every_way_an_index_can_fail_has_its_own_error(bench: Workbench, index: FakeIndex) -> None:
    wheels = index.directory
    for name in ("short", "locked", "gone", "portal", "slow", "yanked", "good"):
        make_wheel(wheels, name, files={f"{name}_data.txt": "x" * 5000})
    make_wheel(wheels, "new", metadata=["Requires-Python: >=3.99"])
    make_wheel(wheels, "early", "1.0rc1")
    make_wheel(wheels, "odd", requires=["foo (>=1.0"])
    make_wheel(wheels, "left", requires=["good<1"])
    make_wheel(wheels, "elsewhere").rename(wheels / "elsewhere-1.0-cp39-cp39-win_amd64.whl")
    short = (wheels / "short-1.0-py3-none-any.whl").read_bytes()[:2500]
    index.rules |= {
        "/files/short-": Answer(body=short),
        "/files/locked-": Answer(status=403),
        "/files/gone-": Answer(status=404),
        "/simple/portal/": Answer(
            body=b"<html>Welcome to the hotel's network</html>",
            headers={"Content-Type": "text/html"},
        ),
        "/simple/down/": Answer(status=503),
        "/simple/private/": Answer(status=401),
    }
    index.yanked["yanked-1.0-py3-none-any.whl"] = "it broke"

    assert {text: fails(bench, f"{text}\n").id for text in EXPECTED} == EXPECTED


EXPECTED = {
    "short==1.0": "install::broken-download",
    f"good==1.0 --hash=sha256:{'0' * 64}": "install::hash-mismatch",
    "locked==1.0": "install::index-access",
    "private==1.0": "install::index-access",
    "gone==1.0": "install::file-gone",
    "portal": "install::index-unreachable",
    "down==1.0": "install::index-unreachable",
    "yanked": "install::yanked",
    "new==1.0": "install::python-incompatible",
    "early>=1": "install::pre-release",
    "odd==1.0": "install::bad-metadata",
    "left\ngood==1.0": "install::conflict",
    "elsewhere==1.0": "install::no-wheel",
    "good==9": "install::no-matching-distribution",
    "nowhere==1.0": "install::no-matching-distribution",
    "x @ git+file:///nonexistent/x.git@main": "install::vcs",
}


@pytest.mark.parametrize(
    ("build", "error_id", "words"),
    [
        ("sys.stderr.write('pg_config executable not found'); sys.exit(1)",
         "install::system-library", "libpq-dev"),
        ("sys.stderr.write('x.c:1:10: fatal error: sqlite3.h: No such file'); sys.exit(1)",
         "install::system-library", "libsqlite3-dev"),
        ("sys.stderr.write('it is what it is'); sys.exit(1)",
         "install::source-build", "it is what it is"),
        ("os.kill(os.getpid(), 9)", "install::killed", "SIGKILL"),
        ("raise OSError(28, 'No space left on device')", "install::disk-full", "disk is full"),
    ],
)  # fmt: skip
def test_why_a_source_build_failed_is_told(
    build: str, error_id: str, words: str, bench: Workbench, index: FakeIndex
) -> None:
    make_sdist(index.directory, "native", build=build)

    error = fails(bench, "native==1.0\n")

    assert error.id == error_id
    assert words in error.text()


def test_a_wheel_that_would_fill_the_disk_is_stopped(
    bench: Workbench, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_limit, "LARGEST_FILE", 1 << 20)
    path = make_wheel(index.directory, "bomb", files={"bomb_data/zeros": bytes(64 << 20)})
    packed = path.with_suffix(".new")
    with zipfile.ZipFile(path) as plain, zipfile.ZipFile(packed, "w", ZIP_DEFLATED) as small:
        for member in plain.infolist():
            small.writestr(member.filename, plain.read(member))
    packed.rename(path)
    assert path.stat().st_size < 100_000

    error = fails(bench, "bomb==1.0\n")

    assert isinstance(error, FileTooLargeError)
    assert error.exit_code == 65
    sizes = [x.stat().st_size for x in bench.directory.rglob("*zeros*") if x.is_file()]
    assert [size for size in sizes if size > 1 << 20] == []


@pytest.mark.parametrize("manager", [PackageManager.PIP, PackageManager.PYPROJECT])
def test_a_yanked_version_asked_for_exactly_is_installed_with_a_warning(
    manager: PackageManager, bench: Workbench, index: FakeIndex
) -> None:
    make_wheel(index.directory, "yanked")
    index.yanked["yanked-1.0-py3-none-any.whl"] = "it broke"
    project = '[project]\nname = "app"\nversion = "1"\ndependencies = ["yanked==1.0"]\n'
    bench.write(requirements_txt="yanked==1.0\n", pyproject_toml=project)
    bench.installer = load_installer(manager)

    assert installed(bench.install()) == {"yanked==1.0"}
    assert 'warning: `yanked==1.0` is yanked (reason: "it broke")' in bench.log
    (note,) = bench.directory.rglob("yanked.json")
    assert json.loads(note.read_text()) == {"yanked==1.0": "it broke"}
    assert (note.parent / "pyvenv.cfg").is_file()
