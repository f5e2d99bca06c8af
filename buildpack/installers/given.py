"""What requirements bring along: variables to fill in, secrets to hide, indexes to ask."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildpack.installers.git_logins import login_settings
from buildpack.installers.pip_syntax import own_options
from buildpack.installers.variables import expand, secrets_in, url_secrets, used_variables
from buildpack.requirement_lines import RequirementLine, split_lines
from buildpack.support.values import NOTHING, value


@value
class Given:
    """``variables`` by name, with their values; ``secrets`` are in no line that anybody reads.

    ``for_git`` brings git the logins of repositories. ``lines`` are those of the app's own files.
    """

    variables: Mapping[str, str] = NOTHING
    for_git: Mapping[str, str] = NOTHING
    secrets: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    lines: tuple[RequirementLine, ...] = ()

    def line_of(self, package: str) -> RequirementLine | None:
        """The first line that asks for ``package``."""
        name = re.escape(package).replace(r"\-", "[-_.]+")
        asks = re.compile(rf"{name}(?![\w.-])", re.IGNORECASE)
        return next((line for line in self.lines if asks.match(line.text)), None)


NOTHING_GIVEN = Given()


def given_by(texts: Mapping[str, str], env: Mapping[str, str]) -> Given:
    """What the files ``texts``, by name, bring along."""
    text = "\n".join(texts.values())
    variables = used_variables(text, env)
    lines = [line for name, content in texts.items() for line in split_lines(name, content)]
    named = {"--index-url", "--extra-index-url"}
    return Given(
        variables=variables,
        for_git=login_settings(text, env),
        secrets=(*secrets_in(text), *url_secrets(text, variables)),
        indexes=tuple(
            expand(value, variables) for _, name, value in own_options(lines) if name in named
        ),
        lines=tuple(line for line in lines if line.file),
    )
