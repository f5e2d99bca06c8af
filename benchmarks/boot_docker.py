"""From `slug-run web` to the first HTTP 200, against two ways of doing it with Docker.

    python -m benchmarks.boot_docker [RUNS]

`docker run` of the same tree: the unpacked slug as a volume, on the stack image. The way of slug
runners: the slug, a gzip tar, goes into the container's standard input, is unpacked, and started.
Both have the host's network, which is their quickest; what a published port takes is told as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.boot import App, boot, free_port, prepare, with_directory
from benchmarks.pairs import Claim, measure, program, report, timed

RUNS = 7
IMAGE = "slugkit-stack:debian-12"
UNPACK = "tar -xz -C / && "


def ensure_image(app: App) -> None:
    """The stack image, which takes a minute to make and stays for the next time."""
    look, quiet = ("docker", "image", "inspect", IMAGE), subprocess.DEVNULL
    if subprocess.run(look, check=False, stdout=quiet, stderr=quiet).returncode != 0:
        timed((program("slugc"), "stack", "build", "--tag", IMAGE), env=app.env)


def docker_run(app: App, *options: str, port: int, line: str, stdin: Path | None = None) -> float:
    """Seconds until ``line``, run in a container on the stack image, answers on ``port``."""
    name = f"slugkit-benchmark-{os.getpid()}"
    inside = port if "host" in options else 5000
    argv = (
        *("docker", "run", "--rm", "--name", name, *options),
        *("-e", f"PORT={inside}", "-e", "HOME=/app", "-e", "DYNO=web.1"),
        *("--memory", "512m", IMAGE, "bash", "-c", line),
    )

    def stop() -> None:
        quiet = subprocess.DEVNULL
        subprocess.run(("docker", "kill", name), check=True, stdout=quiet)

    return boot(
        argv, port, cwd=app.slug.parent, env=os.environ, stdin=stdin or Path(os.devnull), stop=stop
    )


def from_volume(app: App) -> float:
    volume = ("-v", f"{app.tree}:/app")
    return docker_run(app, "--network", "host", *volume, port=free_port(), line=app.start)


def from_volume_published(app: App) -> float:
    port = free_port()
    published = ("-p", f"127.0.0.1:{port}:5000", "-v", f"{app.tree}:/app")
    return docker_run(app, *published, port=port, line=app.start)


def from_slug(app: App, tgz: Path) -> float:
    options = ("-i", "--network", "host")
    return docker_run(app, *options, port=free_port(), line=UNPACK + app.start, stdin=tgz)


def report_docker(directory: Path, runs: int) -> int:
    flask, django = prepare("flask_hello", directory), prepare("django_polls", directory)
    tgz = directory / "polls.tgz"
    timed((program("slugc"), "export", str(django.slug), f"tgz:{tgz}"), env=django.env)
    ensure_image(django)
    flask.ours(), django.ours(), from_volume(flask), from_slug(django, tgz)
    run = Claim(name="slug-run web of flask_hello", peer="docker run, host network", limit=1.0)
    published = Claim(name="slug-run web of flask_hello", peer="docker run -p")
    untar = Claim(name="slug-run web of django_polls", peer="docker run, untar, boot", limit=0.25)
    return report(
        [
            measure(run, flask.ours, lambda: from_volume(flask), runs=runs),
            measure(published, flask.ours, lambda: from_volume_published(flask), runs=runs),
            measure(untar, django.ours, lambda: from_slug(django, tgz), runs=runs),
        ]
    )


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    return with_directory(lambda directory: report_docker(directory, runs))


if __name__ == "__main__":
    sys.exit(main())
