"""given: where a package is asked for."""

from __future__ import annotations

import pytest

from buildpack.installers.given import given_by

TEXTS = {
    "requirements.txt": "-r more.txt\n# flask-login\nFlask_Login[x]>=1\nflask==3\n",
    "more.txt": "\nzope.interface\n",
}


@pytest.mark.parametrize(
    ("package", "place"),
    [
        ("flask", "requirements.txt:4"),
        ("flask-login", "requirements.txt:3"),
        ("zope-interface", "more.txt:2"),
        ("werkzeug", ""),
    ],
)
def test_the_first_line_that_asks_for_a_package(package: str, place: str) -> None:
    line = given_by(TEXTS, {}).line_of(package)
    assert (line.place if line else "") == place


def test_a_text_of_our_own_has_no_lines_to_show() -> None:
    assert given_by({"": "flask==3\n"}, {}).line_of("flask") is None
