"""What a bare name of a buildpack leads to: one that is installed, or a place by a known rule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import UsageError, printable
from slugc.buildpacks.spec import BuildpackSpec, Known

REGISTRY_VARIABLE = "SLUGC_BUILDPACK_REGISTRY"
"""Where ``org/name`` is looked up instead: a URL or path with ``{org}`` and ``{name}`` in it."""

RULES = Path(__file__).parents[1] / "data" / "buildpacks.json"


class RegistryError(UsageError):
    """The variable names no place for a name."""

    id = "buildpack-registry"

    def __init__(self, template: str) -> None:
        self.template = template
        super().__init__(
            f"{REGISTRY_VARIABLE} does not say where a buildpack is",
            details=f"It is '{printable(template)}', which lacks {{name}}.",
            resolution=f"export {REGISTRY_VARIABLE}=https://host/{{org}}/{{name}}.tgz",
        )


class Registry(Known):
    """The installed buildpacks, then the variable, then the rules of data/buildpacks.json."""

    def __init__(self, installed: Sequence[BuildpackSpec], template: str) -> None:
        self.installed = tuple(installed)
        self.template = template

    def find(self, name: str) -> BuildpackSpec | None:
        return next((spec for spec in self.installed if spec.name == name), None)

    def address(self, name: str) -> str:
        org, _, last = name.partition("/")
        return self._template(name, org).replace("{org}", org).replace("{name}", last)

    def _template(self, name: str, org: str) -> str:
        if self.template:
            if "{name}" not in self.template:
                raise RegistryError(self.template)
            return self.template
        rules: Mapping[str, Mapping[str, str]] = json.loads(RULES.read_text("utf-8"))
        return rules["names"].get(name) or rules["orgs"].get(org) or str(rules["any"])
