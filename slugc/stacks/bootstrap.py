"""Puts the root file system of a stack image together from Debian packages, with mmdebstrap."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from buildpack.support.command import Command
from slugc.stacks.apt_sources import AptSources, read_apt_sources
from slugc.stacks.recipes import FINISH_SCRIPT, NAMES_ONLY, StackImageError, StackRecipe

SOURCE_DATE_EPOCH = "1735689600"
"""2025-01-01: the newest time a file of the image may carry; only that it is fixed matters."""
BUILD_TIMEOUT = 1800
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where packages come through a proxy, apt needs to know; nothing else of the caller's reaches it.
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")

Notify = Callable[[str], None]


@contextmanager
def bootstrapped(
    recipe: StackRecipe,
    notify: Notify,
    env: Mapping[str, str],
    stream: Callable[[Command, Callable[[str], None]], None],
) -> Iterator[Path]:
    """The image's root file system as a tar, put together from Debian packages."""
    if recipe.codename is None:
        raise StackImageError(
            recipe,
            f"It is made from {recipe.base_image}, and no registry gave that.",
            resolution="Build slugkit-stack:debian-12, which needs Debian packages only.",
        )
    sources = read_apt_sources(Path("/etc/apt"), recipe.codename)
    with tempfile.TemporaryDirectory(prefix="slugkit-stack-") as scratch:
        archive = Path(scratch) / "root.tar"
        step = bootstrap_command(recipe, sources, archive, env)
        notify(f"Putting {recipe.tag} together from Debian packages ({step.shown})")
        stream(step, notify)
        yield archive


def bootstrap_command(
    recipe: StackRecipe, sources: AptSources, archive: Path, env: Mapping[str, str]
) -> Command:
    """The mmdebstrap call that writes the image's root file system to ``archive``."""
    assert recipe.codename is not None
    mirrors = list(sources.lines)
    if sources.stanzas:
        stanzas = archive.with_name("machine.sources")
        stanzas.write_text("\n".join(sources.stanzas), encoding="utf-8")
        mirrors.append(str(stanzas))
    return Command(
        argv=(
            "mmdebstrap",
            # Essential packages and the list: no package manager, nothing by recommendation.
            "--variant=essential",
            f"--include={','.join(recipe.packages)}",
            f'--aptopt={NAMES_ONLY} "true"',
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/info/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            # The machine's own package sources and apt settings are no part of the stack.
            '--customize-hook=rm -rf "$1"/etc/apt/sources.list*',
            '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
            f"--customize-hook={FINISH_SCRIPT}",
            recipe.codename,
            str(archive),
            # With none of its own (another distribution) mmdebstrap knows Debian's servers.
            *mirrors,
        ),
        cwd=archive.parent,
        env={
            "PATH": env.get("PATH", DEFAULT_PATH),
            "HOME": str(archive.parent),
            "LC_ALL": "C.UTF-8",
            "SOURCE_DATE_EPOCH": env.get("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH),
            **{name: env[name] for name in PROXY_VARIABLES if name in env},
        },
        timeout=BUILD_TIMEOUT,
        title=f"mmdebstrap {recipe.codename}",
    )
