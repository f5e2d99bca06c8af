"""Config vars for a build: names and values that may stand in ENV_DIR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from buildpack.support.env_file import NAME
from buildpack.support.errors import UsageError, printable

MAX_VALUE = 64 * 1024  # as when they are set for a release: what runs must have been buildable


class ConfigVarError(UsageError):
    """Config vars that cannot be set; every problem is listed, and no value is ever shown."""

    id = "config-var"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "A config var" if len(self.problems) == 1 else f"{len(self.problems)} config vars"
        super().__init__(
            f"{count} cannot be set for the build",
            details="\n".join(f"- {problem}" for problem in self.problems),
            resolution="A name is letters, digits and '_', not a digit first:\n\n"
            "    slugc build --env DISABLE_COLLECTSTATIC=1",
        )


def gather_config_vars(words: Sequence[str], files: Sequence[Path]) -> Mapping[str, str]:
    """What ``--env-file`` and ``--env`` give; later ones win, ``--env`` over files."""
    found: dict[str, str] = {}
    for file in files:
        from buildpack.support.env_file import read_env_file

        found.update(read_env_file(file))
    problems = []
    for position, word in enumerate(words, start=1):
        name, equals, value = word.partition("=")
        if not equals:
            # The word may be a secret whose name was forgotten: only its place is shown.
            problems.append(f"--env number {position} has no '='")
            continue
        found[name] = value
    problems += [problem for item in found.items() if (problem := _problem(*item))]
    if problems:
        raise ConfigVarError(problems)
    return MappingProxyType(found)


def _problem(name: str, value: str) -> str:
    if not NAME.fullmatch(name):
        return f"'{printable(name)}' is not a name"
    if "\0" in value:
        return f"the value of '{name}' holds a NUL byte"
    size = len(value.encode("utf-8", "surrogateescape"))
    return f"the value of '{name}' is {size:,} bytes; at most {MAX_VALUE:,}" * (size > MAX_VALUE)
