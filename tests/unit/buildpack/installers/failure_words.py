"""Which error becomes of what uv printed, and how uv puts some of it."""

from __future__ import annotations

from buildpack.installers.diagnosis.failures import classify_failure
from buildpack.support.errors import SlugkitError

INDEX = "https://pypi.org/simple"


def classify(output: str, code: int = 1, **env: str) -> SlugkitError:
    return classify_failure(output.splitlines(), INDEX, code, python="3.11.7", env=env)


def unsolvable(reason: str, hint: str = "") -> str:
    """uv's words around the reason for which it found no solution."""
    text = f"error: No solution found when resolving dependencies\n  cause: Because {reason}"
    return text + (f"\n\nhint: {hint}" if hint else "")


def none_left(package: str, why: str) -> str:
    name = package.partition("==")[0]
    return (
        f"{package} {why} and only {package} is available, we can conclude that all versions of "
        f"{name} cannot be used.\n         And because you require {name}, we can conclude that "
        "your requirements are unsatisfiable."
    )
