"""What bin/compile decides about a story, on the day of the stories."""

from __future__ import annotations

import json
from pathlib import Path

from buildpack.config_vars import check_config_vars
from buildpack.plan import plan_build
from buildpack.settings import open_app, read_settings
from buildpack.versions.python_version import parse_exact_version, read_policy
from buildpack.versions.version_warnings import version_warnings
from tests.stories import DAY, Story


def plan_text(story: Story, app_dir: Path) -> str:
    """The plan and its warnings, as its snapshot has them.

    Warned is as if the newest patch release were there, or the one that was asked for.
    """
    check_config_vars(story.env)
    settings, policy = read_settings({}, story.env), read_policy(story.env, DAY)
    found = plan_build(open_app(app_dir, settings), settings, story.env, policy)
    first = found.python.allowed.wanted[0]
    version = policy.known[first].latest if first in policy.known else parse_exact_version(first)
    warnings = (*version_warnings(found.python, version, policy), *found.dependencies.warnings)
    told = {**found.as_json(), "warnings": [text.splitlines() for text in warnings]}
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
