"""Images of a slug, judged by programs of others: skopeo, umoci and a real registry."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from buildpack.support.errors import ExitCode
from slugc.transfer.image import INDEX_TYPE, MANIFEST_TYPE
from tests.integration.conftest import Built
from tests.integration.support import Kit, free_port
from tests.unit.slugc.transfer.made import layer_digests, names, rootfs
from tests.unit.slugc.trees import contents
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.integration

# "tester" and "pass word", as `htpasswd -nbB -C 5` writes them: the registry takes bcrypt only.
HTPASSWD = "tester:$2y$05$jRSx3NqzZBK5.7RUxfXNFOJ6R727mrCVRbpDUQarPbp9rcIKNV/Qy\n"
LOGIN = {"auth": "dGVzdGVyOnBhc3Mgd29yZA=="}


@pytest.fixture(scope="module")
def slug(built: Callable[[str], Built]) -> Path:
    """A real one, with a Python of its own."""
    return built("flask_hello").slug


@pytest.fixture
def base(open_dir: Path) -> Path:
    """A stack image that says what it is; nothing of it is started here."""
    lines = Path("/etc/os-release").read_text()
    return rootfs(open_dir / "root.tar", release=lines)


def slugc(kit: Kit, *words: object, env: Mapping[str, str] | None = None) -> str:
    done = attempt(kit, *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def attempt(
    kit: Kit, *words: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*kit.slugc, *map(str, words)),
        env={**kit.env, **(env or {})},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )


def run(*words: object) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, check=False, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_skopeo_sees_the_image_we_say(
    kit: Kit, open_dir: Path, slug: Path, base: Path, form: str, compression: str
) -> None:
    place = f"{form}:{open_dir}/x"
    options = ("--stack-image", base, "--compression", compression, "--json")
    told = json.loads(slugc(kit, "export", slug, place, *options))
    seen = json.loads(run("skopeo", "inspect", f"{place}:latest"))
    assert seen["Digest"] == told["digest"]
    assert seen["Labels"]["io.slugkit.process-type.web"] == "gunicorn app:app"
    run("skopeo", "copy", f"{place}:latest", f"dir:{open_dir}/copied")  # reads every blob
    assert len(names(open_dir / "copied")) == len(seen["Layers"]) + 3


def test_skopeo_reads_our_docker_archive(kit: Kit, open_dir: Path, slug: Path, base: Path) -> None:
    place = f"docker-archive:{open_dir}/x.tar"
    slugc(kit, "export", slug, place, "--stack-image", base, "--tag", "me/hello:v1")
    assert json.loads(run("skopeo", "list-tags", place))["Tags"] == ["me/hello:v1"]
    # It checks each layer against its diff_id on the way.
    run("skopeo", "copy", f"{place}:me/hello:v1", f"oci:{open_dir}/copied:v1")
    slugc(kit, "import", f"oci:{open_dir}/copied", "-o", open_dir / "back.slug")
    assert (open_dir / "back.slug").read_bytes() == slug.read_bytes()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to others")
def test_umoci_unpacks_what_is_in_the_slug(
    kit: Kit, open_dir: Path, slug: Path, base: Path
) -> None:
    options = ("--stack-image", base, "--compression", "gzip")
    slugc(kit, "export", slug, f"oci:{open_dir}/x", *options)
    slugc(kit, "export", slug, f"dir:{open_dir}/tree")
    run("umoci", "unpack", "--image", f"{open_dir}/x:latest", open_dir / "bundle")
    root = open_dir / "bundle/rootfs"
    assert contents(root / "app") == contents(open_dir / "tree")
    owners = {path.name: path.stat().st_uid for path in (root / "app", root / "app/app.py")}
    assert owners == {"app": 1000, "app.py": 0}
    start = (root / "usr/local/bin/slug-start").stat()
    assert (start.st_uid, start.st_mode & 0o7777) == (0, 0o755)
    process = json.loads((open_dir / "bundle/config.json").read_bytes())["process"]
    assert process["args"] == ["/usr/local/bin/slug-start", "web"]
    assert (process["cwd"], process["user"]) == ("/app", {"uid": 1000, "gid": 1000})


@contextmanager
def registry(directory: Path, *, secure: bool = False) -> Iterator[str]:
    """Debian's docker-registry on this machine; gives its host and port."""
    port = free_port()
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}"}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry")}},
        "http": http,
    }
    if secure:
        (directory / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
        http["tls"] = make_certificate(directory)
    (directory / "registry.yml").write_text(json.dumps(config))  # JSON is YAML
    with (directory / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ("docker-registry", "serve", str(directory / "registry.yml")), stdout=log, stderr=log
        )
    try:
        wait_for_port(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    import socket

    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "the registry has ended"
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the registry does not answer")


def make_certificate(directory: Path) -> dict[str, str]:
    """A certificate for 127.0.0.1 that is its own authority."""
    key, certificate = directory / "key.pem", directory / "cert.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=test"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    )
    return {"certificate": str(certificate), "key": str(key)}


def test_a_registry_gets_what_it_lacks_and_gives_it_back(
    kit: Kit, open_dir: Path, slug: Path, base: Path
) -> None:
    """Pushed, copied by skopeo, rebased in place, imported: the slug is the same to the byte."""
    with registry(open_dir) as host:
        place = f"docker://{host}/team/hello:v1"
        first = attempt(kit, "export", slug, place, "--stack-image", base)
        assert first.stdout.startswith(f"{host}/team/hello:v1@sha256:"), first.stderr
        again = attempt(kit, "export", slug, place, "--stack-image", base)
        assert again.stdout == first.stdout
        assert " uploaded" in first.stderr
        assert " uploaded" not in again.stderr
        layout = f"oci:{open_dir}/copied:v1"
        run("skopeo", "copy", "--src-tls-verify=false", place, layout)
        digest = first.stdout.strip().rpartition("@")[2]
        index = json.loads((open_dir / "copied/index.json").read_bytes())
        assert index["manifests"][0]["digest"] == digest
        check_rebase(kit, open_dir, place, host)
        slugc(kit, "import", place, "-o", open_dir / "back.slug")
    assert (open_dir / "back.slug").read_bytes() == slug.read_bytes()


def fetched(host: str, path: str, kind: str) -> Any:
    request = urllib.request.Request(f"http://{host}/v2/{path}", headers={"Accept": kind})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def test_sbom_and_signatures_go_with_an_image_that_is_pushed(
    kit: Kit, open_dir: Path, slug: Path, base: Path
) -> None:
    """As artifacts whose subject it is; Debian's registry knows no such thing, and has a list."""
    own = open_dir / "own.slug"
    shutil.copyfile(slug, own)
    slugc(kit, "sign", "--new-key", open_dir / "deploy")
    slugc(kit, "sign", own, "--key", open_dir / "deploy.key")
    with registry(open_dir) as host:
        words = ("export", own, f"docker://{host}/hello:v1", "--stack-image", base, "--attach")
        digest = slugc(kit, *words).strip().rpartition("@")[2]
        tag = digest.replace(":", "-")
        listed = fetched(host, f"hello/manifests/{tag}", INDEX_TYPE)
        assert slugc(kit, *words).strip().rpartition("@")[2] == digest
        assert fetched(host, f"hello/manifests/{tag}", INDEX_TYPE) == listed
        sbom, signatures = listed["manifests"]
        assert sbom["artifactType"] == "application/vnd.cyclonedx+json"
        assert signatures["artifactType"] == "application/vnd.in-toto.bundle"
        manifest = fetched(host, f"hello/manifests/{sbom['digest']}", MANIFEST_TYPE)
        assert manifest["subject"]["digest"] == digest
        run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{host}/hello:{tag}")
        document = fetched(host, f"hello/blobs/{manifest['layers'][0]['digest']}", "*/*")
    assert document == json.loads(slugc(kit, "inspect", own, "--sbom"))


def test_what_another_repository_of_the_registry_has_is_taken_over(
    kit: Kit, open_dir: Path, slug: Path, base: Path
) -> None:
    with registry(open_dir) as host:
        first = f"docker://{host}/team/hello:v1"
        assert attempt(kit, "export", slug, first, "--stack-image", base).returncode == 0
        told = attempt(kit, "rebase", first, f"docker://{host}/other/x:v1", "--stack-image", base)
        assert told.returncode == 0, told.stderr
        run("skopeo", "copy", "--src-tls-verify=false", f"docker://{host}/other/x:v1",
            f"oci:{open_dir}/x:v1")  # fmt: skip
    layers = len(layer_digests(open_dir / "x"))
    assert told.stderr.count(f"taken over from {host}/team/hello") == layers - 1
    assert told.stderr.count(" uploaded") == 2  # the stack image, and the configuration


def check_rebase(kit: Kit, directory: Path, place: str, host: str) -> None:
    """Only the base and the configuration go over the wire; skopeo sees the same app layers."""
    lines = Path("/etc/os-release").read_text()
    new = rootfs(directory / "new.tar", release=lines, extra={"patched": b"yes"})
    patched = f"docker://{host}/team/hello:patched"
    done = attempt(kit, "rebase", place, patched, "--stack-image", new)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" uploaded") == 2
    run("skopeo", "copy", "--src-tls-verify=false", patched, f"oci:{directory}/patched:v1")
    before, after = layer_digests(directory / "copied"), layer_digests(directory / "patched")
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_a_registry_with_tls_and_logins(kit: Kit, open_dir: Path, slug: Path, base: Path) -> None:
    with registry(open_dir, secure=True) as host:
        words = ("export", slug, f"docker://{host}/hello:v1", "--stack-image", base)
        env = {"DOCKER_CONFIG": str(open_dir)}
        distrusted = attempt(kit, *words, env=env)
        assert distrusted.returncode == ExitCode.UNAVAILABLE
        assert f"The registry {host} offers no connection that can be trusted" in distrusted.stderr
        assert "self-signed" in distrusted.stderr
        env["SSL_CERT_FILE"] = str(open_dir / "cert.pem")
        denied = attempt(kit, *words, env=env)
        assert denied.returncode == ExitCode.PERMISSION
        assert f"docker login {host}" in denied.stderr
        (open_dir / "config.json").write_text(json.dumps({"auths": {host: LOGIN}}))
        assert slugc(kit, *words, env=env).startswith(f"{host}/hello:v1@sha256:")
        assert slugc(kit, "import", words[2], "-o", open_dir / "back", env=env).endswith("back")
    assert (open_dir / "back").read_bytes() == slug.read_bytes()


