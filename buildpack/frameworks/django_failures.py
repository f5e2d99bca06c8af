"""Why collectstatic failed, in words: which file, which setting, which config var.

Five classes of failure with Heroku's ids. What Django and the packages around it print is read
from the end, as the last exception is the one that ended the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from buildpack.frameworks.absent_services import absent_service
from buildpack.frameworks.django import SETTINGS, SWITCH
from buildpack.frameworks.tracebacks import (
    FRAME,
    find_line,
    last_exception,
    last_line,
    last_place,
)
from buildpack.installers.diagnosis.likely_names import package_with
from buildpack.support.errors import printable
from buildpack.support.values import value

SYNTAX = "collectstatic-syntax-error"
CONFIGURATION = "collectstatic-improper-configuration"
REFERENCES = "collectstatic-fancy-references"
MISSING_FILE = "collectstatic-missing-file"
OTHER = "collectstatic-other"


@value
class Failure:
    """What went wrong: the class, the line that says it, what it means, what to do."""

    reason_id: str
    line: str
    meaning: str
    advice: str = ""
    subject: str = ""
    """The file, setting or config var at fault, where the output names it."""


def explain_failure(lines: Sequence[str], build_dir: str, env: Mapping[str, str]) -> Failure:
    """The one failure behind ``lines``; files are named from the app's root."""
    plain = [line.replace(f"{build_dir}/", "") for line in lines]
    return next(
        (found for judge in JUDGES if (found := judge(plain, env)) is not None),
        Failure(
            reason_id=OTHER,
            line=last_line(plain),
            meaning=_where(plain),
        ),
    )


def _where(lines: Sequence[str]) -> str:
    place = last_place(lines)
    return f"It came to that in {place}." if place else "The reason is in its output above."


# The config var that is not set, as the usual ways to read one complain of it.
MISSING_VARIABLE = (
    re.compile(r"ImproperlyConfigured: Set the (\w+) environment variable"),  # django-environ
    re.compile(r"UndefinedValueError: (\w+) not found\. Declare it"),  # python-decouple
    re.compile(r'(?:EnvError|EnvValidationError): Environment variable "(\w+)"'),  # environs
    re.compile(r"ImproperlyConfigured: .*?environment variable (DJANGO_SETTINGS_MODULE)"),
    re.compile(r"\b(?:ImproperlyConfigured|RuntimeError|ValueError|Exception|KeyError): .*?"
               r"\b([A-Z][A-Z0-9_]{2,}) (?:environment variable|env var|config var)"),
    re.compile(r"\b(?:ImproperlyConfigured|RuntimeError|ValueError|Exception): .*?"
               r"(?:environment variable|env var|config var):? ['\"]?([A-Z][A-Z0-9_]{2,})"),
)  # fmt: skip
KEY_ERROR = re.compile(r"^KeyError: '(\w+)'$")
FIELD_REQUIRED = re.compile(r"^\s+Field required \[type=missing")


