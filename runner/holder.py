"""The process that holds an app's network, and with it the life of all its containers.

`slug-run web` starts it before it looks at anything else: what the kernel and ``ip`` do for the
network takes as long as Python takes to read the modules that come next. So this imports little.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from buildpack.support.command import CommandNotFoundError
from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.user_network import MTU, start_holder
from slugc.privileges import drop_prefix

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Sets up the bridge and the tap device, says so, then lives exactly as long as the lifeline: cat
# reads it to its end. With SIGCHLD ignored the kernel clears away the processes that a first
# process inherits (dash's own trap does not survive exec).
_HOLDER = """\
ip -batch - <<END && echo ready && exec env --ignore-signal=CHLD cat >/dev/null
$1
END
"""


class NetworkError(SlugkitError):
    """The app's network could not be set up."""

    exit_code = ExitCode.UNAVAILABLE
    id = "network-setup"

    def __init__(self, step: str, said: str) -> None:
        self.step, self.said = step, said
        super().__init__(
            "The app's own network could not be set up",
            details=f"{step}: {said.strip() or 'no answer'}",
            resolution="slug-run engine doctor checks what it needs.",
        )


def tool_env(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of the engine's own programs: where to find them, and nothing to leak.

    The system's directories come first: they hold the programs of known versions, and a user's
    PATH seldom has /usr/sbin, where ip lives.
    """
    return {"PATH": f"{SYSTEM_PATH}:{env.get('PATH', '')}".rstrip(":"), "LC_ALL": "C"}


def bridge_commands() -> str:
    """``ip -batch`` lines for the namespace that holds the bridge.

    The tap device is made here, before slirp4netns starts and opens it, so one step is enough.
    """
    return "\n".join(
        (
            f"link add br0 mtu {MTU} type bridge forward_delay 0 stp_state 0",
            "tuntap add dev tap0 mode tap",
            f"link set tap0 mtu {MTU} master br0 up",
            "link set br0 up",
            "link set lo up",
            "",
        )
    )


class Holder:
    """The holder and its lifeline: a pipe whose write end only slug-run has.

    Raises CommandNotFoundError when a program that starts it is not there.
    """

    def __init__(self, env: Mapping[str, str], lifeline: tuple[int, int] | None = None) -> None:
        self.reader, self._lifeline = lifeline or os.pipe()
        unshare = (
            *("unshare", "--user", "--map-root-user", "--net"),
            *("--pid", "--fork", "--kill-child", "--"),
        )
        argv = (*drop_prefix(), *unshare, "sh", "-c", _HOLDER, "slugkit-net", bridge_commands())
        try:
            self._program = start_holder(
                "bridge", argv, lifeline=self.reader, env=env, failed=NetworkError
            )
        except BaseException:  # Ctrl-C too: nobody else knows what is open
            os.close(self.reader)
            os.close(self._lifeline)
            raise
        self._is_closed = False

    @property
    def pid(self) -> int:
        """A process in the user and network namespace of the bridge.

        Its children, the holder first, are in the PID namespace that containers are started in.
        """
        return self._program.process.pid

    def wait(self) -> None:
        """Return when containers can be plugged into the bridge. Raises NetworkError."""
        self._program.wait()

    def has_ended(self) -> bool:
        """Whether it was killed, and all containers with it."""
        return self._program.process.poll() is not None

    def let_go(self) -> None:
        """Close the lifeline: all that lives by it ends."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self._lifeline)
            os.close(self.reader)

    def close(self) -> None:
        """Let go, and wait until the holder is gone. May be called again."""
        self.let_go()
        self._program.end()


def begin_holder(engine: str | None, env: Mapping[str, str]) -> Holder | None:
    """A holder for whoever will ask for one; None where another engine is to be used.

    Nothing is judged here: what is missing or misspelt is told by who needs it.
    """
    if (engine or env.get("SLUG_RUN_ENGINE") or "embedded") != "embedded":
        return None
    try:
        return Holder(tool_env(env))
    except CommandNotFoundError:
        return None
