"""Who we are to a registry: the logins that docker, podman and skopeo keep, never our own.

A login is read when a registry asks for it, goes to that registry alone, and never to a command
line, a log or a message.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, Runner
from buildpack.support.errors import ExitCode, SlugkitError, printable_path
from buildpack.support.values import value

DOCKER_HUB = "https://index.docker.io/v1/"
HELPER_TIMEOUT = 30.0
_HELPER = re.compile(r"[A-Za-z0-9._-]+")


class LoginFileError(SlugkitError):
    """A file of logins that makes no sense."""

    exit_code = ExitCode.DATA
    id = "registry-login"

    def __init__(self, path: Path, found: str) -> None:
        self.path, self.found = path, found
        super().__init__(
            f"The logins in {printable_path(path)} cannot be read",
            details=found,
            resolution="Log in again: docker login HOST",
        )


@value
class Login:
    """A name and a password, or a token that stands for both."""

    name: str
    password: str
    identity_token: str = ""

    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.name}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


def find_login(host: str, env: Mapping[str, str], run: Runner) -> Login | None:
    """The login for ``host``, from the first file that has one."""
    for file in login_files(env):
        if (found := _login_in(file, host, env, run)) is not None:
            return found
    return None


def login_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Where logins are kept, as containers-auth.json(5) and docker say."""
    home = env.get("HOME") or "/nonexistent"
    files = [
        env.get("REGISTRY_AUTH_FILE"),
        f"{env['XDG_RUNTIME_DIR']}/containers/auth.json" if env.get("XDG_RUNTIME_DIR") else None,
        f"{env.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json",
    ]
    return tuple(Path(file) for file in files if file)


def _login_in(file: Path, host: str, env: Mapping[str, str], run: Runner) -> Login | None:
    try:
        document = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise LoginFileError(file, err.strerror or str(err)) from err
    except (ValueError, RecursionError) as err:
        raise LoginFileError(file, "It is not JSON.") from err
    if not isinstance(document, dict):
        raise LoginFileError(file, "It is not an object.")
    keys = _keys(host)
    helpers = _mapping(document.get("credHelpers"))
    for key in keys:
        if isinstance(helper := helpers.get(key), str):
            return _ask(helper, key, env, run)
    auths = _mapping(document.get("auths"))
    for key in keys:
        if (found := _entry(_mapping(auths.get(key)), file)) is not None:
            return found
    if isinstance(store := document.get("credsStore"), str) and store:
        return next((each for key in keys if (each := _ask(store, key, env, run))), None)
    return None


def _keys(host: str) -> tuple[str, ...]:
    """How a host is written in these files."""
    hub = (DOCKER_HUB, "docker.io") if host.endswith("docker.io") else ()
    return (*hub, host, f"https://{host}", f"http://{host}")


def _mapping(found: object) -> Mapping[str, object]:
    return found if isinstance(found, dict) else {}


def _entry(entry: Mapping[str, object], file: Path) -> Login | None:
    token = str(entry.get("identitytoken") or "")
    packed = entry.get("auth")
    if isinstance(packed, str) and packed:
        try:
            pair = base64.b64decode(packed, validate=True).decode()
        except (binascii.Error, ValueError) as err:
            raise LoginFileError(file, "An entry's 'auth' is not base64.") from err
        name, _, password = pair.partition(":")
        return Login(name=name, password=password.rstrip("\0"), identity_token=token)
    if entry.get("username"):
        return Login(
            name=str(entry["username"]),
            password=str(entry.get("password") or ""),
            identity_token=token,
        )
    return Login(name="", password="", identity_token=token) if token else None


def _ask(helper: str, key: str, env: Mapping[str, str], run: Runner) -> Login | None:
    """What a credential helper knows; it is asked on its standard input."""
    if not _HELPER.fullmatch(helper):
        return None
    command = Command(
        argv=(f"docker-credential-{helper}", "get"),
        cwd=Path("/"),
        env=env,
        timeout=HELPER_TIMEOUT,
        stdin=key.encode(),
    )
    try:
        document = _mapping(json.loads(run(command)))
    except (CommandFailedError, CommandTimeoutError, ValueError):
        return None  # it has none: helpers end with an error then
    name, secret = str(document.get("Username") or ""), str(document.get("Secret") or "")
    if name == "<token>":
        return Login(name="", password="", identity_token=secret)
    return Login(name=name, password=secret) if name else None
