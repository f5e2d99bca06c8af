"""Installs the packages of a lock file with uv: those of each index in a run of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from buildpack.installers.base import Dependencies, Install, OnLine
from buildpack.installers.diagnosis.git_failures import git_failure
from buildpack.installers.git_logins import login_settings, without_logins
from buildpack.installers.given import Given
from buildpack.installers.locks.lock_lines import INDEX_OPTION, fill_in_variables
from buildpack.installers.requirements import install_requirements
from buildpack.support import files
from buildpack.support.command import Command, CommandFailedError, capture
from buildpack.support.deletion import remove_tree

INDEX_SETTINGS = frozenset(
    {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL",
     "PIP_EXTRA_INDEX_URL"}
)  # fmt: skip
EXTRA_OPTION = "--extra-index-url "
EXTRA_SETTING = "UV_EXTRA_INDEX_URL"
TRUST_OPTION = "--trusted-host "
TIME_LIMIT = 600
GIT_EDITABLE = re.compile(
    r"-e git\+(?P<url>[^#;\s]+?)@(?P<commit>[^@#;\s/]+)#egg=(?P<name>[\w.-]+)"
    r"(?:&subdirectory=(?P<subdirectory>[^\s;]+))?(?P<marker> ;.*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The packages that come from one index, and the settings that say which."""

    lines: tuple[str, ...]
    settings: Mapping[str, str]


def split_sections(text: str) -> Iterator[Section]:
    """The parts of the text that ``requirements_text`` wrote."""
    for part in re.split(rf"^(?={INDEX_OPTION})", text, flags=re.MULTILINE):
        lines = part.splitlines()
        packages = [
            x for x in lines if not x.startswith((INDEX_OPTION, EXTRA_OPTION, TRUST_OPTION))
        ]
        settings = {
            "UV_DEFAULT_INDEX": _values(lines, INDEX_OPTION),
            EXTRA_SETTING: _values(lines, EXTRA_OPTION),
            "UV_INSECURE_HOST": _values(lines, TRUST_OPTION),
        }
        if packages:
            yield Section(lines=tuple(packages), settings={k: v for k, v in settings.items() if v})


def _values(lines: Sequence[str], option: str) -> str:
    return " ".join(line.removeprefix(option) for line in lines if line.startswith(option))


def install_lock(dependencies: Dependencies, install: Install, on_line: OnLine) -> None:
    """Install every section of the requirements that were read from a lock file."""
    title = f"uv pip install (from {dependencies.source})"
    text = fill_in_variables(dependencies.requirements, install.env)
    logins = login_settings(text, install.env)
    sections = tuple(split_sections(without_logins(text)))
    if not sections:
        on_line("There are no packages to install.")
    for number, section in enumerate(sections):
        lines = [_check_out(line, install, logins, on_line) for line in section.lines]
        path = install.scratch_dir / f"requirements-{number}.txt"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        install_requirements(
            replace(install, env=section_env(section, install.env)),
            on_line,
            arguments=(*dependencies.options, "-r", str(path)),
            title=title,
            given=Given(for_git=logins),
        )
    _finish_checkouts(install)


def section_env(section: Section, env: Mapping[str, str]) -> dict[str, str]:
    """The build's environment, with the section's index instead of the build's or beside it."""
    if "UV_DEFAULT_INDEX" in section.settings:
        return {k: v for k, v in env.items() if k not in INDEX_SETTINGS} | dict(section.settings)
    found = dict(env) | {k: v for k, v in section.settings.items() if k != EXTRA_SETTING}
    names = (EXTRA_SETTING, "PIP_EXTRA_INDEX_URL")
    before = next((env[name] for name in names if env.get(name)), "")
    extra = f"{section.settings.get(EXTRA_SETTING, '')} {before}".strip()
    return {**found, EXTRA_SETTING: extra} if extra else found


def _check_out(line: str, install: Install, logins: Mapping[str, str], on_line: OnLine) -> str:
    """An editable Git checkout lives in the virtualenv, as with pip; uv installs it from there."""
    match = GIT_EDITABLE.fullmatch(line)
    if match is None:
        return line
    directory = install.venv.root / "src" / match["name"]
    env = {**_git_env(install.env), **logins, "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0"}
    on_line(f"Checking out {match['name']} at {match['commit'][:12]}")
    for words in (
        ("clone", "--quiet", "--no-checkout", match["url"], str(directory)),
        ("-C", str(directory), "checkout", "--quiet", "--detach", match["commit"]),
        ("-C", str(directory), "submodule", "--quiet", "update", "--init", "--recursive"),
    ):
        command = Command(argv=("git", *words), cwd=install.app_dir, env=env, timeout=TIME_LIMIT)
        try:
            capture(command)
        except CommandFailedError as err:
            said = " ".join(err.last_lines)
            raise git_failure(f"Updating {match['url']} () --- stderr {said}") from None
    place = directory / match["subdirectory"] if match["subdirectory"] else directory
    return f"-e {place}{match['marker'] or ''}"


def _git_env(env: Mapping[str, str]) -> dict[str, str]:
    kept = (
        "PATH",
        "HOME",
        "SSH_AUTH_SOCK",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
    )
    return {
        k: v for k, v in env.items() if k in kept or k.startswith("GIT_") or k.endswith("_PROXY")
    }


def _finish_checkouts(install: Install) -> None:
    """Take out the history, which holds URLs and times; name the sources relatively."""
    sources = install.venv.root / "src"
    if not sources.is_dir():
        return
    for history in sorted(sources.glob("*/.git")):
        remove_tree(history)
    for pth in sorted(install.venv.site_packages.glob("*.pth")):
        text = pth.read_text("utf-8")
        if str(sources) in text:
            files.write_atomically(pth, _relative(text, sources, install.venv.site_packages))


def _relative(text: str, sources: Path, site_packages: Path) -> str:
    up = "/".join([".."] * len(site_packages.relative_to(sources.parent).parts))
    return re.sub(rf"^{re.escape(str(sources))}", f"{up}/src", text, flags=re.MULTILINE)
