"""What a distribution's metadata says of its licence, as CycloneDX has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

Headers = Mapping[str, tuple[str, ...]]
"""Core metadata by lower-case field name."""

Licences = list[Mapping[str, object]]

_LONGEST = 80
_PREFIX = "License :: "
_EXPRESSION = re.compile(r"\(*[A-Za-z0-9.:+-]+\)*(?: (?:AND|OR|WITH) \(*[A-Za-z0-9.:+-]+\)*)*")

SPDX = {
    "Apache Software License": "Apache-2.0",
    "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PostgreSQL License": "PostgreSQL",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "zlib/libpng License": "Zlib",
}
"""Classifiers that mean one licence of the SPDX list. "BSD License" means any of several, so it
stays a name."""

_KNOWN = frozenset({*SPDX.values(), "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ZPL-2.1", "WTFPL"})


def licences(headers: Headers) -> Licences:
    """PEP 639's expression; else the classifiers that name one licence; else what is left."""
    expression = _first(headers, "license-expression")
    if expression:
        return [expressed(expression)]
    words = list(_classifiers(headers))
    if found := [_licence(SPDX[word]) for word in words if word in SPDX]:
        return found
    text = _first(headers, "license")
    if text and "\n" not in text and len(text) <= _LONGEST and text.upper() != "UNKNOWN":
        return [_licence(text)]
    return [_licence(word) for word in words]


def expressed(text: str) -> Mapping[str, object]:
    """An SPDX expression; what cannot be one is a name, and is not passed off as more."""
    if _EXPRESSION.fullmatch(text) and text.count("(") == text.count(")"):
        return {"expression": text}
    return _licence(text[:_LONGEST])


def _licence(text: str) -> Mapping[str, object]:
    return {"license": {"id" if text in _KNOWN else "name": text}}


def _classifiers(headers: Headers) -> Iterator[str]:
    seen = dict.fromkeys(headers.get("classifier", ()))
    for text in seen:
        word = text.rpartition(" :: ")[2].strip()
        if text.startswith(_PREFIX) and word and word != "OSI Approved":
            yield word


def _first(headers: Headers, name: str) -> str:
    return headers.get(name, ("",))[0].strip()
