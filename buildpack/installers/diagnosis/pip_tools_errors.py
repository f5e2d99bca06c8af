"""What can go wrong while pip-tools resolves a requirements.in."""

from __future__ import annotations

from collections.abc import Sequence

from buildpack.support.errors import ExitCode, SlugkitError, printable
from buildpack.support.urls import without_password


class PipToolsSettingsError(SlugkitError):
    """[tool.pip-tools] cannot be read."""

    id = "pip-tools::settings"

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"The settings of pip-tools in {name} cannot be read",
            details=f"{name}: {printable(reason, limit=200)}",
            resolution="Correct the file. Settings are those of pip-compile, such as:\n\n"
            "    [tool.pip-tools]\n    strip-extras = true",
        )


class PipToolsUnavailableError(SlugkitError):
    """The pinned pip-tools could not be installed: nothing is known about the app yet."""

    exit_code = ExitCode.TRY_AGAIN
    id = "install::tool-bootstrap"

    def __init__(self, version: str, index: str, reason: str) -> None:
        self.version, self.index, self.reason = version, without_password(index), reason
        super().__init__(
            f"Could not install pip-tools {version}, which resolves your requirements.in",
            details=f"Package index: {self.index}\n\n{reason}",
            resolution="Check that the index can be reached and has pip-tools. Or do without:\n"
            "run this on your machine, and commit requirements.txt:\n\n"
            "    pip-compile --generate-hashes --allow-unsafe requirements.in",
        )


class PipCompileError(SlugkitError):
    """pip-compile failed, and uv found nothing wrong with the same requirements."""

    id = "pip-tools::failed"

    def __init__(self, lines: Sequence[str], code: int) -> None:
        self.lines, self.code = tuple(lines), code
        super().__init__(
            "pip-tools could not resolve your requirements.in",
            details="\n".join(printable(line, limit=300) for line in lines),
            resolution=f"pip-compile ended with exit code {code}; its last lines are above.\n"
            "Try the same on your machine:\n\n    pip-compile --generate-hashes requirements.in",
        )
