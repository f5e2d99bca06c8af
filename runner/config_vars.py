"""Config vars: what names and values are allowed, and how they are given on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from buildpack.support.env_file import NAME
from buildpack.support.errors import UsageError, printable
from runner.host_ports import host_ports_problem
from runner.release import HOST_PORTS

MAX_VALUE = 64 * 1024  # Heroku's limit for all of them; the kernel's for one string is 128 KiB
MAX_TOTAL = 512 * 1024  # the kernel refuses a program whose environment is above about 2 MB

# slug-run itself decides these for each container; a value from outside would be a lie to the app.
RESERVED = {
    "PORT": "slug-run chooses each container's PORT; --port sets where the app answers",
    "DYNO": "slug-run sets DYNO to the container's own name",
    "HOME": "HOME is the app's directory",
    "PS": "PS is the older name of DYNO",
}

# Legal, but they change how every program in the container is found or started.
UNWISE = (
    "BASH_ENV",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
)


class ConfigVarError(UsageError):
    """Config vars that cannot be set; every problem is listed. No value is ever shown."""

    id = "config-var"

    def __init__(
        self, problems: Sequence[str], *, example: str = "slug-run web --env DEBUG=1"
    ) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "A config var cannot be set"
            if len(self.problems) == 1
            else f"{len(self.problems)} config vars cannot be set",
            details="\n".join(f"- {problem}" for problem in self.problems),
            resolution=f"A name is letters, digits and '_', not a digit first:\n\n    {example}",
        )


def parse_assignments(words: Sequence[str]) -> Mapping[str, str]:
    """``--env K=V`` as given, later ones winning."""
    problems: list[str] = []
    found: dict[str, str] = {}
    for position, word in enumerate(words, start=1):
        name, equals, value = word.partition("=")
        if not equals:
            # The word may be a secret whose name was forgotten: a plain name alone is shown.
            shown = f"'{name}'" if NAME.fullmatch(name) and len(name) <= 32 else f"{position}"
            problems.append(f"--env {shown} has no '='; for a file of them use --env-file")
            continue
        found[name] = value
    if problems:
        raise ConfigVarError(problems)
    return MappingProxyType(found)


def merge_config_vars(*layers: Mapping[str, str], warn: Callable[[str], None]) -> Mapping[str, str]:
    """Later layers win. Raises ConfigVarError with all problems; warns of what is unwise."""
    merged: dict[str, str] = {}
    for layer in layers:
        merged.update(layer)
    problems = [problem for item in merged.items() if (problem := _problem(*item))]
    total = sum(len(_bytes(name)) + len(_bytes(value)) + 2 for name, value in merged.items())
    if total > MAX_TOTAL:
        problems.append(f"together they are {total} bytes; at most {MAX_TOTAL} are allowed")
    if problems:
        raise ConfigVarError(problems)
    for name in sorted(set(merged).intersection(UNWISE)):
        warn(f"The config var {name} changes how programs start inside every container.")
    return MappingProxyType(merged)


def _problem(name: str, value: str) -> str | None:
    return _name_problem(name) or _value_problem(name, value)


def _name_problem(name: str) -> str | None:
    if not NAME.fullmatch(name):
        return f"'{printable(name)}' is not a name"
    if name.startswith("__"):
        return f"'{printable(name)}' starts with two underscores, which slug-run keeps for itself"
    if name in RESERVED:
        return f"'{name}' is reserved: {RESERVED[name]}"
    return None


def _value_problem(name: str, value: str) -> str | None:
    if "\0" in value:
        return f"the value of '{name}' holds a NUL byte"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return f"the value of '{name}' is not UTF-8"
    if len(_bytes(value)) > MAX_VALUE:
        return f"the value of '{name}' is {len(_bytes(value))} bytes; at most {MAX_VALUE} fit"
    if name == HOST_PORTS and (problem := host_ports_problem(value)):
        return f"the value of '{name}': {problem.rstrip('.')}"
    return None


def _bytes(text: str) -> bytes:
    # Only to count them: what is no text (JSON can say "\\ud800") is refused in words.
    return text.encode("utf-8", "surrogatepass")
