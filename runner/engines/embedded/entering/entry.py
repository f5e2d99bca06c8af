"""How a process comes into a container: three forks, each with its own task.

    slug-run
      watcher    outside; becomes the container's user, waits for the process, and ends it when
                 slug-run is gone, however it went
        guide    joins the namespaces one by one, forks inside, and leaves
          process    waits until it is in the container's control groups, gives up every
                     right, and becomes the command

Everything is imported and open before the first fork: later there is another file system, and
nothing the container's own processes could look at or hold on to.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from buildpack.support.values import value
from runner.engines.base import Streams
from runner.engines.embedded.entering import walls
from runner.engines.embedded.entering.remains import end_remains
from slugc.privileges import drop_rights

GO = b"\n"
GRACE = 5.0  # seconds between SIGHUP and SIGKILL once slug-run is gone
_NOT_SAID = 70


@value
class Entry:
    """Everything the three need."""

    steps: Sequence[int]
    """namespaces, in the order they are joined in"""
    streams: Streams
    argv: tuple[str, ...]
    env: Mapping[str, str]
    filter: bytes
    last_capability: int
    said_fd: int
    """where the process's number is written, then what went wrong"""
    go_fd: int
    lifeline: int
    """ends when slug-run does"""
    ours: Sequence[int]
    """slug-run's own ends, for it alone to hold"""


def last_capability() -> int:
    """The highest capability this kernel knows."""
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())


def fork_watcher(entry: Entry) -> int:
    """Start all three; the watcher's process number."""
    pid = os.fork()
    if pid == 0:
        _end_with(entry, lambda: _watch(entry))
    return pid


def _end_with(entry: Entry, task: Callable[[], int]) -> NoReturn:
    """A forked process's whole life: nothing of what slug-run would do at its end is done."""
    code = _NOT_SAID
    try:
        code = task()
    except OSError as err:
        os.write(entry.said_fd, f"{err}\n".encode())
    finally:
        os._exit(code)


def _watch(entry: Entry) -> int:
    for descriptor in entry.ours:
        os.close(descriptor)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.setsid()  # Ctrl-C is passed on by slug-run, not by the terminal
    drop_rights()
    walls.adopt_orphans()
    walls.be_opaque()
    told, tell = os.pipe()
    guide = os.fork()
    if guide == 0:
        _end_with(entry, lambda: _guide(entry, tell))
    os.close(tell)
    pid = os.read(told, 32)
    os.waitpid(guide, 0)
    if not pid:
        return _NOT_SAID  # the guide has said why
    os.write(entry.said_fd, pid)
    _close_all_but(entry.lifeline)
    return _see_through(int(pid), entry.lifeline)


def _guide(entry: Entry, tell: int) -> int:
    for step in entry.steps:
        walls.join_namespace(step)
    pid = os.fork()
    if pid == 0:
        _end_with(entry, lambda: _become(entry))
    # Of our own namespace's numbers, which are the watcher's too.
    os.write(tell, f"{pid}\n".encode())
    return 0


def _become(entry: Entry) -> NoReturn:
    os.setsid()
    os.chdir("/app")
    if os.read(entry.go_fd, 1) != GO:
        os._exit(_NOT_SAID)
    walls.die_with_parent()
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    said = _arrange(entry.streams, entry.said_fd)
    try:
        walls.drop_capabilities(entry.last_capability)
        walls.gain_nothing()
        walls.filter_calls(entry.filter)
        os.execve(entry.argv[0], entry.argv, entry.env)  # noqa: S606  # not a child: what we become
    except OSError as err:
        os.write(said, f"{err}\n".encode())
        os._exit(_NOT_SAID)


def _arrange(streams: Streams, said: int) -> int:
    """The three streams, and ``said`` until we are another program; nothing else stays open."""
    given = os.open(os.devnull, os.O_RDONLY) if streams.stdin is None else streams.stdin
    high = [
        fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (given, streams.stdout, streams.stderr)
    ]
    said = fcntl.fcntl(said, fcntl.F_DUPFD, 10)
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number)
    os.dup2(said, 3, inheritable=False)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    if streams.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    return 3


def _close_all_but(descriptor: int) -> None:
    os.closerange(0, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))


def _see_through(pid: int, lifeline: int) -> int:
    """Wait for the process; its exit code as shells report it."""
    process = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(process, select.POLLIN)
    poller.register(lifeline, select.POLLIN)
    if process not in dict(poller.poll()):
        end_remains(pid, signal.SIGHUP)
        poller.unregister(lifeline)
        poller.poll(GRACE * 1000)
        end_remains(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
