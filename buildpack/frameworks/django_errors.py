"""What a person is told when collectstatic fails."""

from __future__ import annotations

from buildpack.frameworks.django import SWITCH
from buildpack.frameworks.django_failures import OTHER, Failure
from buildpack.hooks import how_it_ended
from buildpack.support.errors import SlugkitError, printable


class CollectstaticError(SlugkitError):
    """collectstatic failed; the class of failure is in ``reason_id``."""

    id = OTHER

    def __init__(self, manage_py: str, failure: Failure, code: int) -> None:
        self.manage_py, self.failure, self.code = manage_py, failure, code
        self.reason_id = failure.reason_id
        said = f":\n\n    {printable(failure.line, limit=300)}" if failure.line else "."
        super().__init__(
            "Django's static files could not be collected",
            details=f"'python {manage_py} collectstatic --noinput' {how_it_ended(code)}{said}"
            f"\n\n{failure.meaning}",
            resolution=failure.advice
            or "Run the same command on your computer to see it fail. If your app has\n"
            f"no static files of its own, set the config var {SWITCH}=1.",
        )
