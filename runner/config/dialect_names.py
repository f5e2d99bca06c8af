"""What env files may be written for: named here, so that to name them costs nothing."""

from __future__ import annotations

OURS = "slug-run"
DIALECTS = (OURS, "honcho", "foreman", "heroku-local", "docker", "json")
