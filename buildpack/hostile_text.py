"""TOML and JSON of an app: where a parser meets its own limits, the file has a mistake.

Both parsers know texts that make them recurse too deep, or take minutes for a megabyte. What is
wrong is always raised as the error that they have for wrong syntax.
"""

from __future__ import annotations

import json
import re
import tomllib

MOST_KEY_PARTS = 200
DOTTED = re.compile(r"(?:\.[ \t]*+(?>[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*+)++")
"""All but the first part of a dotted key. tomllib takes their number squared."""

TOO_DEEP = "Tables or arrays are nested too deeply"
TOO_LONG = "A number is too long"


def loads_toml(text: str) -> dict[str, object]:
    """``tomllib.loads``; raises nothing but TOMLDecodeError."""
    for line in text.split("\n"):
        if line.count(".") > MOST_KEY_PARTS:
            _check_keys(line)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as err:
        raise tomllib.TOMLDecodeError(TOO_DEEP) from err
    except ValueError as err:  # an integer of more digits than Python converts
        raise tomllib.TOMLDecodeError(TOO_LONG) from err


def _check_keys(line: str) -> None:
    if any(run[0].count(".") > MOST_KEY_PARTS for run in DOTTED.finditer(line)):
        raise tomllib.TOMLDecodeError(f"A key has more than {MOST_KEY_PARTS} parts")


def loads_json(text: str) -> object:
    """``json.loads``; raises nothing but JSONDecodeError, also for what is not Unicode."""
    try:
        found: object = json.loads(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except RecursionError as err:
        raise json.JSONDecodeError(TOO_DEEP, text, 0) from err
    except UnicodeEncodeError as err:
        raise json.JSONDecodeError(
            "A text holds half a character (\\uD800 to \\uDFFF)", text, 0
        ) from err
    except ValueError as err:
        raise json.JSONDecodeError(TOO_LONG, text, 0) from err
    return found