def test_a_herokuish_slug_made_by_gnu_tar_runs_again(kit: Kit, open_dir: Path, slug: Path) -> None:
    """Exported, packed by tar without ./app as herokuish does, imported: the same layers."""
    slugc(kit, "export", slug, f"dir:{open_dir}/tree")
    run("tar", "-czf", open_dir / "slug.tgz", "-C", open_dir / "tree", ".")
    stack = json.loads(slugc(kit, "inspect", slug, "--json"))["stack"]["id"]
    place = slugc(kit, "import", open_dir / "slug.tgz", "--stack", stack, "-o", open_dir / "b.slug")
    old, new = (json.loads(slugc(kit, "inspect", each, "--json")) for each in (slug, place))
    assert digests(old) == digests(new)
    assert old["process_types"] == new["process_types"]
    done = kit.one_off(
        Path(place), "python", "-c", "import flask; print('runs')", engine="embedded"
    )
    assert done.stdout.strip() == "runs", done.stderr


def digests(inspected: Mapping[str, Any]) -> list[str]:
    return [layer["digest"] for layer in inspected["layers"]]


def test_herokus_tarball_is_unpacked_by_gnu_tar(kit: Kit, open_dir: Path, slug: Path) -> None:
    slugc(kit, "export", slug, open_dir / "x.tgz")
    slugc(kit, "export", slug, f"dir:{open_dir}/tree")
    run("tar", "-xzf", open_dir / "x.tgz", "-C", open_dir)
    assert contents(open_dir / "app") == contents(open_dir / "tree")


