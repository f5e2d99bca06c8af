"""hooks: bin/pre_compile and bin/post_compile run as on Heroku; what stops them is said."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.hooks import (
    HookFailedError,
    HookNotRunnableError,
    how_it_ended,
    run_hook,
    unbind_scripts,
)
from buildpack.support.leftovers import adopt_orphans

ENV = {"PATH": "/usr/bin:/bin", "GREETING": "hello"}


@pytest.fixture(autouse=True)
def orphans_are_not_ours() -> Iterator[None]:
    """A build ends with its hooks; the tests after this one would inherit everybody's orphans."""
    yield
    adopt_orphans(yes=False)


def hook(root: Path, content: str | bytes) -> Path:
    (root / "bin").mkdir(exist_ok=True)
    script = root / "bin" / "pre_compile"
    script.write_bytes(content if isinstance(content, bytes) else content.encode())
    return script


def run(root: Path) -> list[str]:
    lines: list[str] = []
    assert run_hook("pre_compile", App(root=root), ENV, lines.append)
    return lines


def test_a_hook_runs_in_the_build_dir_with_config_vars_even_without_its_mode(
    tmp_path: Path,
) -> None:
    script = hook(tmp_path, '#!/bin/sh\npwd\necho "$GREETING"\n')
    assert run(tmp_path) == [str(tmp_path), "hello"]
    assert stat.S_IMODE(script.stat().st_mode) & 0o111 == 0o111


