"""Run inside a container, by any Python 3: tries to get through each wall.

Prints one JSON object, name of the probe -> "held" or what got through. It is fed to
``python3 -`` on standard input, so it imports nothing of ours. What to look for outside comes in
the environment: PROBE_HOST_PID and PROBE_MARKER (a process of the host), PROBE_FORBIDDEN
("address:port ..." that must not answer), PROBE_ALLOWED (that must), PROBE_MEMORY (the limit).
"""

import ctypes
import errno
import json
import os
import platform
import resource
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
PROBES: dict[str, Callable[[], None]] = {}

# Numbers on x86-64 and arm64; the names are those of the walls' refused list.
SYSCALLS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fsopen": (430, 430),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
CLONE_NEWUSER = 0x10000000


class BrokenWallError(Exception):
    """Something got through."""


def probe(function: Callable[[], None]) -> Callable[[], None]:
    PROBES[function.__name__] = function
    return function


def call(name: str, *arguments: int) -> int:
    """errno of a system call that must fail; 0 when it went through."""
    number = SYSCALLS[name][0 if platform.machine() == "x86_64" else 1]
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments))
    return ctypes.get_errno() if result == -1 else 0


def status(field: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{field}:"))


def expect(holds: bool, what: object) -> None:
    if not holds:
        raise BrokenWallError(str(what))


@probe
def sees_no_host_process() -> None:
    marker = os.environ["PROBE_MARKER"].encode()
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    for pid in pids:
        try:
            content = Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            continue
        expect(marker not in content, f"process {pid}: {content!r}")
    expect(len(pids) < 12, pids)


@probe
def cannot_signal_a_host_process() -> None:
    pid = int(os.environ["PROBE_HOST_PID"])
    if Path(f"/proc/{pid}").exists():
        return  # the same number, inside: one of our own
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    raise BrokenWallError(f"signalled {pid}")


@probe
def reads_no_foreign_environment() -> None:
    secret = os.environ["PROBE_NEIGHBOUR_SECRET_HALVES"].replace(" ", "").encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        expect(secret not in content, path)


@probe
def has_no_capabilities() -> None:
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        expect(int(status(name), 16) == 0, f"{name} {status(name)}")


@probe
def has_no_new_privileges() -> None:
    expect(status("NoNewPrivs") == "1", status("NoNewPrivs"))


@probe
def is_under_seccomp() -> None:
    expect(status("Seccomp") == "2", status("Seccomp"))


@probe
def is_an_ordinary_user() -> None:
    expect((os.getuid(), os.getgid()) == (1000, 1000), (os.getuid(), os.getgid()))
    expect(set(os.getgroups()) <= {1000}, os.getgroups())
    for change in (os.setuid, os.setgid):
        try:
            change(0)
        except OSError:
            continue
        raise BrokenWallError(change.__name__)


@probe
def writes_no_system_path() -> None:
    for name in ("/", "/usr", "/usr/bin", "/etc", "/lib", "/bin", "/dev", "/proc", "/sys", "/var"):
        try:
            descriptor = os.open(f"{name}/slugkit-probe", os.O_CREAT | os.O_WRONLY)
        except OSError:
            continue
        os.close(descriptor)
        raise BrokenWallError(name)
    for name in ("/etc/passwd", "/etc/hosts", "/usr/bin/env"):
        expect(not os.access(name, os.W_OK), name)


@probe
def writes_no_kernel_setting() -> None:
    for name in (
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sysrq-trigger",
    ):
        try:
            with Path(name).open("w") as file:
                file.write("0")
        except OSError:
            continue
        raise BrokenWallError(name)


@probe
def reads_no_masked_entry() -> None:
    for name in ("kcore", "keys", "timer_list", "kallsyms", "interrupts", "kmsg", "vmallocinfo"):
        try:
            with Path("/proc", name).open("rb") as file:
                content = file.read(64)
        except OSError:
            continue
        expect(not content, f"/proc/{name}: {content!r}")


@probe
def sees_no_host_file() -> None:
    for name in (
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/sudoers",
        "/etc/ssh",
        "/etc/machine-id",
        "/root",
        "/home",
        "/boot",
        "/var/lib",
        "/var/log",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/systemd",
        "/sys/kernel",
        "/sys/class",
        "/mnt",
        "/old_root",
        "/etc/ssl/private",
    ):
        expect(not Path(name).exists(), name)


@probe
def gets_no_forbidden_system_call() -> None:
    for name in SYSCALLS:
        code = call(name, 0, 0, 0, 0, 0)
        expect(code in {errno.EPERM, errno.ENOSYS}, f"{name}: {errno.errorcode.get(code, code)}")


@probe
def makes_no_namespace() -> None:
    for flag in (CLONE_NEWUSER, 0x20000, 0x40000000, 0x20000000, 0x4000000, 0x8000000):
        expect(call("unshare", flag) == errno.EPERM, f"unshare {flag:x}")
    number = 56 if platform.machine() == "x86_64" else 220
    for flag in (CLONE_NEWUSER, CLONE_NEWUSER | 0x40000000):
        ctypes.set_errno(0)
        child = LIBC.syscall(ctypes.c_long(number), ctypes.c_long(flag | 17), 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        expect(child == -1, f"clone {flag:x}")
    result = LIBC.syscall(ctypes.c_long(435), None, ctypes.c_long(0))
    expect(result == -1 and ctypes.get_errno() == errno.ENOSYS, "clone3")


@probe
def opens_no_odd_socket() -> None:
    kinds = {"packet": (17, 3), "vsock": (40, 1), "alg": (38, 5), "bluetooth": (31, 3)}
    for name, (family, kind) in kinds.items():
        try:
            socket.socket(family, kind).close()
        except OSError:
            continue
        raise BrokenWallError(name)
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        return
    raise BrokenWallError("raw")


@probe
def makes_no_device() -> None:
    try:
        os.mknod("/tmp/probe-device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError:
        pass
    else:
        raise BrokenWallError("mknod")
    allowed = {"console", "core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr",
               "stdin", "stdout", "tty", "urandom", "zero", "mqueue"}  # fmt: skip
    found = {path.name for path in Path("/dev").iterdir()}
    expect(found <= allowed, found - allowed)


@probe
def finds_no_way_up_by_setuid() -> None:
    for name in ("/usr", "/app", "/tmp"):
        expect(os.statvfs(name).f_flag & os.ST_NOSUID != 0, name)


@probe
def cannot_change_its_network() -> None:
    if not Path("/usr/sbin/ip").exists() and not Path("/sbin/ip").exists():
        return
    for command in (
        "ip route del prohibit 169.254.0.0/16", "ip addr add 10.9.9.9/24 dev eth0",
        "ip link set eth0 down", "ip route flush table main",
    ):  # fmt: skip
        code = os.system(f"PATH=/usr/sbin:/sbin:/usr/bin:/bin {command} 2>/dev/null")
        expect(code != 0, command)


@probe
def sees_only_its_own_interfaces() -> None:
    names = {name for _, name in socket.if_nameindex()}
    expect(names <= {"lo", "eth0"}, names)


@probe
def reaches_nothing_forbidden() -> None:
    for target in os.environ["PROBE_FORBIDDEN"].split():
        host, _, port = target.rpartition(":")
        expect(not answers(host, int(port)), target)


@probe
def reaches_what_is_allowed() -> None:
    for target in os.environ["PROBE_ALLOWED"].split():
        host, _, port = target.rpartition(":")
        deadline = time.monotonic() + 10  # its server may still be starting
        while not answers(host, int(port)):
            expect(time.monotonic() < deadline, target)
            time.sleep(0.05)


@probe
def reaches_no_abstract_socket() -> None:
    name = os.environ["PROBE_ABSTRACT"]
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"\0{name}")
        except ConnectionRefusedError:
            return
    raise BrokenWallError(name)


def answers(host: str, port: int) -> bool:
    """Whether a server of the tests greets: a proxy that accepts for nobody is no answer."""
    try:
        with socket.create_connection((host, port), timeout=1.5) as client:
            return client.recv(16).startswith(b"hello")
    except OSError:
        return False


@probe
def has_bounded_memory_file_systems() -> None:
    for name, limit in (("/tmp", 256), ("/dev/shm", 64), ("/run", 16), ("/var/tmp", 256)):
        found = os.statvfs(name)
        size = found.f_blocks * found.f_frsize
        expect(0 < size <= limit << 20 or not os.access(name, os.W_OK), f"{name}: {size}")


@probe
def inherits_no_descriptor() -> None:
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        try:
            found[path.name] = str(path.readlink())
        except OSError:
            continue  # the one that listed the directory
    expect(set(found) <= {"0", "1", "2"}, found)


@probe
def leaves_no_core() -> None:
    expect(resource.getrlimit(resource.RLIMIT_CORE) == (0, 0), "core")
    expect(resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 1 << 20, "nofile")


@probe
def reads_its_memory_limit() -> None:
    wanted = os.environ.get("PROBE_MEMORY")
    for name in ("memory/memory.limit_in_bytes", "memory.max"):
        path = Path("/sys/fs/cgroup", name)
        if wanted and path.exists():
            expect(path.read_text().strip() == wanted, path.read_text())
            expect(not os.access(path, os.W_OK), "writable")
            return
    expect(not wanted, "no limit to be read")


@probe
def has_a_writable_home() -> None:
    expect(os.environ["HOME"] == "/app" and Path.cwd() == Path("/app"), Path.cwd())
    path = Path("/app/probe-file")
    path.write_text("x")
    path.unlink()


def main() -> None:
    results = {}
    for name, function in PROBES.items():
        try:
            function()
        except BrokenWallError as err:
            results[name] = f"broken: {err}"
        except Exception as err:  # an untested wall is not a wall that holds
            results[name] = f"probe failed: {err!r}"
        else:
            results[name] = "held"
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