def test_a_pipe_gets_the_archive_and_nothing_else(kit: Kit, open_dir: Path, slug: Path) -> None:
    for word, listed in (("-", "-tz"), ("tar:-", "-t")):
        argv = (*kit.slugc, "export", str(slug), word)
        done = subprocess.run(argv, env=kit.env, capture_output=True, check=True, timeout=60)
        names_in = subprocess.run(
            ("tar", listed), input=done.stdout, capture_output=True, check=True
        )
        assert names_in.stdout.startswith(b"./app/\n")


def test_a_full_disk_leaves_nothing_of_an_image(
    kit: Kit, open_dir: Path, slug: Path, base: Path
) -> None:
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    small = open_dir / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small)
    try:
        for target in (f"oci:{small}/x", f"docker-archive:{small}/x", small / "x.tgz"):
            done = attempt(kit, "export", slug, target, "--stack-image", base)
            assert done.returncode == ExitCode.CANNOT_CREATE, done.stderr
            assert f"{small}/x" in done.stderr
            assert "No space left on device" in done.stderr
            assert names(small) == []
    finally:
        run("umount", small)


@pytest.mark.parametrize("form", ["oci", "docker-archive"])
def test_a_stopped_export_leaves_nothing(kit: Kit, open_dir: Path, slug: Path, form: str) -> None:
    """Told to end once something lies beside the target."""
    place = open_dir / "out"
    place.mkdir()
    # A base that takes a while to write: noise, which no compression makes small.
    lines, noise = Path("/etc/os-release").read_text(), os.urandom(96 * 1024 * 1024)
    large = rootfs(open_dir / "large.tar", release=lines, extra={"noise": noise})
    argv = (*kit.slugc, "export", str(slug), f"{form}:{place}/x", "--stack-image", str(large))
    process = subprocess.Popen(argv, env=kit.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until(lambda: names(place) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, told
    assert told.endswith(b"Stopped. Nothing was written.\n")
    assert names(place) == []
