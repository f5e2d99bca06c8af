"""Who a download may be connected to: judged by the address, and connected to that very one."""

from __future__ import annotations

import contextlib
import errno
import http.server
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpack.support import peers as room
from buildpack.support.download import final_url, save
from buildpack.support.peers import AddressRefusedError, Peers, why_here
from buildpack.support.routes import Route, route_to
from buildpack.support.urls import DownloadError

RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST = 1, 2, 3, 4  # linux/rtnetlink.h
HINT = "Say so: --trust {host}"


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1", "ff02::1"),
        *(
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "fd00:ec2::254",
            "100.100.100.200",
        ),
    ],
)
def test_addresses_no_stranger_may_have_us_connect_to(text: str) -> None:
    assert why_here(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800::1", "198.51.100.7"])
def test_addresses_of_others(text: str) -> None:
    assert why_here(ipaddress.ip_address(text)) == ""


@pytest.mark.parametrize(
    ("kind", "inside", "why"),
    [
        (RTN_LOCAL, False, "an address of this machine"),
        (RTN_ANYCAST, False, "an address of this machine"),
        (RTN_BROADCAST, False, "the address of no single server"),
        (RTN_UNICAST, True, "in a network inside this machine"),
        (RTN_UNICAST, False, ""),
    ],
)
def test_an_address_is_what_the_kernel_says_of_the_way_there(
    monkeypatch: pytest.MonkeyPatch, kind: int, inside: bool, why: str
) -> None:
    asked: list[object] = []

    def way(address: object) -> Route:
        asked.append(address)
        return Route(kind=kind, interface="x")

    monkeypatch.setattr(room, "route_to", way)
    monkeypatch.setattr(room, "is_inside", lambda *_: inside)
    assert why_here(ipaddress.ip_address("::ffff:192.0.2.7")) == why
    assert asked == [ipaddress.ip_address("192.0.2.7")]


def test_where_no_way_leads_nobody_is_kept_from_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "route_to", lambda _: None)
    assert why_here(ipaddress.ip_address("192.0.2.7")) == ""


def test_who_may_be_anywhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def untold(_: object) -> Route:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(room, "route_to", untold)
    why = why_here(ipaddress.ip_address("192.0.2.7"))
    assert why == "and the kernel does not say where that is (Operation not permitted)"


class Answering(socket.socket):
    """A kernel that answers with this error (netlink(7): NLMSG_ERROR)."""

    code = 0

    def send(self, data: object, *_: object) -> int:
        return 0

    def recv(self, *_: object) -> bytes:
        return struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -self.code)


@pytest.mark.parametrize(
    ("text", "code", "has_no_way"),
    [
        *(("192.0.2.7", code, True) for code in (errno.ENETUNREACH, errno.EACCES, errno.EINVAL)),
        ("2001:db8::7", errno.EOPNOTSUPP, True),
        ("192.0.2.7", errno.EOPNOTSUPP, False),
        *((text, errno.ENOBUFS, False) for text in ("192.0.2.7", "2001:db8::7")),
    ],
)
def test_only_where_the_kernel_says_so_there_is_no_way(
    monkeypatch: pytest.MonkeyPatch, text: str, code: int, has_no_way: bool
) -> None:
    monkeypatch.setattr(Answering, "code", code)
    monkeypatch.setattr("socket.socket", Answering)
    asked = ipaddress.ip_address(text)
    if has_no_way:
        assert route_to(asked) is None
    else:
        with pytest.raises(OSError, match=os.strerror(code)):
            route_to(asked)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.200.3.4", "::1"])
def test_the_kernel_knows_the_way_to_itself(text: str) -> None:
    if ":" in text and not Path("/proc/net/if_inet6").exists():
        pytest.skip("there is no IPv6 here")
    assert route_to(ipaddress.ip_address(text)) == Route(kind=RTN_LOCAL, interface="lo")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append(self.path)
        to = self.server.sends_to
        self.send_response(302 if to else 200)
        if to:
            self.send_header("Location", to)
        self.send_header("Content-Length", "0" if to else "2")
        self.end_headers()
        if not to:
            self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        return


class Server(http.server.ThreadingHTTPServer):
    sends_to = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    web = Server()
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


@pytest.fixture
def web() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def inner() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the name server says, the next time it is asked; the last answer stays."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def answer(host: str, port: object, *rest: object, **more: object) -> object:
        told = known.get(host)
        if told is None:
            return real(host, port, *rest, **more)  # type: ignore[arg-type]  # handed on as it came
        text = told.pop(0) if len(told) > 1 else told[0]
        return real(text, port, *rest, **more)  # type: ignore[arg-type]  # the same

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


