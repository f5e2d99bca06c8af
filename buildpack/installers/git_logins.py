"""User names and passwords in URLs of Git repositories: handed to git in its environment.

A program's arguments can be read by every user of a machine, its environment by its own alone.
git asks the helper that is set here, for the host that wants to know: no other host is told.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Mapping

from buildpack.installers.variables import expand

GIT_URL = re.compile(
    r"git\+(?P<scheme>https?)://(?P<login>[^\s/]+)@(?P<host>[^\s/@?#;]+)(?P<path>[^\s@?#;]*)"
)


def without_logins(text: str) -> str:
    """``text`` with nobody's name or password in the URLs of repositories."""
    return GIT_URL.sub(lambda url: f"git+{url['scheme']}://{url['host']}{url['path']}", text)


def with_logins(text: str, sources: Iterable[str]) -> str:
    """``text`` with the URLs that ``without_logins`` changed in ``sources`` as they were there."""
    found = {without_logins(url[0]): url[0] for each in sources for url in GIT_URL.finditer(each)}
    bare_urls = re.compile(r"git\+https?://[^\s@#;]+")
    return bare_urls.sub(lambda url: found.get(url[0], url[0]), text)


def login_settings(text: str, env: Mapping[str, str]) -> dict[str, str]:
    """Variables that bring git what ``without_logins`` takes out, with ``${NAME}`` filled in.

    Each holds for its host, as submodules may lie there too; or, where there are several for one
    host, for its repository. Settings of this kind that are in ``env`` stay.
    """
    # Filled in part by part: what is in a variable may hold what would end the part.
    urls = [
        {name: expand(part, env) for name, part in url.groupdict().items()}
        for url in GIT_URL.finditer(text)
    ]
    of_host: dict[str, set[str]] = {}
    for url in urls:
        of_host.setdefault(url["host"], set()).add(url["login"])
    logins = {
        f"{url['scheme']}://{url['host']}" + (url["path"] if len(of_host[url["host"]]) > 1 else ""):
        url["login"]
        for url in urls
    }  # fmt: skip
    before = env.get("GIT_CONFIG_COUNT", "")
    count = int(before) if before.isdecimal() else 0
    found: dict[str, str] = {}
    for place, login in logins.items():
        user, _, password = map(urllib.parse.unquote, login.partition(":"))
        names = f"SLUGKIT_GIT_USER_{count}", f"SLUGKIT_GIT_PASSWORD_{count}"
        found |= dict(zip(names, (user, password), strict=True))
        # An empty one first: it takes away the helpers of the machine, who may know others.
        for helper in ("", _helper(*names)):
            found[f"GIT_CONFIG_KEY_{count}"] = f"credential.{place}.helper"
            found[f"GIT_CONFIG_VALUE_{count}"] = helper
            count += 1
    return {**found, "GIT_CONFIG_COUNT": str(count)} if found else {}


def _helper(user: str, password: str) -> str:
    words = f'"${user}" "${password}"'
    return f"!f() {{ printf 'username=%s\\npassword=%s\\n' {words}; }}; f"
