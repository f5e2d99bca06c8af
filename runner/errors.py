"""What goes wrong when a slug is run, with its words.

The errors that more than one file of this room raises; the others stand beside their code.
"""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.support.errors import ExitCode, SlugkitError


class EngineUnavailableError(SlugkitError):
    """An engine cannot run here. ``problems`` says why, ``remedies`` what to install or allow.

    ``otherwise`` is what else could be done; left out where several engines' errors are one.
    """

    exit_code = ExitCode.UNAVAILABLE
    id = "engine-unavailable"

    def __init__(
        self,
        engine: str,
        *,
        problems: Sequence[str],
        remedies: Sequence[str] = (),
        otherwise: str = "",
    ) -> None:
        self.engine = engine
        self.problems = tuple(problems)
        self.remedies = tuple(remedies)
        super().__init__(
            f"The {engine} engine cannot run here",
            details="\n".join(f"- {problem}" for problem in self.problems),
            resolution="\n\n".join(filter(None, ("\n".join(self.remedies), otherwise))),
        )


class PortInUseError(SlugkitError):
    """Somebody else already answers on the port. ``holder`` names the program when visible."""

    exit_code = ExitCode.TRY_AGAIN
    id = "port-in-use"

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        holder: str | None = None,
        app: str | None = None,
    ) -> None:
        self.port = port
        self.host = host
        self.holder = holder
        self.app = app
        held = f"{holder or 'a program we may not look at'}{f' for the app {app}' if app else ''}"
        stop = f"Stop that app: slug-run stop --app {app}\nOr" if app else "Stop that program, or"
        super().__init__(
            f"Port {port} is already in use",
            details=f"{host}:{port} is held by {held}.",
            resolution=f"{stop} choose another port: --port {port + 1}",
        )