def _missing_variable(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    number, line = find_line(lines, MISSING_VARIABLE)
    names: tuple[str, ...] = ()
    if line:
        names = tuple(match[1] for p in MISSING_VARIABLE if (match := p.search(line)))[:1]
    elif none := _none_of_environment(lines, env):
        number, line, names = none
    elif fields := _missing_fields(lines):
        number, names = fields
        line = "pydantic: Field required"
    else:
        number, line = find_line(lines, (KEY_ERROR,))
        match = KEY_ERROR.match(line)
        if match and any("environ" in before for before in lines[:number]):
            names = (match[1],)
    if not names:
        return None
    place = last_place(lines[:number])
    what = names[0] if len(names) == 1 else ", ".join(names)
    if what == SETTINGS and env.get(SETTINGS):
        return _too_early(place, line.strip(), env[SETTINGS])
    where = f"Your app reads it in {place}." if place else ""
    is_set = names[0] in env
    return Failure(
        reason_id=CONFIGURATION,
        subject=what,
        line=line.strip(),
        meaning=f"The config var {what} is {'empty' if is_set else 'not set'}. {where}".strip(),
        advice=f"Set {what}: collectstatic reads all settings of your app, and sees the\n"
        "same config vars as your app will. Or give the setting a default that is good\n"
        f"enough for a build. Without static files of your own, set {SWITCH}=1.",
    )


def _too_early(place: str, line: str, module: str) -> Failure:
    where = f" in {place}" if place else ""
    return Failure(
        reason_id=CONFIGURATION,
        subject=SETTINGS,
        line=line,
        meaning=f"Your app uses settings of Django{where}, before\nmanage.py says which they are.",
        advice=f"Set the config var {SETTINGS}={printable(module)}, or import\n"
        "your own modules in manage.py later than that is set.",
    )


READ = re.compile(r"(?:getenv|environ\.get)\(\s*['\"](\w+)['\"]\s*\)")


def _none_of_environment(
    lines: Sequence[str], env: Mapping[str, str]
) -> tuple[int, str, tuple[str, ...]] | None:
    """``os.getenv("HOSTS").split(",")`` of a name that is not set; the line is in the traceback."""
    number, _, text = last_exception(lines)
    last = max((n for n in range(number) if FRAME.match(lines[n])), default=-1)
    names = tuple(READ.findall(lines[last + 1])) if last >= 0 and "NoneType" in text else ()
    missing = tuple(name for name in names if name not in env)
    return (number, lines[number], missing) if missing else None


def _missing_fields(lines: Sequence[str]) -> tuple[int, tuple[str, ...]] | None:
    """The fields pydantic-settings misses, as config vars are written."""
    at = [n for n, line in enumerate(lines) if n and FIELD_REQUIRED.match(line)]
    names = tuple(lines[n - 1].strip().upper() for n in at)
    return (at[0], names) if names and all(name.isidentifier() for name in names) else None


SETTING = re.compile(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+|DEBUG|DATABASES)\b(?:['\"]? setting)?")


def _bad_setting(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    number, kind, text = last_exception(lines)
    no_settings = "No Django settings specified." in lines
    if kind != "ImproperlyConfigured" and not no_settings:
        return None
    if no_settings:
        setting, line = SETTINGS, "No Django settings specified."
        meaning = "Django does not know which module has your app's settings."
        advice = "Set the config var DJANGO_SETTINGS_MODULE, such as mysite.settings."
    else:
        match = SETTING.search(text)
        setting, line = (match[1] if match else ""), lines[number]
        meaning = f"Django's setting {setting} is not right." if setting else "A setting is wrong."
        advice = _setting_advice(setting, env)
    return Failure(
        reason_id=CONFIGURATION, subject=setting, line=line.strip(), meaning=meaning, advice=advice
    )


def _setting_advice(setting: str, env: Mapping[str, str]) -> str:
    module = env.get(SETTINGS, "")
    where = f" ({printable(module)})" if module else ""
    if setting == "STATIC_ROOT":
        return (
            f"Add it to your app's settings{where}, for example:\n\n"
            '    STATIC_ROOT = BASE_DIR / "staticfiles"\n\n'
            f"If your app has no static files of its own, set the config var {SWITCH}=1."
        )
    if setting == "SECRET_KEY":
        return (
            "It is empty while the app is being built: set the config var that your\n"
            f"settings{where} read it from, or give it a default for builds."
        )
    return (
        f"Correct it in your app's settings{where}, or set the config var it is\n"
        f"read from. Without static files of your own, set {SWITCH}=1."
    )


def _syntax(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    number, kind, _ = last_exception(lines)
    if kind not in {"SyntaxError", "IndentationError", "TabError"}:
        return None
    place = last_place(lines[:number], of_the_app=False)
    return Failure(
        reason_id=SYNTAX,
        subject=place,
        line=lines[number].strip(),
        meaning=f"Python cannot read {place or 'a file of your app'}.",
        advice="Correct it there. Syntax newer than the app's Python is an error, too:\n"
        "see which version was chosen above.",
    )


CSS_FILE = re.compile(r"The (?:CSS|JS) file '([^']+)' references a file which could not be found")
POST_PROCESSING = re.compile(r"Post-processing '([^']+)' failed!")
NOT_COLLECTED = re.compile(r"The file '([^']+)' could not be found with")


def _references(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    number, line = find_line(lines, (CSS_FILE, POST_PROCESSING))
    missing_at, missing_line = find_line(lines, (NOT_COLLECTED,))
    if number < 0 and missing_at < 0:
        return None
    match = CSS_FILE.search(line) or POST_PROCESSING.search(line)
    css = f"'{match[1]}'" if match else "A file"
    missing = NOT_COLLECTED.search(missing_line)
    gone = f"'{missing[1]}'" if missing else "a file that does not exist"
    return Failure(
        reason_id=REFERENCES,
        subject=missing[1] if missing else (match[1] if match else ""),
        line=(line if number >= 0 else missing_line).strip(),
        meaning=f"{css} refers to {gone}, and no such static file was found.",
        advice="Add the file, or remove the reference to it. Is it left out by .gitignore\n"
        "or .slugignore, or does a build step have to make it first (bin/pre_compile)?",
    )


OS_ERRORS = ("OSError", "FileNotFoundError", "PermissionError", "NotADirectoryError",
             "IsADirectoryError", "FileExistsError")  # fmt: skip
NAMED_FILE = re.compile(r"'([^']+)'")


def _missing_file(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    number, kind, text = last_exception(lines)
    if kind not in OS_ERRORS:
        return None
    match = NAMED_FILE.search(text)
    name = printable(match[1]) if match else ""
    place = last_place(lines[:number])
    reached = f"It was wanted in {place}." if place else ""
    what = f"'{name}'" if name else "A file or directory"
    problem = {
        "FileNotFoundError": "is missing",
        "PermissionError": "may not be read or written",
    }.get(kind, "is missing, or cannot be used")
    return Failure(
        reason_id=MISSING_FILE,
        subject=name,
        line=lines[number].strip(),
        meaning=f"{what} {problem}. {reached}".strip(),
        advice="Is it committed to git, and not left out by .gitignore or .slugignore?\n"
        "During a build your app is not in /app yet: name files from its own directory.",
    )


NOT_INSTALLED = """\
If it is a package, add it to your app's requirements. A package that is only
for development must not be among the INSTALLED_APPS of a build."""
NO_MODULE = re.compile(r"No module named '([\w.]+)'")


def _missing_module(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    number, _, text = last_exception(lines)
    match = NO_MODULE.search(text)
    if match is None:
        return None
    module, settings = match[1], env.get(SETTINGS, "")
    if settings == module or settings.startswith(f"{module}."):
        meaning = f"{SETTINGS} is '{printable(settings)}', and there is no '{module}'."
        advice = "Correct it where it is set, in the config var or in manage.py: it is the\n"
        advice += "dotted name of your app's settings, seen from manage.py, without '.py'."
    else:
        meaning = (
            f"Your app imports '{module}', which is neither one of its own modules\nnor installed."
        )
        advice = package_with(module) or NOT_INSTALLED
    return Failure(
        reason_id=OTHER, subject=module, line=lines[number].strip(), meaning=meaning, advice=advice
    )


def _absent_service(lines: Sequence[str], env: Mapping[str, str]) -> Failure | None:
    found = absent_service(lines)
    return Failure(reason_id=OTHER, **found) if found else None


Judge = Callable[[Sequence[str], Mapping[str, str]], Failure | None]
JUDGES: tuple[Judge, ...] = (
    _references,
    _missing_variable,
    _bad_setting,
    _syntax,
    _missing_module,
    _missing_file,
    _absent_service,
)
"""From the surest sign to the vaguest; the first that knows the failure explains it."""
