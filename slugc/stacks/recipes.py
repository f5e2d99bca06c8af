"""What a stack image is made of: package lists, the base image they stand on, its settings.

A stack is known by its id ("debian-12"); its build image has the same packages and more, so what
is compiled on one runs on the other.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError

REPOSITORY = "slugkit-stack"
DATA = Path(__file__).parents[1] / "data"
LABEL = "io.slugkit.stack"

APP_USER = "1000:1000"
"""The user apps run as, on every engine. It owns /app and nothing else."""

FINISH_SCRIPT = DATA / "stack-finish.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRecipe:
    """One image. ``codename`` is None where the base has no Debian release to make it from."""

    name: str
    stack: str
    base_image: str
    codename: str | None
    packages: tuple[str, ...]

    @property
    def tag(self) -> str:
        return f"{REPOSITORY}:{self.name}"

    @property
    def is_build(self) -> bool:
        return self.name.endswith("-build")


class UnknownStackError(SlugkitError):
    """There is no recipe of that name."""

    exit_code = ExitCode.USAGE
    id = "unknown-stack"

    def __init__(self, tag: str) -> None:
        self.tag = tag
        known = [f"{REPOSITORY}:{name}" for name in _BASES]
        near = difflib.get_close_matches(tag, known, n=1)
        advice = f"Did you mean {near[0]}?" if near else ""
        super().__init__(
            f"There is no stack image called '{tag}'",
            details="The ones that can be built:\n" + "\n".join(f"  {name}" for name in known),
            resolution=advice,
        )


class StackImageError(SlugkitError):
    """The image could not be made."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "stack-image-failed"

    def __init__(self, recipe: StackRecipe, reason: str, *, resolution: str = "") -> None:
        self.recipe, self.reason = recipe, reason
        super().__init__(
            f"The stack image {recipe.tag} could not be made", details=reason, resolution=resolution
        )


NAMES_ONLY = "APT::Cmd::Pattern-Only"
"""An option of apt-get. Without it a name that no package has, and with a dot in it, is taken for a
regular expression: all that fits it somewhere is installed."""

_BASES: Mapping[str, tuple[str, str | None, tuple[str, ...]]] = {
    # name: (base image, Debian codename, package lists)
    "debian-12": ("debian:bookworm-slim", "bookworm", ("debian-12",)),
    "debian-12-build": ("debian:bookworm-slim", "bookworm", ("debian-12", "debian-12-build")),
    # Heroku's own, for slugs that must run as they do there. Only where a registry answers.
    "heroku-24": ("heroku/heroku:24", None, ("heroku-24",)),
    "heroku-24-build": ("heroku/heroku:24-build", None, ("heroku-24",)),
}


def stack_recipe(tag: str, *, extra: Iterable[str] = ()) -> StackRecipe:
    """The recipe behind ``slugkit-stack:NAME`` (or just NAME), with ``extra`` packages."""
    name = tag.removeprefix(f"{REPOSITORY}:")
    if name not in _BASES:
        raise UnknownStackError(tag)
    base_image, codename, lists = _BASES[name]
    packages = sorted({*extra, *(name for each in lists for name in read_packages(each))})
    return StackRecipe(
        name=name,
        stack=name.removesuffix("-build"),
        base_image=base_image,
        codename=codename,
        packages=tuple(packages),
    )


def has_recipe(stack: str) -> bool:
    """Whether images of that stack can be built."""
    return stack in _BASES


def read_packages(name: str) -> tuple[str, ...]:
    """The package list ``data/stack-NAME.txt``: one a line, comments after #."""
    text = (DATA / f"stack-{name}.txt").read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def image_settings(recipe: StackRecipe) -> tuple[str, ...]:
    """How containers of the image start: the same instructions for a Dockerfile and an import."""
    return (
        f"USER {APP_USER}",
        "WORKDIR /app",
        "ENV HOME=/app",
        "ENV LANG=C.UTF-8",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin",
        f"ENV STACK={recipe.stack}",
        'CMD ["/bin/bash"]',
        f"LABEL {LABEL}={recipe.stack}",
        f"LABEL {LABEL}.variant={'build' if recipe.is_build else 'run'}",
        f'LABEL {LABEL}.packages="{" ".join(recipe.packages)}"',
    )


def dockerfile(recipe: StackRecipe) -> str:
    """The recipe as a Dockerfile without a context, for machines that reach a registry."""
    finish = json.dumps(["/bin/sh", "-c", FINISH_SCRIPT.read_text(encoding="utf-8"), "finish", "/"])
    install = f"apt-get -o {NAMES_ONLY}=true install --yes --no-install-recommends"
    packages = " ".join(recipe.packages)
    return "\n".join(
        (
            f"FROM {recipe.base_image}",
            "USER root",
            f"RUN apt-get update && DEBIAN_FRONTEND=noninteractive {install} {packages}",
            f"RUN {finish}",
            *image_settings(recipe),
            "",
        )
    )