def test_a_hook_that_is_a_link_inside_the_app_runs_without_its_mode(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "build.sh"
    script.write_text("#!/bin/sh\necho linked\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pre_compile").symlink_to("../scripts/build.sh")
    assert run(tmp_path) == ["linked"]
    script.chmod(0o644)
    (tmp_path / "api" / "bin").mkdir(parents=True)
    (tmp_path / "api" / "bin" / "pre_compile").symlink_to("../../scripts/build.sh")
    lines: list[str] = []
    run_hook("pre_compile", App(root=tmp_path / "api", source=tmp_path), ENV, lines.append)
    assert lines == ["linked"]


def test_no_file_outside_the_app_is_made_executable_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "somebody's.sh"
    outside.write_text("#!/bin/sh\necho never\n")
    outside.chmod(0o644)
    app = tmp_path / "app"
    (app / "bin").mkdir(parents=True)
    (app / "bin" / "pre_compile").symlink_to(outside)
    with pytest.raises(HookNotRunnableError) as caught:
        run(app)
    assert caught.value.text() == (
        "Your pre_compile script cannot be run\n\n"
        "bin/pre_compile cannot be started: it is a link to a file outside your app, and that is "
        "not executable.\n\n"
        "Put the script itself at bin/pre_compile, in place of the link."
    )
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_no_hook_is_no_error(tmp_path: Path) -> None:
    assert not run_hook("pre_compile", App(root=tmp_path), ENV, print)
    (tmp_path / "bin" / "pre_compile").mkdir(parents=True)
    assert not run_hook("pre_compile", App(root=tmp_path), ENV, print)


def test_a_program_of_the_app_called_like_one_of_the_system_is_not_taken_for_it(
    tmp_path: Path,
) -> None:
    hook(tmp_path, "#!/bin/sh\necho text | cat\n")
    for place in (tmp_path, tmp_path / "bin"):
        (place / "cat").write_text("#!/bin/sh\necho trap\n")
        (place / "cat").chmod(0o755)
    assert run(tmp_path) == ["text"]


def test_a_hook_without_a_first_line_runs_with_bash_and_is_told_how_to_begin(
    tmp_path: Path,
) -> None:
    hook(tmp_path, '[[ "$GREETING" == h* ]] && echo "bash ${BASH_VERSION:+it is}"\n')
    assert run(tmp_path) == [
        "bin/pre_compile has no '#!' line: running it with bash. Better make its first line",
        "#!/usr/bin/env bash",
        "bash it is",
    ]


def test_what_a_hook_prints_on_stderr_is_shown_in_its_place(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\necho one\necho two >&2\necho three\n")
    assert run(tmp_path) == ["one", "two", "three"]


def test_a_failing_hook_is_named_with_its_code(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\nexit 7\n")
    with pytest.raises(HookFailedError) as caught:
        run(tmp_path)
    assert caught.value.reason_id == "hooks::pre_compile"
    assert caught.value.text() == (
        "Your pre_compile script failed\n\n"
        "bin/pre_compile ended with exit code 7. Its output is above.\n\n"
        "Correct the script, or remove it from your app if you do not need it."
    )


@pytest.mark.parametrize(
    "line",
    [
        "bin/post_compile: line 3: pip: command not found",
        "sh: 3: pip3: not found",
        "/app/.heroku/venv/bin/python: No module named pip",
        "ModuleNotFoundError: No module named 'pip'",
    ],
)
def test_a_hook_that_runs_pip_is_told_that_there_is_none(line: str, tmp_path: Path) -> None:
    hook(tmp_path, f'#!/bin/sh\necho "{line}" >&2\nexit 1\n')
    with pytest.raises(HookFailedError) as caught:
        run(tmp_path)
    assert caught.value.resolution == (
        "It runs pip, which is no part of what is built. Name what it installs in your\n"
        "requirements; or name pip there, which then is part of the slug.\n\n"
        "Correct the script, or remove it from your app if you do not need it."
    )


@pytest.mark.parametrize(
    "first", ["#!{}/python", "#!/bin/sh\n'''exec' \"{}/python3\" \"$0\" \"$@\"\n' '''"]
)
def test_what_a_hook_installs_with_pip_starts_wherever_the_app_is_moved_to(
    first: str, tmp_path: Path
) -> None:
    """pip writes the path of the Python that ran it; the build is somewhere else than the app."""
    bin_dir = tmp_path / "build" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "python").symlink_to(sys.executable)
    (bin_dir / "tool").write_text(f"{first.format(bin_dir)}\nimport sys\nprint(sys.argv[1])\n")
    (bin_dir / "tool").chmod(0o555)
    (tmp_path / "cached").hardlink_to(bin_dir / "tool")
    (bin_dir / "other").write_text("#!/usr/bin/env python3\n")
    (bin_dir / "link").symlink_to("tool")
    unbind_scripts(bin_dir)
    moved = (tmp_path / "build").rename(tmp_path / "my app")
    done = subprocess.run(
        [moved / "bin" / "tool", "hello"], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout == "hello\n"
    assert (moved / "bin" / "other").read_text() == "#!/usr/bin/env python3\n"
    assert (moved / "bin" / "link").is_symlink()
    assert (tmp_path / "cached").read_text().startswith(first.format(bin_dir))


def test_a_hook_may_take_the_virtualenv_away(tmp_path: Path) -> None:
    unbind_scripts(tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_a_hook_that_was_killed_names_the_signal(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\nkill -KILL $$\n")
    with pytest.raises(HookFailedError) as caught:
        run(tmp_path)
    assert caught.value.details == "bin/pre_compile was killed by SIGKILL. Its output is above."
    assert how_it_ended(-200) == "was killed by signal 200"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("#!/no/such/shell -e\n", "there is no '/no/such/shell', which its first line names"),
        ("#!/bin/sh\r\necho\r\n", "its first line ends in CRLF, as Windows writes it"),
        ("#!/usr/bin/env bash\r\necho\r\n", "its first line ends in CRLF, as Windows writes it"),
        (b"\x7fELF\0\0\0", "the system says: exec format error"),
    ],
)
def test_a_hook_that_cannot_start_says_why_and_how_to_begin_it(
    content: str | bytes, reason: str, tmp_path: Path
) -> None:
    hook(tmp_path, content)
    with pytest.raises(HookNotRunnableError) as caught:
        run(tmp_path)
    assert caught.value.text() == (
        "Your pre_compile script cannot be run\n\n"
        f"bin/pre_compile cannot be started: {reason}.\n\n"
        "Make this its first line, with a plain line end:\n\n    #!/usr/bin/env bash"
    )


def test_a_hook_we_may_not_make_executable_is_an_error_of_ours_to_explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    hook(tmp_path, "#!/bin/sh\n").chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(HookNotRunnableError) as caught:
        run(tmp_path)
    assert caught.value.reason == "the system says: operation not permitted"
