"""Which buildpacks build an app, and who said so.

The first of these that says something decides alone: ``-b``, the config var and the environment
variable BUILDPACK_URL, app.json, ``.buildpacks``. Where none does, the installed buildpacks are
asked one after the other, our own last, and the first whose bin/detect says yes builds the app.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from buildpack.support.errors import ExitCode, Problem, SlugkitError, printable
from buildpack.support.values import changed, value
from slugc.buildpacks.spec import OWN, BuildpackSpec, Known, parse_spec, parse_spec_in_source
from slugc.small_file import read_small_file
from slugc.sources.trusted import NOBODY, Trusted

LIST_FILE = ".buildpacks"
APP_JSON = "app.json"
URL_VARIABLE = "BUILDPACK_URL"
OPTION = "-b"

MAX_BYTES = 1024 * 1024
MAX_BUILDPACKS = 32

Named = Sequence[tuple[int, str]]
"""The buildpacks a file names, each with its line; 0 where lines tell nothing."""


class BuildpackListError(SlugkitError):
    """A file of the source that names buildpacks in a way we cannot follow."""

    exit_code = ExitCode.DATA
    id = "buildpack-list"

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name, self.problems = name, tuple(problems)
        example = (
            "https://host/owner/buildpack#v1.2\n    heroku/python\n    ./buildpacks/mine"
            if name == LIST_FILE
            else '{"buildpacks": [{"url": "https://host/owner/buildpack#v1.2"}]}'
        )
        super().__init__(
            f"The {name} does not name buildpacks we can use",
            details="\n".join(problem.at(name) for problem in self.problems),
            resolution=f"It looks like this:\n\n    {example}",
        )


@value
class Choice:
    """The buildpacks of one build. ``is_loop``: the first of them that says yes builds alone."""

    origin: str
    specs: tuple[BuildpackSpec, ...]
    is_loop: bool = False
    unused: tuple[str, ...] = ()
    """what names buildpacks too, and was not asked"""


def asked_for(
    words: Sequence[str],
    *,
    config_vars: Mapping[str, str],
    env: Mapping[str, str],
    cwd: Path,
    known: Callable[[], Known],
) -> Choice | None:
    """What the person who builds says: with ``-b``, or with BUILDPACK_URL."""
    of_app = config_vars.get(URL_VARIABLE, "")
    by_variable = of_app or env.get(URL_VARIABLE, "")
    if words:
        names = known()
        specs = tuple(parse_spec(word, cwd=cwd, known=names) for word in words)
        return Choice(origin=OPTION, specs=specs, unused=(URL_VARIABLE,) * bool(by_variable))
    if by_variable:
        spec = parse_spec(by_variable, cwd=cwd, known=known())
        # Config vars are the app's; who sets them need not be who builds.
        spec = changed(spec, is_named=not of_app)
        return Choice(origin=URL_VARIABLE, specs=(spec,))
    return None


def choose_buildpacks(
    asked: Choice | None,
    top: Path,
    *,
    installed: Sequence[BuildpackSpec],
    known: Callable[[], Known],
    trusted: Trusted = NOBODY,
) -> Choice:
    """The buildpacks for the source in ``top``; ``known`` is called if the source names any, and
    ``trusted`` is where they may be beside elsewhere."""
    here = tuple(name for name in (APP_JSON, LIST_FILE) if os.path.lexists(top / name))
    if asked is not None:
        unused = tuple(name for name in here if name == LIST_FILE)
        return Choice(origin=asked.origin, specs=asked.specs, unused=(*asked.unused, *unused))
    for name in here:
        if named := _READERS[name](top):
            specs = parse_named(name, named, top, known(), trusted)
            return Choice(origin=name, specs=specs, unused=here[here.index(name) + 1 :])
    return Choice(origin="", specs=(*installed, OWN), is_loop=bool(installed))


def parse_named(
    name: str, named: Named, top: Path, known: Known, trusted: Trusted = NOBODY
) -> tuple[BuildpackSpec, ...]:
    """The buildpacks that the file ``name`` in ``top`` names; raises with all that are wrong."""
    specs, problems = [], []
    for line, text in named:
        try:
            specs.append(parse_spec_in_source(text, top=top, known=known, trusted=trusted))
        except SlugkitError as err:
            what = ". ".join(part for part in (err.brief, err.details) if part)
            problems.append(Problem(line=line, column=int(bool(line)), what=what))
    if len(named) > MAX_BUILDPACKS:
        what = f"it names {len(named)} buildpacks; at most {MAX_BUILDPACKS} are allowed"
        problems = [Problem(line=0, column=0, what=what)]
    if problems:
        raise BuildpackListError(name, problems)
    return tuple(specs)


def read_list_file(top: Path) -> Named:
    """What ``.buildpacks`` names, one a line; ``#`` at the beginning of a word is a comment."""
    content = read_small_file(top, LIST_FILE, limit=MAX_BYTES) or b""
    named, problems = [], []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        words = raw.decode("utf-8", "surrogateescape").split()
        comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if len(words[:comment]) > 1:
            what = f"'{printable(' '.join(words))}' is more than one word"
            problems.append(Problem(line=number, column=1, what=what))
        elif words[:comment]:
            named.append((number, words[0]))
    if not named and not problems:
        problems.append(Problem(line=0, column=0, what="it names no buildpack"))
    if problems:
        raise BuildpackListError(LIST_FILE, problems)
    return named


def read_app_json(top: Path) -> Named:
    """What the ``buildpacks`` of app.json name; none is not an error: it is made for much else."""
    import json

    content = read_small_file(top, APP_JSON, limit=MAX_BYTES) or b"{}"

    def wrong(what: str, line: int = 0, column: int = 0) -> BuildpackListError:
        return BuildpackListError(APP_JSON, (Problem(line=line, column=column, what=what),))

    try:
        document = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as err:
        raise wrong(f"it is not JSON: {err.msg}", err.lineno, err.colno) from err
    except (UnicodeDecodeError, RecursionError) as err:
        raise wrong("it is not JSON in UTF-8") from err
    listed = document.get("buildpacks") if isinstance(document, dict) else None
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise wrong("'buildpacks' is not a list")
    texts = [entry.get("url") if isinstance(entry, dict) else entry for entry in listed]
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise wrong(f"'buildpacks[{position}]' has no url")
    return tuple((0, str(text).strip()) for text in texts)


_READERS: Mapping[str, Callable[[Path], Named]] = {
    APP_JSON: read_app_json,
    LIST_FILE: read_list_file,
}
