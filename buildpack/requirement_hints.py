"""What somebody meant who wrote a line that is no requirement."""

from __future__ import annotations

import re

from buildpack.app import App
from buildpack.requirement_paths import is_of_app

ONE_EQUALS_SIGN = re.compile(r"(?P<name>[\w.-]+(?:\[[^\]]*\])?) ?= ?(?P<version>\d[\w.*+!]*)")
COMMAND = re.compile(
    r"(?:python3? -m )?(?:pip3?|uv pip|uv|poetry|pipenv) (?:install|add) (?P<rest>.+)"
)
COMPARISON = re.compile(r"[\w.-]+(?:\[[^\]]*\])? ?(?P<sign>[<>=!~]+) ?(?P<version>[^\s;,<>=!~]*)")
SIGNS = ("==", ">=", "<=", ">", "<", "!=", "~=")
GIT_ADDRESS = re.compile(r"(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?P<path>[\w./~-]+)")

WHOLE_LINES = (
    (
        re.compile(r"[\w.-]+ ?==? ?[\w.*+!]+=[\w.]+"),
        "Conda writes it like this. For pip: pip list --format=freeze > requirements.txt",
    ),
    (
        re.compile(r"version https://git-lfs\S+"),
        "This is what Git LFS leaves of a file that it has not fetched.",
    ),
    (re.compile(r"""(["'])(?P<it>[^"']+)\1"""), r"No quotes belong around it: \g<it>"),
    (
        re.compile(r"(?P<name>[A-Za-z][\w.-]*) +(?P<version>\d[\w.]*)"),
        r"A version takes two equals signs: \g<name>==\g<version>",
    ),
    (
        re.compile(r"(?P<name>[A-Za-z][\w.-]*) ?~= ?(?P<version>\d+)"),
        r"'~=' needs two numbers at least: \g<name>~=\g<version>.0",
    ),
    (re.compile(r"(?P<it>[A-Za-z][^#;]*)#.*"), r"A comment needs a blank before it: \g<it> #"),
    (
        re.compile(r".+; ?(?P<name>python_(?:full_)?version) ?(?P<sign>[<>=!~]+) ?(?P<v>\d[\d.]*)"),
        r"The number needs quotes: \g<name> \g<sign> '\g<v>'",
    ),
    (re.compile(r"(import|from) [\w.]+.*"), "This is Python, not the name of a package."),
    (
        re.compile(r"[A-Za-z][\w.-]*(?:[=<>~]=[\w.]+)?(?:[ ,]+[A-Za-z][\w.-]*(?:[=<>~]=[\w.]+)?)+"),
        "Each package needs a line of its own.",
    ),
)
"""What a line is as a whole, and what is said of it, as a template; the first that fits counts."""


def what_was_meant(text: str) -> str:
    """One sentence about a common slip; "" for what we do not recognise."""
    return _strange_sign(text) or known_slip(text)


def _strange_sign(text: str) -> str:
    """Letters of other alphabets look like ours, and some signs like nothing at all."""
    sign = next((sign for sign in text.partition(";")[0] if not sign.isascii()), "")
    if not sign:
        return ""
    import unicodedata  # wanted for such mistakes alone

    name = unicodedata.name(sign, "a character without a name")
    return f"It has U+{ord(sign):04X} in it ({name})."


def known_slip(text: str) -> str:
    """The same of what may be a path, in which any letter is right."""
    match = ONE_EQUALS_SIGN.fullmatch(text)
    if match:
        return f"A version takes two equals signs: {match['name']}=={match['version']}"
    match = COMPARISON.fullmatch(text)
    if match and (wrong := _wrong_comparison(match["sign"], match["version"])):
        return wrong
    match = COMMAND.fullmatch(text)
    if match:
        return f"This is a command. Write what it installs alone: {match['rest']}"
    match = GIT_ADDRESS.fullmatch(text)
    if match:
        name = match["path"].rstrip("/").rpartition("/")[2].removesuffix(".git")
        address = f"{match['user']}@{match['host']}/{match['path']}"
        return f"An address for git is written as a URL: {name} @ git+ssh://{address}"
    matches = ((pattern.fullmatch(text), said) for pattern, said in WHOLE_LINES)
    return next((match.expand(said) for match, said in matches if match), "")


def path_on_windows(app: App, path: str) -> str:
    """Said of a path that is there, if its parts are told apart as everywhere else."""
    right = path.replace("\\", "/")
    return f"Between directories belongs a slash: {right}" if is_of_app(app, right) else ""


def _wrong_comparison(sign: str, version: str) -> str:
    if sign not in (*SIGNS, "==="):
        return f"'{sign}' compares nothing. There are: {' '.join(SIGNS)}"
    if not version:
        return f"There is no version after '{sign}'."
    return "" if version[0].isdigit() else f"'{version}' is no version."
