"""The kernel's calls that put the calling process behind walls. Each raises OSError."""

from __future__ import annotations

import ctypes
import os
import signal

_LIBC = ctypes.CDLL(None, use_errno=True)

# linux/prctl.h, linux/capability.h, linux/seccomp.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_CAPABILITY_VERSION_3 = 0x20080522
_BPF_INSTRUCTION_SIZE = 8


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def join_namespace(descriptor: int) -> None:
    """setns(2), of whatever kind the namespace is. That of processes is for children only."""
    _check(_LIBC.setns(descriptor, 0))


def adopt_orphans() -> None:
    """Be the parent of what our children leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def be_opaque() -> None:
    """Nobody of the same user traces us or looks at our memory, until we are another program."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def drop_capabilities(last: int) -> None:
    """All of them, of every kind, ``last`` being the highest the kernel knows."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(last + 1):
        _prctl(_PR_CAPBSET_DROP, capability)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    _check(_LIBC.capset(ctypes.byref(header), (ctypes.c_uint32 * 6)()))


def gain_nothing() -> None:
    """No program we become has more rights than we have."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def filter_calls(program: bytes) -> None:
    """From now on the kernel asks ``program`` about each system call."""
    content = ctypes.create_string_buffer(program, len(program))
    found = _Program(len(program) // _BPF_INSTRUCTION_SIZE, ctypes.addressof(content))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(found))


def _prctl(option: int, first: int, second: int = 0) -> None:
    arguments = (ctypes.c_ulong(each) for each in (first, second, 0, 0))
    _check(_LIBC.prctl(ctypes.c_int(option), *arguments))


def _check(result: int) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
