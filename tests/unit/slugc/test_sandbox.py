"""The embedded sandbox's policy, as data; real walls are tested in tests/integration."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from buildpack.support import seccomp
from buildpack.support.command import Command, CommandFailedError
from slugc.sandbox import ChosenSandbox, enter_sandbox
from slugc.sandbox.base import (
    NetworkPolicy,
    NetworkUnavailableError,
    Problem,
    SandboxCommand,
    SandboxKind,
    SandboxRequest,
    SandboxUnavailableError,
    StackUnavailableError,
)
from slugc.sandbox.embedded import EmbeddedSandbox
from slugc.sandbox.limits import BuildLimits
from slugc.sandbox.none import NoSandbox
from slugc.sandbox.policy import (
    HiddenPathError,
    Walls,
    bwrap_argv,
    require_visible,
    reveal_prefix,
    revealed_prefix,
    system_arguments,
    without_resolver,
)
from slugc.sandbox.reachable import is_reachable
from slugc.sandbox.refusals import explain_refusal, missing_tools
from slugc.sandbox.waiting import SHELL, WaitingSandbox, orders_for
from slugc.stack import read_host_stack

PRINT = """
import os, sys
seen = {name: value for name, value in os.environ.items() if name not in {"LC_CTYPE", "_"}}
print(ascii((sys.argv[1:], os.getcwd(), seen, sys.stdin.read())))
"""


def test_the_whole_argument_list() -> None:
    walls = Walls(
        work_source=Path("/mnt/0"),
        home_source=Path("/mnt/0/home"),
        exposed=(
            (Path("/mnt/1"), Path("/home/ann/.pyenv/versions")),
            (Path("/mnt/2"), Path("/tmp/ann/wheels/1")),
            (Path("/mnt/3"), Path("/tmp/ca.pem")),
        ),
        written=((7, "/etc/passwd"),),
        filter=6,
    )

    argv = bwrap_argv(walls, SHELL, system=("--ro-bind", "/usr", "/usr"))

    assert " ".join(argv) == (
        "bwrap --unshare-all --share-net --unshare-user --disable-userns"
        " --uid 1000 --gid 1000 --cap-drop ALL --seccomp 6 --die-with-parent --new-session"
        " --hostname slugc"
        " --ro-bind /usr /usr --ro-bind-data 7 /etc/passwd --proc /proc --dev /dev"
        " --perms 1777 --size 268435456 --tmpfs /var/tmp"
        " --bind /mnt/0 /tmp"
        " --perms 0755 --size 1048576 --tmpfs /tmp/ann"
        " --ro-bind /mnt/1 /home/ann/.pyenv/versions"
        " --ro-bind /mnt/2 /tmp/ann/wheels/1 --ro-bind /mnt/3 /tmp/ca.pem"
        " --bind /mnt/0/home /app --remount-ro /"
        " --chdir /tmp -- /bin/sh"
    )


def test_there_is_no_sandbox_without_the_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "LIBRARY", "libnothing.so.0")
    with (
        pytest.raises(SandboxUnavailableError, match="cannot run here") as caught,
        EmbeddedSandbox(SandboxRequest(work_dir=tmp_path)),
    ):
        pytest.fail("entered")
    assert caught.value.problems[0].what == "The system call filter cannot be made"
    assert "apt install libseccomp2" in caught.value.problems[0].fix


def test_no_value_of_the_environment_is_on_the_command_line(tmp_path: Path) -> None:
    for name in ("work", "home"):
        (tmp_path / name).mkdir()
    sandbox = EmbeddedSandbox(SandboxRequest(work_dir=tmp_path / "work", path="/bin"))

    with sandbox.walls_command() as started:
        assert started.argv[-2:] == ("--", "/bin/sh")
        assert started.env == {"PATH": "/bin"}


def test_the_orders_a_waiting_sandbox_gets_are_exact(tmp_path: Path) -> None:
    value = 'it\'s "$HOME" `id`\n\\ \udcff *'
    phase = SandboxCommand(
        argv=("/usr/bin/python3", "-c", PRINT, "a b", ""),
        cwd=PurePosixPath(tmp_path),
        env={"PATH": "/usr/bin:/bin", "VALUE": value},
    )
    told = os.fsencode(orders_for(phase))
    shell = subprocess.run(SHELL, input=told, env={"OTHER": "x"}, capture_output=True, check=True)

    assert ast.literal_eval(shell.stdout.decode()) == (
        ["a b", ""],
        str(tmp_path),
        {"PATH": "/usr/bin:/bin", "VALUE": value, "PWD": str(tmp_path), "OTHER": "x"},
        "",
    )


def test_a_sandbox_that_does_not_come_up_says_why() -> None:
    script = "echo no >&2; exit 3"
    waiting = WaitingSandbox(
        Command(argv=("sh", "-c", script), cwd=Path("/"), env={"PATH": os.defpath})
    )

    with pytest.raises(CommandFailedError) as caught:
        waiting.require()

    assert (caught.value.code, caught.value.last_lines) == (3, ("no",))


def test_a_waiting_sandbox_can_be_taken_down_unused_and_twice() -> None:
    waiting = WaitingSandbox(Command(argv=SHELL, cwd=Path("/"), env={"PATH": os.defpath}))
    waiting.require()
    assert waiting.stands

    waiting.end()
    waiting.end()

    assert not waiting.stands


def test_system_directories_merged_or_not_and_only_named_parts_of_etc(tmp_path: Path) -> None:
    for name in ("usr/bin", "usr/lib", "lib64", "etc/ssl/certs", "etc/ssl/private", "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "run" / "stub.conf").touch()
    (tmp_path / "etc" / "resolv.conf").symlink_to("../run/stub.conf")
    (tmp_path / "etc" / "shadow").touch()

    arguments = system_arguments(tmp_path)

    assert arguments == (
        *("--ro-bind", f"{tmp_path}/usr", "/usr"),
        *("--symlink", "usr/bin", "/bin"),
        *("--ro-bind", f"{tmp_path}/lib64", "/lib64"),
        *("--perms", "0755", "--dir", "/etc"),
        *("--ro-bind", f"{tmp_path}/run/stub.conf", "/etc/resolv.conf"),
        *("--ro-bind", f"{tmp_path}/etc/ssl/certs", "/etc/ssl/certs"),
    )


def test_apt_finds_what_it_goes_by(tmp_path: Path) -> None:
    (tmp_path / "etc/apt/keyrings").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").touch()

    arguments = system_arguments(tmp_path, uid=os.getuid())

    assert arguments[-10:] == (
        *("--ro-bind", f"{tmp_path}/etc/apt/keyrings", "/etc/apt/keyrings"),
        *("--ro-bind", f"{tmp_path}/etc/apt/sources.list", "/etc/apt/sources.list"),
        *("--dir", "/etc/apt/apt.conf.d", "--dir", "/etc/apt/preferences.d"),
    )


def test_root_reveals_what_the_unprivileged_user_cannot_reach() -> None:
    prefix = reveal_prefix(Path("/var/lib/slugkit/area"), (Path("/root/a"), Path("/root/b")))

    assert prefix[:6] == ("unshare", "--mount", "--propagation", "slave", "--", "sh")
    assert prefix[9:] == ("/var/lib/slugkit/area", "2", "/root/a", "/root/b")


def test_a_later_sandbox_goes_where_the_first_one_has_revealed_it() -> None:
    assert revealed_prefix(7) == ("nsenter", f"--mount=/proc/{os.getpid()}/fd/7", "--")


def test_is_reachable_looks_at_every_directory_on_the_way(tmp_path: Path) -> None:
    stranger = 54321
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)

    assert is_reachable(Path("/usr/bin"), uid=stranger)
    assert is_reachable(inner, uid=os.getuid())
    (tmp_path / "a").chmod(0o710)
    assert not is_reachable(inner, uid=stranger)


def test_is_reachable_goes_where_links_lead(open_dir: Path) -> None:
    stranger = 54321
    (open_dir / "hidden" / "b").mkdir(parents=True)
    (open_dir / "shown").mkdir()
    (open_dir / "shown" / "link").symlink_to("../hidden")
    (open_dir / "shown" / "on").symlink_to(open_dir / "hidden" / "back")
    (open_dir / "hidden" / "back").symlink_to("../shown")

    assert is_reachable(open_dir / "shown/link/b", uid=stranger)
    assert is_reachable(open_dir / "shown/on", uid=stranger)
    (open_dir / "hidden").chmod(0o710)
    assert not is_reachable(open_dir / "shown/link/b", uid=stranger)
    assert not is_reachable(open_dir / "shown/on", uid=stranger)


def test_missing_tools_are_named_with_their_package(tmp_path: Path) -> None:
    problems = missing_tools(os.fspath(tmp_path))

    assert problems[0] == Problem(
        what="the program 'bwrap' is not installed", fix="Install it: apt-get install bubblewrap"
    )


def test_the_words_when_namespaces_are_refused() -> None:
    problem = explain_refusal("bwrap: No permissions to create new namespace")
    error = SandboxUnavailableError(SandboxKind.EMBEDDED, (problem,))

    assert error.exit_code == 69
    assert error.text() == (
        "The embedded sandbox cannot run here\n\n"
        "- bubblewrap could not start: bwrap: No permissions to create new namespace\n\n"
        "1. Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1\n"
        "   user.max_user_namespaces=15000, on Ubuntu also\n"
        "   kernel.apparmor_restrict_unprivileged_userns=0; in a container, start it with\n"
        "   --security-opt seccomp=unconfined --security-opt apparmor=unconfined.\n\n"
        "Or build without walls around the buildpack, if you trust it\n"
        "and the app's dependencies: slugc build --sandbox none"
    )


def test_building_without_a_sandbox_is_not_offered_to_who_asked_for_that() -> None:
    problem = Problem(what="it lies where only root may go", fix="Set SLUGKIT_HOME.")
    assert SandboxUnavailableError(SandboxKind.NONE, (problem,)).text() == (
        "The none sandbox cannot run here\n\n"
        "- it lies where only root may go\n\n"
        "1. Set SLUGKIT_HOME."
    )


def test_an_old_bubblewrap_is_named() -> None:
    assert explain_refusal("bwrap: Unknown option --disable-userns").fix == (
        "Install bubblewrap 0.8 or newer."
    )


def no_bwrap(_path: str) -> tuple[Problem, ...]:
    return (Problem(what="the program 'bwrap' is not installed", fix="Install it."),)


def test_not_asked_for_none_is_taken_and_the_reason_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slugc.sandbox.embedded.missing_tools", no_bwrap)
    monkeypatch.setattr("slugc.sandbox.none.is_reachable", lambda _path, uid: bool(uid) or True)

    with contextlib.ExitStack() as stack:
        chosen = enter_sandbox(stack, None, SandboxRequest(work_dir=tmp_path))

    assert chosen.sandbox.kind is SandboxKind.NONE
    assert chosen.shown == (
        "none, because the program 'bwrap' is not installed, network: the host's"
    )


@pytest.mark.parametrize("policy", [NetworkPolicy.OFF, NetworkPolicy.ISOLATED])
def test_a_network_asked_for_by_name_is_not_given_up_with_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: NetworkPolicy
) -> None:
    monkeypatch.setattr("slugc.sandbox.embedded.missing_tools", no_bwrap)

    with contextlib.ExitStack() as stack, pytest.raises(SandboxUnavailableError, match="embedded"):
        enter_sandbox(stack, None, SandboxRequest(work_dir=tmp_path, network=policy))


def test_without_a_sandbox_no_network_can_be_taken_away(tmp_path: Path) -> None:
    request = SandboxRequest(work_dir=tmp_path, network=NetworkPolicy.OFF)

    with pytest.raises(NetworkUnavailableError) as caught, NoSandbox(request):
        pytest.fail("entered")

    assert caught.value.exit_code == 69
    assert caught.value.text() == (
        "The none sandbox cannot build with --network off here\n\n"
        "Without a sandbox a build has this machine's network.\n\n"
        "Leave --network out, or build in a sandbox: --sandbox embedded"
    )


def test_limits_without_effect_are_said(tmp_path: Path) -> None:
    limits = BuildLimits(memory=1 << 30)

    assert NoSandbox(SandboxRequest(work_dir=tmp_path, limits=limits)).notices == (
        "Without a sandbox nothing limits memory, processors, processes, disk or files; "
        "--timeout alone holds",
    )
    assert NoSandbox(SandboxRequest(work_dir=tmp_path)).notices == ()


def test_without_slirp4netns_the_first_line_says_whose_network_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(what="the program 'slirp4netns' is not installed", fix="Install it.")
    monkeypatch.setattr("slugc.sandbox.network_choice.network_problem", lambda _path: problem)
    for name in ("work", "home"):
        (tmp_path / name).mkdir()

    with contextlib.ExitStack() as stack:
        sandbox = EmbeddedSandbox(SandboxRequest(work_dir=tmp_path / "work"))
        stack.push(sandbox)
        sandbox.begin()
        shown = ChosenSandbox(sandbox=sandbox).shown

    assert shown == (
        "embedded, network: the host's, because the program 'slirp4netns' is not installed"
    )


def test_an_isolated_network_that_cannot_be_had_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(what="/dev/net/tun is missing", fix="Load the kernel's module: modprobe tun")
    monkeypatch.setattr("slugc.sandbox.network_choice.network_problem", lambda _path: problem)
    sandbox = EmbeddedSandbox(SandboxRequest(work_dir=tmp_path, network=NetworkPolicy.ISOLATED))

    with pytest.raises(NetworkUnavailableError) as caught:
        sandbox.begin()

    assert caught.value.text() == (
        "The embedded sandbox cannot build with --network isolated here\n\n"
        "/dev/net/tun is missing\n\n"
        "Load the kernel's module: modprobe tun\n\n"
        "Or let the build use this machine's network, its loopback included, if you trust\n"
        "the buildpack and the app's dependencies: --network host\n"
        "Or build without any: --network off"
    )


def test_a_build_with_a_name_server_of_its_own_does_not_see_the_hosts() -> None:
    system = ("--ro-bind", "/usr", "/usr", "--ro-bind", "/run/r.conf", "/etc/resolv.conf", "--x")

    assert without_resolver(system) == ("--ro-bind", "/usr", "/usr", "--x")
    assert without_resolver(("--x",)) == ("--x",)


def test_no_network_is_one_argument_less() -> None:
    walls = Walls(work_source=Path("/w"), home_source=Path("/h"), exposed=(), has_network=False)

    argv = bwrap_argv(walls, SHELL, system=())

    assert argv[:3] == ("bwrap", "--unshare-all", "--unshare-user")
    assert "--share-net" not in argv


def test_asked_for_by_name_another_is_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slugc.sandbox.embedded.missing_tools", no_bwrap)

    with contextlib.ExitStack() as stack, pytest.raises(SandboxUnavailableError):
        enter_sandbox(stack, SandboxKind.EMBEDDED, SandboxRequest(work_dir=tmp_path))


def test_another_stack_than_this_machines_is_refused(tmp_path: Path) -> None:
    request = SandboxRequest(work_dir=tmp_path, stack="heroku-24")
    here = read_host_stack().id

    with pytest.raises(StackUnavailableError) as caught, NoSandbox(request):
        pass

    assert caught.value.exit_code == 69
    assert caught.value.text() == (
        "The none sandbox cannot build for the stack heroku-24\n\n"
        f"It builds on this machine's own stack, {here}.\n\n"
        "Leave --stack out, or build in a container of that stack:\n"
        "slugc build --sandbox docker --stack heroku-24"
    )


@pytest.mark.parametrize("path", ["/tmp", "/tmp/cache/wheels", "/tmp/build_5106c0de", "/tmp/env"])
def test_what_a_builds_own_tmp_hides_is_refused_in_words(path: str) -> None:
    with pytest.raises(HiddenPathError) as caught:
        require_visible((Path("/usr/share/wheels"), Path("/tmp/ann/wheels"), Path(path)))

    assert caught.value.exit_code == 66
    assert caught.value.text() == (
        f"{path} cannot be shown to the build\n\n"
        "A setting of yours names it (an index, certificates, a directory of wheels),\n"
        "but a build has a /tmp of its own with something else at that place.\n\n"
        "Move it, or name it through another path."
    )
