"""Turns the walls' system call rules into a filter: BPF for bubblewrap, JSON for Docker.

The BPF comes from libseccomp, called directly; its number tables know every architecture, so
the rules need only names.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.syscalls import (
    DEFAULT_ACTION,
    SYSCALL_RULES,
    Action,
    ArgumentCheck,
    Compare,
    SyscallRule,
)

LIBRARY = "libseccomp.so.2"

# seccomp.h
_ACT_ALLOW = 0x7FFF0000
_ACT_ERRNO = 0x00050000
_COMPARE = {Compare.EQUAL: 4, Compare.MASKED_EQUAL: 7}
_DOCKER_COMPARE = {Compare.EQUAL: "SCMP_CMP_EQ", Compare.MASKED_EQUAL: "SCMP_CMP_MASKED_EQ"}
_ATTRIBUTE_OPTIMIZE = 8
_OPTIMIZE_BINARY_TREE = 2
_UNKNOWN_SYSCALL = -1

_ERRNO = {Action.REFUSE: errno.EPERM, Action.MISSING: errno.ENOSYS}


class SeccompError(SlugkitError):
    """The filter cannot be made, so no container is started without it."""

    exit_code = ExitCode.UNAVAILABLE
    id = "seccomp-unavailable"

    def __init__(self, step: str, reason: str) -> None:
        self.step, self.reason = step, reason
        super().__init__(
            "The system call filter cannot be made",
            details=f"{step}: {reason}",
            resolution="Install libseccomp 2.5 or newer (Debian, Ubuntu: apt install libseccomp2).",
        )


class _ArgCompare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def has_library() -> bool:
    """Whether libseccomp can be loaded."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


def filter_program(rules: Iterable[SyscallRule] = SYSCALL_RULES) -> bytes:
    """The rules as a BPF program for this machine's architecture; about 2 ms to make."""
    library = _load()
    context = library.seccomp_init(_action(DEFAULT_ACTION))
    if not context:
        raise SeccompError("seccomp_init", "no memory")
    try:
        # A tree instead of a list: every call of a program in the container passes the filter.
        # A libseccomp older than 2.5 refuses the attribute and makes the list; same meaning.
        library.seccomp_attr_set(context, _ATTRIBUTE_OPTIMIZE, _OPTIMIZE_BINARY_TREE)
        for rule in rules:
            _add_rule(library, context, rule)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def docker_profile() -> dict[str, object]:
    """The same rules in the form of Docker's ``--security-opt seccomp=``."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": int(_ERRNO[DEFAULT_ACTION]),
        # No 32-bit or x32 second table: slugs are native, and each table is one more way in.
        "archMap": [
            {"architecture": name, "subArchitectures": []}
            for name in ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64")
        ],
        "syscalls": [_docker_rule(rule) for rule in SYSCALL_RULES],
    }


def _docker_rule(rule: SyscallRule) -> dict[str, object]:
    entry: dict[str, object] = {
        "names": list(rule.names),
        "action": "SCMP_ACT_ALLOW" if rule.action is Action.ALLOW else "SCMP_ACT_ERRNO",
        "args": [_docker_check(check) for check in rule.checks],
    }
    if rule.action is not Action.ALLOW:
        entry["errnoRet"] = int(_ERRNO[rule.action])
    return entry


def _docker_check(check: ArgumentCheck) -> dict[str, object]:
    masked = check.compare is Compare.MASKED_EQUAL
    return {
        "index": check.index,
        "op": _DOCKER_COMPARE[check.compare],
        # With a mask, Docker's "value" is the mask and "valueTwo" what is compared.
        "value": check.mask if masked else check.value,
        "valueTwo": check.value if masked else 0,
    }


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError as err:
        raise SeccompError("load", str(err)) from err
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_release.restype = None
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_ArgCompare),
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


def _action(action: Action) -> int:
    return _ACT_ALLOW if action is Action.ALLOW else _ACT_ERRNO | _ERRNO[action]


def _add_rule(library: ctypes.CDLL, context: int, rule: SyscallRule) -> None:
    action = _action(rule.action)
    if rule.action is DEFAULT_ACTION:
        return  # libseccomp refuses a rule that says what the default says
    checks = (_ArgCompare * len(rule.checks))(*(_compare(check) for check in rule.checks))
    for name in rule.names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN_SYSCALL:
            continue  # newer than this libseccomp, so it falls to the default: ENOSYS
        code = library.seccomp_rule_add_array(context, action, number, len(checks), checks)
        if code != 0:
            raise SeccompError(f"rule for {name}", os.strerror(-code))


def _compare(check: ArgumentCheck) -> _ArgCompare:
    if check.compare is Compare.MASKED_EQUAL:
        return _ArgCompare(check.index, _COMPARE[check.compare], check.mask, check.value)
    return _ArgCompare(check.index, _COMPARE[check.compare], check.value, 0)


def _export(library: ctypes.CDLL, context: int) -> bytes:
    descriptor = os.memfd_create("seccomp")
    try:
        code = library.seccomp_export_bpf(context, descriptor)
        if code != 0:
            raise SeccompError("seccomp_export_bpf", os.strerror(-code))
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)
