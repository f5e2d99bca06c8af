"""What a container sees of the host, on a host made by hand."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from runner.engines.embedded.rootfs import (
    SystemDir,
    hosts_text,
    resolv_conf,
    system_dirs,
    write_etc,
    write_hosts,
)


def host(tmp_path: Path) -> Path:
    etc = tmp_path / "host"
    for name in ("ssl/certs", "ssl/private", "alternatives"):
        (etc / name).mkdir(parents=True)
    for name in ("shadow", "ssl/private/key.pem", "machine-id", "services", "os-release"):
        (etc / name).write_text(f"host {name}")
    (etc / "passwd").write_text("admin:x:0:0::/root:/bin/bash\n")
    (etc / "resolv.conf").write_text("nameserver 10.1.1.1\nsearch example.org\noptions ndots:2\n")
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Vienna")
    return etc


def test_etc_is_made_new_and_holds_no_secret(tmp_path: Path) -> None:
    target = tmp_path / "etc"
    shown = write_etc(target, nameserver="10.0.2.3", host_etc=host(tmp_path))
    assert shown == ("alternatives", "ssl/certs")
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "alternatives", "group", "host.conf", "localtime", "nsswitch.conf", "os-release",
        "passwd", "resolv.conf", "services", "ssl", "ssl/certs",
    ]  # fmt: skip
    assert "admin" not in (target / "passwd").read_text()
    assert "app:x:1000:1000::/app:/bin/bash\n" in (target / "passwd").read_text()
    assert (target / "localtime").readlink() == Path("/usr/share/zoneinfo/Europe/Vienna")


def test_etc_can_be_read_by_containers_whatever_our_umask(tmp_path: Path) -> None:
    target, theirs = tmp_path / "etc", host(tmp_path)
    (theirs / "ssl/openssl.cnf").write_text("[default]")
    before = os.umask(0o077)
    try:
        write_etc(target, nameserver="10.0.2.3", host_etc=theirs)
        write_hosts(target, [])
    finally:
        os.umask(before)
    made = [path for path in (target, *target.rglob("*")) if not path.is_symlink()]
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o644}


def test_resolv_conf_names_the_apps_own_server() -> None:
    host_text = "# made by\nnameserver 10.1.1.1\nsearch example.org\n\noptions ndots:2\n"
    assert resolv_conf(host_text, "10.0.2.3") == (
        "nameserver 10.0.2.3\nsearch example.org\noptions ndots:2\n"
    )
    assert resolv_conf("", "10.0.2.3") == "nameserver 10.0.2.3\n"


def test_hosts_have_both_forms_of_a_containers_name(tmp_path: Path) -> None:
    write_hosts(tmp_path, [("10.0.2.4", "web.1"), ("10.0.2.5", "run.4711")])
    assert (tmp_path / "hosts").read_text() == (
        "127.0.0.1 localhost\n"
        "::1 localhost ip6-localhost ip6-loopback\n"
        "10.0.2.4 web.1 web-1\n"
        "10.0.2.5 run.4711 run-4711\n"
    )
    write_hosts(tmp_path, [])
    assert (tmp_path / "hosts").read_text() == hosts_text(())
    assert [path.name for path in tmp_path.iterdir()] == ["hosts"]


def test_system_dirs_keep_the_hosts_links(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "lib").mkdir()  # not every system has merged /usr
    (tmp_path / "home").mkdir()
    assert system_dirs(tmp_path) == (
        SystemDir(path=PurePosixPath("/usr"), link=None),
        SystemDir(path=PurePosixPath("/bin"), link="usr/bin"),
        SystemDir(path=PurePosixPath("/lib"), link=None),
    )
