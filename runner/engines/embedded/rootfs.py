"""What a container sees as its file system: the host's programs, a small /etc, the app.

The host's /usr is shown read-only; its /etc is not shown at all, because keys and passwords live
there. A new /etc is made from what programs need to find users, names, certificates and time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import value
from runner.walls import CONTAINER_GID, CONTAINER_UID, CONTAINER_USER
from slugc.privileges import hand_over

# Top-level directories of programs and libraries: links where /usr is merged, else directories.
SYSTEM_DIRS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Copied when the host has them: none holds a secret, each is read by name by some library.
_ETC_FILES = (
    "debian_version",
    "gai.conf",
    "inputrc",
    "ld.so.cache",  # without it the linker searches only the default directories
    "mime.types",  # Python's mimetypes, so whitenoise and friends
    "networks",
    "os-release",
    "protocols",
    "rpc",
    "services",
    "ssl/openssl.cnf",
    "timezone",
)
# Shown when the host has them. Not /etc/ssl itself: private keys stand beside the certificates.
_ETC_DIRS = (
    "alternatives",
    "fonts",
    "pki/ca-trust/extracted",  # Fedora and relatives
    "pki/tls/certs",
    "ssl/certs",
)
_ETC_LINKS = ("localtime",)

_PASSWD = f"""\
root:x:0:0:root:/nonexistent:/usr/sbin/nologin
{CONTAINER_USER}:x:{CONTAINER_UID}:{CONTAINER_GID}::/app:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = f"""\
root:x:0:
{CONTAINER_USER}:x:{CONTAINER_GID}:
nogroup:x:65534:
"""
_NSSWITCH = """\
passwd: files
group: files
hosts: files dns
networks: files
protocols: files
services: files
"""


class LayerPathError(SlugkitError):
    """A layer's path holds a character that separates options of an overlay mount."""

    exit_code = ExitCode.CANNOT_CREATE
    id = "layer-path"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            "A layer lies where it cannot be mounted",
            details=str(path),
            resolution="Set SLUGKIT_HOME to a directory without ',', ':' or '\\' in its path.",
        )


@value
class SystemDir:
    """One top-level directory: bound from the host, or a link as on the host."""

    path: PurePosixPath
    link: str | None


@value
class AppTree:
    """The overlay that becomes /app. Paths are relative to ``base``, so they need no escaping."""

    base: Path
    lower: tuple[str, ...]
    """lowest layer first"""
    upper: str
    work: str
    target: Path

    @property
    def options(self) -> str:
        """For mount -o. The kernel wants the top layer first."""
        return ",".join(
            (
                f"lowerdir={':'.join(reversed(self.lower))}",
                f"upperdir={self.upper}",
                f"workdir={self.work}",
                "userxattr",  # the only kind of xattr a mount in a user namespace may set
                "volatile",  # the upper directory ends with the container: no fsync on its behalf
            )
        )


def system_dirs(root: Path = Path("/")) -> tuple[SystemDir, ...]:
    """The host's program directories as they stand, links kept as links."""
    found = []
    for name in SYSTEM_DIRS:
        path = root / name
        if path.is_symlink():
            found.append(SystemDir(path=PurePosixPath("/") / name, link=str(path.readlink())))
        elif path.is_dir():
            found.append(SystemDir(path=PurePosixPath("/") / name, link=None))
    return tuple(found)


def write_etc(target: Path, *, nameserver: str, host_etc: Path = Path("/etc")) -> tuple[str, ...]:
    """Make the small /etc in ``target``, but for the names of containers (``write_hosts``).

    Returns the host directories to show in it.
    """
    _make_dir(target)
    written = {
        "passwd": _PASSWD,
        "group": _GROUP,
        "nsswitch.conf": _NSSWITCH,
        "host.conf": "multi on\n",
        "resolv.conf": resolv_conf(_read_text(host_etc / "resolv.conf"), nameserver),
    }
    for name, text in written.items():
        _write(target / name, text.encode())
    for name in _ETC_FILES:
        _copy(host_etc / name, target / name)
    for name in _ETC_LINKS:
        if (host_etc / name).is_symlink():
            (target / name).symlink_to((host_etc / name).readlink())
        else:
            _copy(host_etc / name, target / name)
    shown = tuple(name for name in _ETC_DIRS if (host_etc / name).is_dir())
    for name in shown:
        _make_dir(target / name)
    return shown


# Containers read both, whatever our umask.


def _make_dir(path: Path) -> None:
    if not path.is_dir():
        _make_dir(path.parent)
        path.mkdir()
        path.chmod(0o755)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o644)


def _read_text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _copy(source: Path, target: Path) -> None:
    if source.is_file() and os.access(source, os.R_OK):
        _make_dir(target.parent)
        _write(target, source.read_bytes())


def resolv_conf(host_text: str, nameserver: str) -> str:
    """The app network's own name server, with the host's search domains and options."""
    kept = [
        line.strip()
        for line in host_text.splitlines()
        if line.split() and line.split()[0] in {"search", "domain", "options"}
    ]
    return "\n".join([f"nameserver {nameserver}", *kept]) + "\n"


def hosts_text(containers: Iterable[tuple[str, str]]) -> str:
    """/etc/hosts: this machine, then every live container by both of its names."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for address, name in containers:
        dashed = name.replace(".", "-")
        lines.append(f"{address} {name} {dashed}" if dashed != name else f"{address} {name}")
    return "\n".join(lines) + "\n"


def write_hosts(etc: Path, containers: Iterable[tuple[str, str]]) -> None:
    """Replace /etc/hosts under running containers: they see the directory, so a rename shows."""
    temporary = etc / ".hosts.new"
    _write(temporary, hosts_text(containers).encode())
    temporary.replace(etc / "hosts")


def make_home(home: Path) -> Path:
    """One container's private directories, of the user it will run as."""
    home.mkdir(mode=0o755)
    for path in (home / "upper", home / "work", home / "app"):
        path.mkdir(mode=0o755)
        hand_over(path)
    hand_over(home)  # last: its owner could put other things at those names
    return home


def app_tree(layers: Iterable[Path], home: Path, target: Path) -> AppTree:
    """The overlay for one container whose private directories are in ``home``."""
    paths = tuple(layers)
    base = paths[0].parent
    tree = AppTree(
        base=base,
        lower=tuple(os.path.relpath(path, base) for path in paths),
        upper=os.path.relpath(home / "upper", base),
        work=os.path.relpath(home / "work", base),
        target=target,
    )
    for name in (*tree.lower, tree.upper, tree.work):
        if any(character in name for character in ",:\\"):
            raise LayerPathError(base / name)
    return tree
