"""What bin/release prints: YAML, in every form that buildpacks print it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from buildpack.support.env_file import NAME
from buildpack.support.errors import printable
from buildpack.support.values import value
from slugc.buildpacks.errors import ReleaseOutputError
from slugc.procfile import ProcessType, is_process_type

MAX_PRINTED = 64 * 1024  # bytes of a buildpack release; a real one has a few hundred


@value
class BuildpackRelease:
    """What bin/release said: defaults that a Procfile and config vars win over."""

    default_process_types: Mapping[ProcessType, str] = MappingProxyType({})
    config_vars: Mapping[str, str] = MappingProxyType({})
    addons: tuple[str, ...] = ()
    """what it would like to have; a platform gives them, a slug compiler cannot"""


def parse_release(printed: str, name: str) -> BuildpackRelease:
    """The YAML bin/release printed. Raises ReleaseOutputError with all that is wrong with it."""
    if len(printed) > MAX_PRINTED:
        raise ReleaseOutputError(name, (f"it is longer than {MAX_PRINTED // 1024} KiB",))
    if printed.strip() in {"", "---", "{}", "--- {}"}:
        return BuildpackRelease()
    document = _parsed(printed, name)
    if document in ("", None):
        return BuildpackRelease()
    if not isinstance(document, dict):
        raise ReleaseOutputError(name, ("it is not a mapping",))
    problems: list[str] = []
    types = _texts(document, "default_process_types", problems)
    config = _texts(document, "config_vars", problems)
    problems += [
        f"'{printable(kind)}' is no process type" for kind in types if not is_process_type(kind)
    ]
    problems += [f"'{kind}' has no command" for kind, line in types.items() if not line]
    problems += [
        f"'{printable(key)}' is no config var" for key in config if not NAME.fullmatch(key)
    ]
    if problems:
        raise ReleaseOutputError(name, problems)
    return BuildpackRelease(
        default_process_types=MappingProxyType(
            {ProcessType(kind): line for kind, line in types.items()}
        ),
        config_vars=MappingProxyType(config),
        addons=_addons(document.get("addons")),
    )


def parse_report(printed: str) -> Mapping[str, object]:
    """The build data bin/report printed: YAML, of which JSON is a part. Rubbish is none."""
    if not printed.strip() or len(printed) > MAX_PRINTED:
        return {}
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError):
        try:
            found = _parsed(printed, "")
        except ReleaseOutputError:
            return {}
    return found if isinstance(found, dict) else {}


def _parsed(printed: str, name: str) -> object:
    """The document, every scalar the text it is written as: no type is guessed, none is made."""
    import yaml

    try:
        return yaml.load(printed, Loader=yaml.BaseLoader)  # noqa: S506  # makes texts, lists, mappings
    except (yaml.YAMLError, TypeError) as err:  # TypeError: a list as a key
        raise ReleaseOutputError(name, (f"it is not YAML: {_what_is_wrong(err)}",)) from err
    except RecursionError as err:
        raise ReleaseOutputError(name, ("it is nested too deeply",)) from err


def _what_is_wrong(err: Exception) -> str:
    """What a YAML parser objects to and where, without its picture of the line."""
    mark, problem = getattr(err, "problem_mark", None), getattr(err, "problem", None)
    what = printable(problem or " ".join(str(err).split()), limit=300)
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}" if mark else what


def _texts(document: Mapping[object, object], key: str, problems: list[str]) -> dict[str, str]:
    """A mapping of texts under ``key``."""
    found = document.get(key)
    if found in (None, "", "~", "null", []):
        return {}
    if not isinstance(found, dict):
        problems.append(f"'{key}' is not a mapping")
        return {}
    texts = {}
    for name, text in found.items():
        if not isinstance(name, str) or not isinstance(text, str) or "\0" in text:
            shown = printable(str(name))
            problems.append(f"'{key}' holds '{shown}', which is not a name with a text")
        else:
            texts[name] = text.rstrip("\n")
    return texts


def _addons(found: object) -> tuple[str, ...]:
    """A list of names, or a mapping of names: both are printed."""
    names = list(found) if isinstance(found, list | dict) else [found] if found else []
    return tuple(printable(name) for name in names if isinstance(name, str))
