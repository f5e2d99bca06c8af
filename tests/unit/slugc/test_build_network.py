"""A build's own network as data: command lines, routes, and which services of ours it may reach."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from slugc.sandbox.base import NetworkPolicy, Sandbox, SandboxKind
from slugc.sandbox.hints import OFF, PAST_US, network_hint
from slugc.sandbox.network import (
    NetworkSetupError,
    holder_argv,
    network_commands,
    network_problem,
    resolver_text,
)
from slugc.sandbox.network_choice import explain_network
from slugc.sandbox.services import Service, named_services, services_here

WALLED_OFF = ("169.254.0.0/16", "192.0.2.2", "172.17.0.0/16")


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("PIP_INDEX_URL", "http://127.0.0.1:3141/root/pypi/+simple/", ("127.0.0.1", 3141)),
        ("PIP_INDEX_URL", "http://ann:pw@LocalHost/simple", ("localhost", 80)),
        ("PIP_EXTRA_INDEX_URL", "https://[::1]:8443/simple", ("::1", 8443)),
        ("UV_INDEX", "ours=https://devpi/simple", ("devpi", 443)),
        ("HTTPS_PROXY", "127.0.0.1:3128", ("127.0.0.1", 3128)),
        ("all_proxy", "socks5h://localhost", ("localhost", 1080)),
        ("PIP_FIND_LINKS", "git+http://box/x", ("box", 80)),
    ],
)
def test_what_a_setting_names_is_read(name: str, text: str, named: tuple[str, int]) -> None:
    assert named_services({name: text}) == (named,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NO_PROXY", "localhost,127.0.0.1"),
        ("no_proxy", "127.0.0.1:5432"),
        ("PIP_FIND_LINKS", "/srv/wheels file:///srv/wheels"),
        ("PIP_TRUSTED_HOST", "127.0.0.1:3141"),
        ("PIP_INDEX_URL", "http://127.0.0.1:99999/"),
        ("PIP_INDEX_URL", "mystery://127.0.0.1/"),
    ],
)
def test_what_names_no_service_is_passed_over(name: str, text: str) -> None:
    assert named_services({name: text}) == ()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("a.localhost", "127.0.0.1"),
        ("::1", "::1"),
        ("192.0.2.2", "192.0.2.2"),
        ("172.17.0.5", "172.17.0.5"),
        ("devpi", "192.0.2.2"),
        ("here", "127.0.0.1"),
    ],
)
def test_what_lies_behind_the_walls_is_let_through(host: str, address: str) -> None:
    found = services_here(((host, 3141),), WALLED_OFF, "192.0.2.2 devpi # ours\n", "here")

    assert found == (Service(address=address, port=3141, host=host),)


@pytest.mark.parametrize("host", ["pypi.org", "192.0.2.3", "10.0.0.1", "unknown"])
def test_what_the_build_reaches_anyway_needs_no_way(host: str) -> None:
    assert services_here(((host, 443),), WALLED_OFF, "", "here") == ()


def test_nothing_leads_to_this_machine_but_what_was_named() -> None:
    services = (
        Service(address="127.0.0.1", port=3141, host="localhost"),
        Service(address="192.0.2.2", port=8080, host="devpi"),
        Service(address="172.17.0.5", port=8080, host="172.17.0.5"),
    )

    assert network_commands(WALLED_OFF, ()) == (
        "link set lo up\n"
        "route add prohibit 169.254.0.0/16\n"
        "route add prohibit 192.0.2.2\n"
        "route add prohibit 172.17.0.0/16\n"
    )
    assert network_commands(WALLED_OFF, services) == (
        "link set lo up\n"
        "addr add 192.0.2.2 dev lo\n"
        "addr add 172.17.0.5 dev lo\n"
        "route add prohibit 169.254.0.0/16\n"
        "route add prohibit 172.17.0.0/16\n"
    )


def test_the_holder_owns_namespaces_and_nothing_else() -> None:
    argv = holder_argv(WALLED_OFF, ())

    assert argv[:7] == ("unshare", "--user", "--map-root-user", "--net", "--", "sh", "-c")
    assert argv[-1] == network_commands(WALLED_OFF, ())


def test_names_are_asked_through_the_way_out() -> None:
    found = "# ours\nnameserver 127.0.0.53\n\nsearch corp.example\noptions edns0\n"

    assert resolver_text(found, "10.0.2.3") == (
        "nameserver 10.0.2.3\n# ours\nsearch corp.example\noptions edns0\n"
    )
    assert resolver_text("", "10.0.2.3") == "nameserver 10.0.2.3\n"


def test_what_a_network_lacks_is_named_with_what_brings_it(tmp_path: Path) -> None:
    problem = network_problem(os.fspath(tmp_path))
    assert problem is not None
    assert problem.what == "the program 'slirp4netns' is not installed"
    assert problem.fix == "Install it: apt-get install slirp4netns"
    for name in ("slirp4netns", "ip", "nsenter", "unshare"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)

    missing = network_problem(os.fspath(tmp_path), tmp_path / "tun")
    assert missing is not None
    assert missing.fix == "Load the kernel's module: modprobe tun"
    (tmp_path / "tun").touch(mode=0o600)
    (tmp_path / "tun").chmod(0)
    closed = network_problem(os.fspath(tmp_path), tmp_path / "tun")
    assert closed is not None
    assert closed.what == f"{tmp_path}/tun may not be opened by users"
    (tmp_path / "tun").chmod(0o666)
    assert network_problem(os.fspath(tmp_path), tmp_path / "tun") is None


def test_a_network_that_does_not_start_is_told_in_words() -> None:
    problem = explain_network(NetworkSetupError("slirp4netns", "open tun:\nBad file\n"))

    assert problem.what == "slirp4netns could not start (open tun: Bad file)"


@pytest.mark.parametrize(
    ("kind", "network", "said", "hint"),
    [
        (SandboxKind.EMBEDDED, "off", "make: *** Error 2", OFF),
        (SandboxKind.DOCKER, "off", "", OFF),
        (SandboxKind.EMBEDDED, "", "connect to 127.0.0.1 port 5432: Connection refused", PAST_US),
        (SandboxKind.EMBEDDED, "", "http://localhost:8000: Permission denied", PAST_US),
        (SandboxKind.EMBEDDED, "", "SyntaxError", ""),
        (SandboxKind.EMBEDDED, "", "pypi.example: Connection refused", ""),
        (SandboxKind.NONE, "the host's", "127.0.0.1: Connection refused", ""),
    ],
)
def test_a_failure_that_a_wall_may_explain_says_so(
    kind: SandboxKind, network: str, said: str, hint: str
) -> None:
    sandbox = cast("Sandbox", SimpleNamespace(kind=kind, network=network))

    assert network_hint(sandbox, (said,)) == hint


def test_the_policies_are_spelled_as_on_the_command_line() -> None:
    assert [str(each) for each in NetworkPolicy] == ["on", "isolated", "off", "host"]
