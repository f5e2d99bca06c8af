"""App, release and formation as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from buildpack.support.values import value
from slugc.procfile import ProcessType


class ReleaseStatus(StrEnum):
    """Heroku's words (platform-api, release.status)."""

    PENDING = "pending"
    """its release phase has not ended"""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """its release phase failed: containers are never started from it"""


@value
class App:
    """A named app of this machine. ``number`` is its key, also after it is renamed."""

    number: int
    name: str
    created_at: str
    """in UTC, as ISO 8601"""


@value
class NewRelease:
    """A release to be: what is known of it before it has a version."""

    slug: str | None
    """the checksum of its slug; None while the app has only config vars"""
    config_vars: Mapping[str, str]
    description: str
    who: str
    status: ReleaseStatus = ReleaseStatus.SUCCEEDED


@value
class ReleaseRecord(NewRelease):
    """A release of an app. Versions count up from 1 and are never used again."""

    version: int
    created_at: str

    @property
    def label(self) -> str:
        """``v7``."""
        return f"v{self.version}"


@value
class WantedCount:
    """How many containers of a process type an app wants, and of which size."""

    process_type: ProcessType
    quantity: int
    size: str = ""
    """a name of runner/sizes; empty for the default"""
