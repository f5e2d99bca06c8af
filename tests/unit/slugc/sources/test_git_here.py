"""URLs in strangers' files do not lead to what answers on the machine that builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from slugc.sources.git.here import leads_here
from slugc.sources.git.urls import GitUrl, local_url, submodule_url
from slugc.sources.trusted import NOBODY, NotTrustedError

COMMIT = "0" * 40
HERE = [
    "http://127.0.0.1:8000/x.git",
    "https://user:pass@localhost/x.tgz",
    "http://api.localhost./x",
    "http://127.1/x",
    "http://2130706433/x",
    "http://0x7f.1/x",
    "http://0/x",
    "http://[::1]:80/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://[fe80::1%25eth0]/x",
    "http://169.254.169.254/latest/x.tgz",
    "git://LOCALHOST/x",
    "git@127.0.0.1:x/y.git",
    "git@[::1]:x/y.git",
]


@pytest.mark.parametrize("url", HERE)
def test_this_machine_in_any_spelling(url: str) -> None:
    assert leads_here(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/pack.git",
        "git@host:owner/127.0.0.1.git",
        "https://127.0.0.1.example.com/x",
        "https://10.0.0.5/x.git",
        "https://[2001:db8::1]/x",
        "heroku/python",
        "./localhost",
        "https://[broken/x",
    ],
)
def test_elsewhere(url: str) -> None:
    assert not leads_here(url)


def test_a_submodule_leads_here_only_where_the_user_has_named_it() -> None:
    there = GitUrl(url="https://example.com/app.git", ref="")
    own = GitUrl(url=local_url(Path("/srv/app")), ref="")
    named = NOBODY.naming("http://127.0.0.1:8000/app.git")
    for parent in (there, own):
        with pytest.raises(NotTrustedError) as caught:
            submodule_url(parent, HERE[0], COMMIT, NOBODY.naming(parent.url))
        assert caught.value.exit_code == 65
        assert caught.value.text() == (
            "http://127.0.0.1:8000/x.git is not fetched for a source that names it\n\n"
            "A submodule may not come from the machine that builds.\n\n"
            "If you want it to be, say so: slugc build --trust 127.0.0.1:8000"
        )
        assert submodule_url(parent, HERE[0], COMMIT, named).url == HERE[0]
    with pytest.raises(NotTrustedError):  # another port of this machine is another server
        submodule_url(there, "http://127.0.0.1:6379/x", COMMIT, named)
