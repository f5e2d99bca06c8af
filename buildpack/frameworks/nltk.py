"""NLTK's data: what nltk.txt asks for, fetched while the app is being built."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildpack.app import App
from buildpack.report import BuildData
from buildpack.support import files
from buildpack.support.command import Command, CommandFailedError, CommandTimeoutError, stream
from buildpack.support.errors import Problem, SlugkitError, printable
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.venv import Venv

NLTK_FILE = "nltk.txt"
INDEX_SETTING = "NLTK_DOWNLOAD_URL"
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
TIME_LIMIT = 900
SIGN = "[nltk_data]"
ERROR_SIGN = f"{SIGN} Error"
CONTINUED = f"{SIGN}     "
TARGET = re.compile(r"(Downloading package \S+) to .*")
"""A message that ends with a directory of ours."""
UNKNOWN = re.compile(r"Package '?([A-Za-z0-9._-]+)'? not found in index")


class NltkFileError(SlugkitError):
    """nltk.txt has words that cannot be names of packages; all of them."""

    id = "nltk-downloader"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(
            "Your nltk.txt has names that cannot be NLTK packages",
            details="\n".join(problem.at(NLTK_FILE) for problem in problems),
            resolution="Write one name to a line, such as:\n\n    punkt_tab\n    stopwords",
        )


class NltkPackageError(SlugkitError):
    """NLTK's index does not have what nltk.txt asks for."""

    id = "nltk-downloader"

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(
            "NLTK does not have the data your nltk.txt asks for",
            details="Not in NLTK's index:\n\n" + "\n".join(f"  {name}" for name in names),
            resolution="Check the spelling with NLTK's list of data:\n\n"
            "    python -m nltk.downloader --help\n    https://www.nltk.org/nltk_data/",
        )


class NltkDownloadError(SlugkitError):
    """NLTK's data could not be fetched."""

    id = "nltk-downloader"

    def __init__(self, last_lines: tuple[str, ...]) -> None:
        self.last_lines = last_lines
        said = "\n".join(f"    {line.strip()}" for line in last_lines)
        super().__init__(
            "NLTK's data could not be downloaded",
            details=f"The NLTK downloader said:\n\n{said}",
            resolution="If its server cannot be reached, build again later. A copy of the\n"
            f"index on a server of yours is used if the config var {INDEX_SETTING}\n"
            "is its URL. Or commit the data to your app, remove nltk.txt, and set\n"
            "the config var NLTK_DATA to its directory.",
        )


@value
class NltkRequest:
    """Everything that decides which data an app gets."""

    app: App
    venv: Venv
    cache_dir: Path
    env: Mapping[str, str]

    @property
    def data_dir(self) -> Path:
        """Beside the virtualenv. Heroku has it inside of Python, which many apps share here."""
        return self.venv.root.parent / "nltk_data"


def has_nltk(venv: Venv) -> bool:
    return (venv.site_packages / "nltk" / "__init__.py").is_file()


def parse_nltk_file(text: str) -> tuple[str, ...]:
    """The packages in nltk.txt: separated by spaces or lines, ``#`` begins a comment."""
    names: dict[str, None] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        for word in line.partition("#")[0].split():
            names[word] = None
            if not PACKAGE.fullmatch(word):
                column = line.index(word) + 1
                what = f"'{printable(word)}' is not a name"
                problems.append(Problem(line=number, column=column, what=what))
    if problems:
        raise NltkFileError(tuple(problems))
    return tuple(names)


def nltk_step(request: NltkRequest, data: BuildData, out: Output) -> None:
    """Fetch NLTK's data where the app has NLTK; say how to get it where it asks for none."""
    if not has_nltk(request.venv):
        return
    if not request.app.is_file(NLTK_FILE):
        out.info(f"Your app has NLTK and no {NLTK_FILE}: no NLTK data is downloaded.")
        return
    out.step(f"Downloading NLTK data ({NLTK_FILE})")
    names = parse_nltk_file(request.app.read_text(NLTK_FILE))
    data.set("nltk_downloader", True)
    with data.timed("nltk_downloader_duration"):
        if not names:
            out.info(f"Skipped: your {NLTK_FILE} names no packages.")
            return
        home = _home(request, names)
        if home.is_dir():
            out.info("Nothing has changed: using the data of an earlier build.")
        else:
            _download(request, names, home, out)
        import shutil

        # Copies: NLTK refuses to open a file that has a second name (a hard link).
        shutil.copytree(home, request.data_dir, symlinks=True, copy_function=shutil.copy)


def _home(request: NltkRequest, names: tuple[str, ...]) -> Path:
    """Where the cache has this data, named by what was asked for and where."""
    asked = "\n".join((request.env.get(INDEX_SETTING, ""), *sorted(names)))
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return request.cache_dir / "nltk" / key


def nltk_command(request: NltkRequest, names: tuple[str, ...], target: Path) -> Command:
    """``python -m nltk.downloader``, as a person would run it."""
    return Command(
        argv=(
            str(request.venv.python),
            # That the package has imported it before it runs is no news to anybody.
            *("-W", "ignore:'nltk.downloader' found in sys.modules:RuntimeWarning"),
            *("-m", "nltk.downloader", "-e", "-d", str(target), *names),
        ),
        cwd=request.app.root,
        env=request.env,
        timeout=TIME_LIMIT,
        title=f"python -m nltk.downloader {' '.join(names)}",
    )


def _download(request: NltkRequest, names: tuple[str, ...], home: Path, out: Output) -> None:
    lines: list[str] = []

    # The downloader breaks long messages and begins each line with its name: they are put together.
    def show(line: str) -> None:
        if lines and line.startswith(CONTINUED):
            lines[-1] = f"{lines[-1]} {line.removeprefix(SIGN).strip()}"
            return
        say_last()
        lines.append(line)

    def say_last() -> None:
        if lines:
            out.info(TARGET.sub(r"\1", lines[-1]).removeprefix(SIGN).strip())

    with files.publishing_dir(home) as temporary:
        try:
            stream(nltk_command(request, names, temporary), show)
        except CommandFailedError as err:
            raise NltkDownloadError(err.last_lines[-3:]) from err
        except CommandTimeoutError as err:
            said = (*lines[-3:], f"(no end after {TIME_LIMIT // 60} minutes)")
            raise NltkDownloadError(said) from err
        finally:
            say_last()
        # The downloader ends with 0 whatever happens: only its words tell.
        check_downloader_output(lines)
        # Archives come readable by nobody else, and the app runs as somebody else.
        for path in temporary.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


def check_downloader_output(lines: Sequence[str]) -> None:
    """Raise if the downloader said that something went wrong: names first, then the network."""
    errors = tuple(_errors(lines))
    unknown = tuple(name for error in errors for name in UNKNOWN.findall(error))
    if unknown:
        raise NltkPackageError(unknown)
    if errors:
        raise NltkDownloadError(errors[-3:])


def _errors(lines: Sequence[str]) -> list[str]:
    """Its complaints, each in one piece: it breaks long lines and begins them with its name."""
    errors: list[str] = []
    is_open = False
    for line in lines:
        if line.startswith(ERROR_SIGN):
            errors.append(line.removeprefix(SIGN).strip())
            is_open = True
        elif is_open and line.startswith(CONTINUED):
            errors[-1] += f" {line.removeprefix(SIGN).strip()}"
        else:
            is_open = False
    return errors
