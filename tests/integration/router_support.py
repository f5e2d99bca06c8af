"""An app that answers well, badly and not at all, and clients that go away."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

from buildpack.support.values import NOTHING

ODD_SERVER = """\
import os, socket, struct, sys, threading, time

WELL = b"HTTP/1.1 200 OK\\r\\nServer: odd\\r\\nContent-Length: 13\\r\\n\\r\\nHello, world!"
STREAM = b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"

def answer(client, path, head):
    if path == "/headers":
        body = head.encode("latin-1")
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    elif path.startswith("/told"):
        print("told", path, flush=True)
        client.sendall(WELL)
    elif path == "/close":
        return False
    elif path == "/reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    elif path == "/bad":
        client.sendall(b"good day\\r\\n\\r\\n")
        return False
    elif path == "/half":
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nabc")
        return False
    elif path == "/slow":
        print("asked to be slow", flush=True)
        time.sleep(20)
    elif path == "/heavy":
        client.sendall(b"HTTP/1.1 200 OK\\r\\nX: " + b"x" * 1_000_000 + b"\\r\\n\\r\\n")
        return False
    elif path == "/echo":
        dyno = os.environ["DYNO"].encode()
        changed = b"Connection: Upgrade\\r\\nUpgrade: echo\\r\\nX-Dyno: " + dyno
        client.sendall(b"HTTP/1.1 101 Go on\\r\\n" + changed + b"\\r\\n\\r\\n")
        while chunk := client.recv(4096):
            client.sendall(chunk)
        return False
    elif path == "/stream":
        client.sendall(STREAM)
        for _ in range(200):
            client.sendall(b"3\\r\\nabc\\r\\n")
            time.sleep(0.05)
    else:
        client.sendall(WELL)
    return True

def serve(client):
    data = b""
    try:
        while True:
            while b"\\r\\n\\r\\n" not in data:
                chunk = client.recv(65536)
                if not chunk:
                    return
                data += chunk
            head, _, data = data.partition(b"\\r\\n\\r\\n")
            head = head.decode("latin-1")
            found = [x for x in head.lower().split("\\r\\n") if x.startswith("content-length:")]
            size = int(found[0].split(":")[1]) if found else 0
            while len(data) < size:
                data += client.recv(65536)
            data = data[size:]
            if "\\r\\ntransfer-encoding: chunked" in head.lower():
                while b"0\\r\\n\\r\\n" not in data:
                    data += client.recv(65536)
                data = data.partition(b"0\\r\\n\\r\\n")[2]
            if not answer(client, head.split()[1].partition("?")[0], head):
                return
    except OSError:
        pass
    finally:
        client.close()

server = socket.create_server(("0.0.0.0", int(os.environ["PORT"])), backlog=100)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
FILES = {
    "Procfile": "web: exec /usr/bin/python3 odd.py\n",
    "odd.py": ODD_SERVER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client was told."""

    status: int
    headers: Message
    body: str


def ask(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] = NOTHING
) -> Answer:
    """One request; every status is an answer."""
    data = b"x" if method == "POST" else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, headers=dict(headers), data=data
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as found:
            return Answer(status=found.status, headers=found.headers, body=found.read().decode())
    except urllib.error.HTTPError as err:
        with err:
            return Answer(status=err.code, headers=err.headers, body=err.read().decode())


def leave(port: int, path: str, *, after: bytes = b"") -> None:
    """Ask, and go away: at once, or when the answer has so much in it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        client.settimeout(0.5 if not after else 30)
        found = b""
        try:
            while after not in found or not after:
                chunk = client.recv(4096)
                if not chunk:
                    return
                found += chunk
        except TimeoutError:
            pass


def fields(line: str) -> dict[str, str]:
    """The names and values of a router line."""
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)
    return {name: value.strip('"') for name, value in found}
