"""The walls as data, and both filters made from them."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from buildpack.support import seccomp
from buildpack.support.syscalls import SYSCALL_RULES, Action, SyscallRule
from runner import walls


def names(action: Action) -> set[str]:
    """Calls decided without a look at their arguments."""
    return {
        name
        for rule in SYSCALL_RULES
        if rule.action is action and not rule.checks
        for name in rule.names
    }


def test_no_call_is_decided_twice() -> None:
    everything = [name for rule in SYSCALL_RULES if not rule.checks for name in rule.names]
    assert len(everything) == len(set(everything))


def test_calls_that_reach_the_host_or_the_kernel_are_never_allowed() -> None:
    conditional = {name for rule in SYSCALL_RULES if rule.checks for name in rule.names}
    forbidden = (
        "bpf clone3 io_uring_setup kexec_load keyctl mount perf_event_open pivot_root ptrace "
        "setns umount2 unshare userfaultfd"
    )
    assert set(forbidden.split()).isdisjoint(names(Action.ALLOW) | conditional)
    assert conditional == {"clone", "personality", "socket"}


def test_clone_may_ask_for_no_namespace() -> None:
    (rule,) = [rule for rule in SYSCALL_RULES if rule.names == ("clone",)]
    (check,) = rule.checks
    every_namespace = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000
    assert (check.index, check.value, check.mask) == (0, 0, every_namespace | 0x40000000)


def test_container_user_is_not_root() -> None:
    assert walls.CONTAINER_UID > 0
    assert walls.CONTAINER_GID > 0


# One process for each: a filter cannot be taken off again.
TRY = """
import ctypes, errno, os, sys
program = open(0, "rb").read()
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
filter = Program(len(program) // 8, program)
assert libc.prctl(22, 2, ctypes.byref(filter)) == 0, ctypes.get_errno()
result = eval(sys.argv[1])
os.write(1, (errno.errorcode[ctypes.get_errno()] if result == -1 else "went through").encode())
os._exit(0)
"""


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        ("libc.getppid()", "went through"),
        ("libc.unshare(0x10000000)", "EPERM"),
        ("libc.mount(b'none', b'/', b'tmpfs', 0, None)", "EPERM"),
        ("libc.ptrace(0, 0, 0, 0)", "EPERM"),
        ("libc.socket(2, 1, 0)", "went through"),
        ("libc.socket(40, 1, 0)", "ENOSYS"),
        ("libc.personality(ctypes.c_ulong(0xFFFFFFFF))", "went through"),
        ("libc.personality(0x40000)", "ENOSYS"),
        ("libc.syscall(435, 0, 0)", "ENOSYS"),  # clone3
        ("libc.syscall(425, 0, 0)", "EPERM"),  # io_uring_setup
        ("libc.syscall(9999)", "ENOSYS"),
    ],
)
def test_filter_decides(call: str, outcome: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", TRY, call],
        input=seccomp.filter_program(),
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.stdout.decode(), done.stderr.decode()) == (outcome, "")


def test_filter_is_the_same_each_time() -> None:
    assert seccomp.filter_program() == seccomp.filter_program()


def test_unknown_call_falls_to_the_default() -> None:
    newer = SyscallRule(names=("a_call_of_the_year_2040",), action=Action.ALLOW)
    assert seccomp.filter_program([newer]) == seccomp.filter_program([])


def test_missing_library_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "LIBRARY", "libseccomp-missing.so.9")
    assert not seccomp.has_library()
    with pytest.raises(seccomp.SeccompError) as caught:
        seccomp.filter_program()
    assert caught.value.text() == (
        "The system call filter cannot be made\n\n"
        "load: libseccomp-missing.so.9: cannot open shared object file: "
        "No such file or directory\n\n"
        "Install libseccomp 2.5 or newer (Debian, Ubuntu: apt install libseccomp2)."
    )


def test_docker_profile_says_the_same() -> None:
    profile = seccomp.docker_profile()
    assert profile["defaultErrnoRet"] == errno.ENOSYS
    rules = profile["syscalls"]
    assert isinstance(rules, list)
    assert len(rules) == len(SYSCALL_RULES)
    clone3 = next(rule for rule in rules if rule["names"] == ["clone3"])
    refused = next(rule for rule in rules if "mount" in rule["names"])
    assert (refused["action"], refused["errnoRet"]) == ("SCMP_ACT_ERRNO", errno.EPERM)
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", errno.ENOSYS)
    clone = next(rule for rule in rules if rule["names"] == ["clone"])
    assert clone["args"] == [
        {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0x7E020000, "valueTwo": 0}
    ]
