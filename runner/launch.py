"""The environment and command line of one container. Pure: values in, values out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from buildpack.support.errors import UsageError
from runner.formation import ContainerSpec
from runner.release import Release
from slugc.procfile import ProcessType

APP_HOME = "/app"
CONTAINER_PATH = "/usr/local/bin:/usr/bin:/bin"
CONTAINER_PORT = 5000  # each container has a network of its own, so all may listen on the same one
MAX_COMMAND = 64 * 1024  # as in a Procfile; the kernel takes no argument above 128 KiB

# Config vars reach this script as environment only, and the command as $1, so no value of
# anybody's is ever part of a shell line. Its own names start with two underscores, which config
# vars may not. `exec bash -c` ends in the app's own process for a simple command, because bash
# replaces itself with the last command of a -c line; so signals reach the app.
LAUNCH_SCRIPT = """\
__slugkit_command=$1
shift
__slugkit_list_profiles() {
  local LC_ALL=C
  __slugkit_files=("$HOME"/.profile.d/*.sh "$HOME/.profile")
}
__slugkit_list_profiles
for __slugkit_file in "${__slugkit_files[@]}"; do
  if [ -f "$__slugkit_file" ]; then
    trap 'echo "slug-run: $__slugkit_file ended the start with status $?" >&2' EXIT
    . "$__slugkit_file"
  fi
done
trap - EXIT
exec bash -c "$__slugkit_command"
"""


class CommandTooLongError(UsageError):
    """A command no kernel would take."""

    id = "command-too-long"

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(
            f"The command is {size} bytes long; at most {MAX_COMMAND} are allowed",
            resolution="Put it into a script inside the app and run that.",
        )


class EmptyCommandError(UsageError):
    """Nothing to run, which would end well."""

    id = "empty-command"

    def __init__(self) -> None:
        super().__init__(
            "The command is empty",
            details="A variable that is not set leaves such a word.",
            resolution="Say what to run:\n\n    slug-run run -- python manage.py migrate",
        )


def require_command(command: str) -> None:
    """Raise EmptyCommandError for what holds none."""
    if not command.strip():
        raise EmptyCommandError


def launch_argv(command: str) -> tuple[str, ...]:
    """The program and arguments that source the profile scripts and become ``command``."""
    require_command(command)
    size = len(command.encode("utf-8", "surrogateescape"))
    if size > MAX_COMMAND:
        raise CommandTooLongError(size)
    return ("bash", "-c", LAUNCH_SCRIPT, "slug-run", command)


def container_env(
    *, config_vars: Mapping[str, str], name: str, port: int | None, stack: str
) -> Mapping[str, str]:
    """The whole environment of a container. Config vars beat our defaults, not our facts."""
    defaults = {"PATH": CONTAINER_PATH, "LANG": "C.UTF-8", "STACK": stack}
    facts = {"HOME": APP_HOME, "DYNO": name}
    env = {**defaults, **config_vars, **facts}
    env.pop("PORT", None)
    if port is not None:
        env["PORT"] = str(port)
    return MappingProxyType(env)


def container_spec(
    release: Release,
    *,
    process_type: ProcessType,
    ordinal: int,
    command: str,
    port: int | None = None,
    terminal_env: Mapping[str, str] | None = None,
) -> ContainerSpec:
    """One container of ``release``, ready for any engine."""
    env = container_env(
        config_vars={**(terminal_env or {}), **release.config_vars},
        name=f"{process_type}.{ordinal}",
        port=port,
        stack=release.slug.metadata.stack.id,
    )
    return ContainerSpec(
        process_type=process_type,
        ordinal=ordinal,
        command=command,
        argv=launch_argv(command),
        env=env,
        port=port,
        host_ports=release.host_ports,
    )


def one_off_command(
    words: Sequence[str], types: Mapping[ProcessType, str], *, otherwise: str | None = None
) -> str:
    """What ``slug-run run WORDS`` means as a shell command line.

    A single word is a command line of its own, as with Heroku. Of several, each is one argument.
    A first word that is a process type stands for that type's command; ``otherwise``, where it is
    given, is the command line for all other first words.
    """
    first, rest = words[0], words[1:]
    quoted = [shlex.quote(word) for word in rest]
    if ProcessType(first) in types:
        return " ".join([types[ProcessType(first)], *quoted])
    if otherwise is not None:
        return otherwise
    return " ".join([shlex.quote(first), *quoted]) if rest else first
