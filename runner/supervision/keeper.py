"""The keeper: holds an app's file descriptors, and starts its supervisor again when that dies.

As small as a process of Python can be, for it runs as long as the app does: started by its path
in isolated mode (-I -S), it imports nothing of ours. Its words, each one message over a
SOCK_SEQPACKET pair whose other end the supervisor has:

    store NAME (with one descriptor)    keep it under that name
    drop NAME                           close it

    keeper.py [NAME=FD]... -- PROGRAM [ARGUMENT]...

PROGRAM gets ``--keeper FD`` and every ``NAME=FD`` at its end: it holds all of them from its first
moment, so that there is none at which the keeper may not be killed. When it exits with 0 it meant
to, and so does the keeper; however else it ends, it is started again. SIGTERM and SIGHUP are passed
on to it, also by one that is started after they came: only a supervisor ends containers gently. It
is born with them blocked, and unblocks them when it is ready for them.
"""

from __future__ import annotations

import array
import os
import resource
import signal
import socket
import sys
import time

STEADY = 2.0  # seconds a supervisor lived after which its end is not the last one's again
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_NAP = 0.1, 5.0, 0.25
ROOM_PAUSE = 1.0
LAST_TRIES = 3  # supervisors that may die of stopping
MESSAGE_SIZE = 512
MOST_FILES = 65536
STOPPING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Keeper:
    """The descriptors by name, and the supervisor of the moment."""

    def __init__(self, kept: dict[str, int], argv: list[str]) -> None:
        self.kept = kept
        self.argv = argv
        self.pid = 0
        self.code: int | None = None
        self.stopping = False

    def run(self) -> int:
        """Keep a supervisor running until one ends as it meant to; its exit code."""
        for number in STOPPING:
            signal.signal(number, self._pass_on)
        signal.signal(signal.SIGCHLD, self._reap)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        quick = failed_to_stop = 0
        while True:
            began = time.monotonic()
            self._serve(self._start())
            code = self._wait()
            failed_to_stop += self.stopping
            if code == 0 or failed_to_stop == LAST_TRIES:
                return code
            quick = quick + 1 if time.monotonic() - began < STEADY else 1
            self._pause(pause_before(quick))

    def _pause(self, seconds: float) -> None:
        """A signal to stop is not made to wait."""
        until = time.monotonic() + seconds
        while not self.stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LONGEST_NAP))

    def _start(self) -> socket.socket:
        """Start one, however long the machine has no room for a process more."""
        while True:
            try:
                supervisor = self._try_to_start()
            except OSError:
                time.sleep(ROOM_PAUSE)
            else:
                if self.stopping:  # it came before there was anybody to pass it on to
                    self._pass_on(signal.SIGTERM, None)
                return supervisor

    def _try_to_start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Before the fork: what came to the child before it is another program would be lost, and
        # so would its own end, if that were told before we know its number.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPPING, signal.SIGCHLD))
        try:
            self.pid = os.fork()
            if self.pid == 0:
                self._become_supervisor(theirs)
        except OSError:
            ours.close()
            theirs.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOPPING, signal.SIGCHLD))
        theirs.close()
        return ours

    def _become_supervisor(self, keeper: socket.socket) -> None:
        try:
            for number in (*STOPPING, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            for descriptor in (keeper.fileno(), *self.kept.values()):
                os.set_inheritable(descriptor, True)
            words = [f"{name}={descriptor}" for name, descriptor in self.kept.items()]
            argv = [*self.argv, "--keeper", str(keeper.fileno()), *words]
            os.execv(argv[0], argv)  # noqa: S606  # nothing of ours can be imported here
        finally:
            os._exit(127)

    def _serve(self, supervisor: socket.socket) -> None:
        """Do as it says until it is gone."""
        with supervisor:
            while True:
                try:
                    data, ancillary, _, _ = supervisor.recvmsg(
                        MESSAGE_SIZE, socket.CMSG_SPACE(array.array("i").itemsize)
                    )
                except ConnectionResetError:
                    return
                if not data:
                    return
                descriptors = array.array("i")
                for _level, _kind, content in ancillary:
                    descriptors.frombytes(content)
                self._carry_out(data.decode(), list(descriptors))

    def _carry_out(self, words: str, descriptors: list[int]) -> None:
        verb, _, name = words.partition(" ")
        if verb == "store" and descriptors:
            os.set_inheritable(descriptors[0], False)
            self._close(name)
            self.kept[name] = descriptors[0]
        elif verb == "drop":
            self._close(name)

    def _close(self, name: str) -> None:
        descriptor = self.kept.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    def _wait(self) -> int:
        """The supervisor's exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        while self.code is None:
            self._note(*os.waitpid(-1, 0))
        code, self.code, self.pid = self.code, None, 0
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        return code

    def _reap(self, number: int, frame: object) -> None:
        """Containers that a supervisor left behind are our children now: cleared away."""
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._note(*found)
        except ChildProcessError:
            return

    def _note(self, pid: int, status: int) -> None:
        if pid == self.pid:
            self.code = os.waitstatus_to_exitcode(status)

    def _pass_on(self, number: int, frame: object) -> None:
        self.stopping = True
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGTERM)
            except ProcessLookupError:
                return  # it has ended and is cleared away already; the next one is told


def pause_before(quick: int) -> float:
    """Seconds to wait after as many quick ends: 0, 0.1, 0.2, 0.4 ... 5."""
    return 0.0 if quick < 2 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (quick - 2))


def main(argv: list[str]) -> int:
    at = argv.index("--")
    kept = {}
    for word in argv[:at]:
        name, _, number = word.rpartition("=")
        os.set_inheritable(int(number), False)
        kept[name] = int(number)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))  # one or two for each container
    return Keeper(kept, argv[at + 1 :]).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