def bring(url: str, target: Path, peers: Peers) -> str:
    save(url, target, on_progress=lambda _: None, timeout=5, peers=peers)
    return target.read_text()


def test_a_name_that_leads_here_is_refused_and_nobody_is_connected_to(
    web: Server, names: dict[str, list[str]], tmp_path: Path
) -> None:
    names["evil.example"] = ["127.0.0.1"]
    url = f"http://u:canary@evil.example:{web.port}/x.tgz"

    with pytest.raises(AddressRefusedError) as caught:
        bring(url, tmp_path / "x", Peers(hint=HINT))

    assert caught.value.text() == (
        f"http://evil.example:{web.port}/x.tgz leads to the machine that builds\n\n"
        "evil.example is 127.0.0.1, this machine's loopback.\n\n"
        "Say so: --trust evil.example"
    )
    assert caught.value.exit_code == 65
    assert not web.asked


def test_a_name_is_asked_for_once_and_the_judged_address_connected_to(
    web: Server,
    names: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server whose second answer would lead elsewhere is not asked again."""
    names["twice.example"] = ["127.0.0.1", "127.0.0.2"]
    monkeypatch.setattr(room, "why_here", lambda found: str(found) != "127.0.0.1" and "here")

    assert bring(f"http://twice.example:{web.port}/x", tmp_path / "x", Peers()) == "ok"


def test_what_the_user_named_may_be_here(web: Server, tmp_path: Path) -> None:
    url = f"http://localhost:{web.port}/x"
    assert bring(url, tmp_path / "x", Peers(named=frozenset({("localhost", web.port)}))) == "ok"
    assert bring(url, tmp_path / "x", Peers(named=frozenset({("localhost", None)}))) == "ok"
    with pytest.raises(AddressRefusedError):
        bring(url, tmp_path / "x", Peers(named=frozenset({("localhost", 1)})))


@pytest.mark.parametrize("host", ["127.0.0.%31", "localhos%74", "2130706433", "0x7f.1", "0"])
def test_no_spelling_of_this_machine_leads_here(web: Server, tmp_path: Path, host: str) -> None:
    with pytest.raises(AddressRefusedError):
        bring(f"http://{host}:{web.port}/x", tmp_path / "x", Peers())
    assert not web.asked


def test_a_redirect_leads_here_no_more_than_a_name_does(
    web: Server, inner: Server, tmp_path: Path
) -> None:
    web.sends_to = f"http://127.0.0.1:{inner.port}/secret"
    peers = Peers(named=frozenset({("127.0.0.1", web.port)}), hint=HINT)

    with pytest.raises(AddressRefusedError) as caught:
        bring(f"http://127.0.0.1:{web.port}/x", tmp_path / "x", peers)
    with pytest.raises(AddressRefusedError):
        final_url(f"http://127.0.0.1:{web.port}/x", peers=peers)

    assert caught.value.details == "127.0.0.1 is this machine's loopback."
    assert not inner.asked


def test_a_redirect_to_what_is_no_web_page_is_not_followed(web: Server, tmp_path: Path) -> None:
    web.sends_to = "ftp://127.0.0.1/secret"
    with pytest.raises(DownloadError) as caught:
        bring(f"http://127.0.0.1:{web.port}/x", tmp_path / "x", Peers(named=_here(web)))
    assert caught.value.details == "it leads to an address that is no web page (1 attempt)."


def test_where_redirects_end_is_told_whatever_is_there(web: Server, inner: Server) -> None:
    web.sends_to = f"http://127.0.0.1:{inner.port}/there"
    peers = Peers(named=_here(web) | _here(inner))
    assert final_url(f"http://127.0.0.1:{web.port}/x", peers=peers) == web.sends_to


def test_a_proxy_is_asked_only_for_what_is_not_here(
    web: Server, names: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy itself is the user's word; it may know more names than this machine does."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{web.port}")
    monkeypatch.setenv("no_proxy", "")
    names["evil.example"] = ["169.254.169.254"]

    with pytest.raises(AddressRefusedError):
        bring("http://evil.example/x", tmp_path / "x", Peers())
    with pytest.raises(AddressRefusedError):
        bring("http://169.254.169.%3254/x", tmp_path / "x", Peers())
    assert bring("http://only-the-proxy-knows.invalid/x", tmp_path / "x", Peers()) == "ok"
    assert web.asked == ["http://only-the-proxy-knows.invalid/x"]


def _here(web: Server) -> frozenset[tuple[str, int | None]]:
    return frozenset({("127.0.0.1", web.port)})
