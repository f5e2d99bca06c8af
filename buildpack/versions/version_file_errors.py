"""What can be wrong with .python-version and runtime.txt, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildpack.support.errors import SlugkitError, printable
from buildpack.versions.python_version import VersionOrigin
from buildpack.versions.version_hints import Slip, SlipKind


class PythonVersionFileError(SlugkitError):
    """.python-version or runtime.txt cannot be used."""

    id = "python-version-file::invalid"

    def in_runtime_txt(self, name: str, reason_id: str) -> None:
        """The same trouble in runtime.txt has an id of its own, Heroku's."""
        self.reason_id = reason_id if name == VersionOrigin.RUNTIME_TXT else self.id


class MisspeltVersionFileError(PythonVersionFileError):
    """The file is there, under a name that no tool reads."""

    id = "python-version-file::misspelled"

    def __init__(self, found: Sequence[str], *, has_right_one: bool = False) -> None:
        self.found, self.has_right_one = tuple(found), has_right_one
        names = [f"'{printable(name)}'" for name in found]
        rename = f"Rename it:\n\n    git mv {names[0]} .python-version"
        remove = "There is a .python-version as well. Remove what is not read:\n\n    git rm "
        super().__init__(
            "Your Python version file is not called .python-version",
            details=f"Found: {', '.join(names)}",
            resolution=remove + " ".join(names) if has_right_one else rename,
        )


class VersionFileEncodingError(PythonVersionFileError):
    """It is no UTF-8 text."""

    id = "python-version-file::invalid-encoding"

    def __init__(self, name: str, encoding: str, version: str) -> None:
        self.name, self.encoding, self.version = name, encoding, version
        super().__init__(
            f"Your {name} is not UTF-8 text",
            details=f"Its encoding is {encoding}.",
            resolution=f"Save it again as UTF-8, without a byte order mark. For example:\n\n"
            f"{how_to_write(name, version)}",
        )


class NoVersionInFileError(PythonVersionFileError):
    """Blanks and comments alone."""

    id = "python-version-file::no-version"

    def __init__(self, name: str, example: str) -> None:
        self.name = name
        super().__init__(
            f"No Python version was found in your {name}",
            details="The file has no line that is not empty or a comment.",
            resolution=f"Write the version you want into it:\n\n{how_to_write(name, example)}",
        )
        self.in_runtime_txt(name, "runtime-txt::no-version")


class MultipleVersionsError(PythonVersionFileError):
    """More than one line; whatever else is wrong with them is said as well."""

    id = "python-version-file::multiple-versions"

    def __init__(
        self, name: str, lines: Mapping[int, str], slips: Mapping[int, Slip | None]
    ) -> None:
        self.name, self.lines = name, dict(lines)
        listing = []
        for number, text in lines.items():
            slip = slips.get(number)
            listing.append(f"  line {number}: {printable(text)}")
            reasons = slip.reason.splitlines() if slip else []
            listing.extend(f"          {reason}" for reason in reasons)
        super().__init__(
            f"More than one Python version was found in your {name}",
            details="\n".join(listing),
            resolution="Keep one of these lines and remove the others. A comment begins with '#'.",
        )
        self.in_runtime_txt(name, "runtime-txt::multiple-versions")


class InvalidVersionError(PythonVersionFileError):
    """The line is no version, or one of a Python we do not have."""

    id = "python-version-file::invalid-version"

    def __init__(self, name: str, line: int, value: str, slip: Slip) -> None:
        self.name, self.line, self.value, self.slip = name, line, value, slip
        headlines = {
            SlipKind.FORMAT: f"The Python version in your {name} is not valid",
            SlipKind.FREE_THREADED: "Free-threaded builds of Python are not supported",
            SlipKind.PRE_RELEASE: "Pre-releases of Python are not supported",
            SlipKind.IMPLEMENTATION: "CPython is the only Python that is supported",
        }
        super().__init__(
            headlines[slip.kind],
            details=f"{name}:{line}: {printable(value)}\n\n{slip.reason}",
            resolution=f"Write this instead:\n\n{how_to_write(name, slip.version)}",
        )
        self.in_runtime_txt(name, "runtime-txt::invalid-version")
        if slip.kind is not SlipKind.FORMAT:
            self.reason_id = f"python-version::{slip.kind}"


def how_to_write(name: str, version: str) -> str:
    """The commands that put ``version`` where it belongs; away from runtime.txt."""
    command = f"    echo {version} > .python-version"
    return f"{command}\n    git rm runtime.txt" if name == VersionOrigin.RUNTIME_TXT else command
