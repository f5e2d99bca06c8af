"""Why a package could not be built from source: what is missing, and where it is to be had.

A stack has no compilers' headers by choice: most packages have wheels, and need none. So each entry
says what to ask for on Debian and Ubuntu, and which wheel does without.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildpack.support.errors import SlugkitError
from buildpack.support.values import value

SHOWN = 20
A_DIRECTORY = "A package in a directory of your app"
"""What is said of a package whose name is not known, as its build failed before it was asked."""


@value
class Missing:
    """A sign in a compiler's output, what it means, and the two ways out."""

    sign: str
    what: str
    system_package: str = ""
    wheel: str = ""


MISSING = (
    Missing(
        sign=r"pg_config.*(not found|is required)|libpq-fe\.h",
        what="pg_config, a program of the PostgreSQL client library",
        system_package="libpq-dev",
        wheel="psycopg2-binary in place of psycopg2, or psycopg[binary]",
    ),
    Missing(
        sign=r"gdal-config|gdal\.h|cpl_port\.h|GDAL API version",
        what="gdal-config, a program of the GDAL library",
        system_package="libgdal-dev",
        wheel="rasterio, fiona or pyogrio, whose wheels bring GDAL",
    ),
    Missing(
        sign=r"geos-config|geos_c\.h",
        what="the GEOS library",
        system_package="libgeos-dev",
        wheel="shapely 2 or newer",
    ),
    Missing(
        sign=r"sqlite3\.h",
        what="sqlite3.h, the header of SQLite",
        system_package="libsqlite3-dev",
        wheel="pysqlite3-binary, or sqlite3 of the standard library",
    ),
    Missing(
        sign=r"mysql_config|mariadb_config|mysql\.h|MYSQLCLIENT_CFLAGS",
        what="mysql_config, a program of the MySQL client library",
        system_package="default-libmysqlclient-dev",
        wheel="PyMySQL or mysql-connector-python",
    ),
    Missing(
        sign=r"ffi\.h",
        what="ffi.h, the header of libffi",
        system_package="libffi-dev",
        wheel="cffi 1.15 or newer",
    ),
    Missing(
        sign=r"xmlsec|libxml/xml\w+\.h|xml2-config|xslt-config|libxslt",
        what="the headers of libxml2 and libxslt",
        system_package="libxml2-dev libxslt1-dev",
        wheel="a newer lxml",
    ),
    Missing(
        sign=r"cairo\.h|Dependency \"cairo\" not found|No package 'cairo'",
        what="cairo.h, the header of Cairo",
        system_package="libcairo2-dev pkg-config",
        wheel="cairocffi",
    ),
    Missing(
        sign=r"jpeglib\.h|RequiredDependencyException: jpeg|headers or library files could not be "
        r"found for (jpeg|zlib)",
        what="the headers of libjpeg and zlib",
        system_package="libjpeg-dev zlib1g-dev",
        wheel="a newer Pillow",
    ),
    Missing(
        sign=r"openssl/\w+\.h|Could not find openssl|OpenSSL (was )?not found",
        what="the headers of OpenSSL",
        system_package="libssl-dev pkg-config",
        wheel="a newer cryptography",
    ),
    Missing(
        sign=r"sasl/sasl\.h|lber\.h|ldap\.h",
        what="the headers of OpenLDAP and SASL",
        system_package="libldap-dev libsasl2-dev",
        wheel="ldap3",
    ),
    Missing(
        sign=r"can't find Rust compiler|rustc.*(not found|is not installed)|cargo.*not found"
        r"|requires Rust|Cargo, the Rust package manager, is not installed",
        what="a Rust compiler",
        system_package="rustc cargo",
        wheel="a version that has a wheel for this Python",
    ),
    Missing(
        sign=r"librdkafka|rdkafka\.h",
        what="the header of librdkafka",
        system_package="librdkafka-dev",
        wheel="a newer confluent-kafka",
    ),
    Missing(
        sign=r"portaudio\.h",
        what="portaudio.h",
        system_package="portaudio19-dev",
        wheel="sounddevice",
    ),
    Missing(
        sign=r"Python\.h",
        what="Python.h, the header of Python itself",
        system_package="python3-dev",
        wheel="a version that has a wheel for this Python",
    ),
    Missing(
        sign=r"Could not find.*gfortran|Unknown compiler\(s\): \[\['gfortran|No Fortran compiler",
        what="a Fortran compiler",
        system_package="gfortran libopenblas-dev",
        wheel="a version that has a wheel for this Python",
    ),
    Missing(
        sign=r"(command|program) '?(/usr/bin/)?(\w+-linux-gnu-)?(gcc|cc|g\+\+|c\+\+|clang)'?"
        r".*(not found|No such file)|unable to execute '\S*(gcc|cc|g\+\+)'|No C compiler",
        what="a C compiler",
        system_package="build-essential",
        wheel="a version that has a wheel for this Python",
    ),
    Missing(
        sign=r"cmake.*(not found|must be installed)|CMake must be installed",
        what="CMake",
        system_package="cmake",
        wheel="a version that has a wheel for this Python",
    ),
    Missing(
        sign=r"No module named 'pkg_resources'",
        what="pkg_resources, which setuptools has no more",
        wheel="a newer version of the package",
    ),
    Missing(
        sign=r"No module named 'distutils'",
        what="distutils, which Python 3.12 has no more",
        wheel="a newer version of the package, or Python 3.11 in .python-version",
    ),
    Missing(
        sign=r"use_2to3 is invalid",
        what="2to3, which setuptools has no more: the package is for Python 2",
        wheel="a newer version of the package",
    ),
    Missing(
        sign=r"fatal error: (?P<header>[\w/.-]+\.h(pp)?): No such file",
        what="{header}, the header of a library",
        system_package="the one that has {header} (apt-file search {header})",
        wheel="a version that has a wheel for this Python",
    ),
)
"""The first entry whose sign is found speaks."""


class SourceBuildError(SlugkitError):
    """A source distribution could not be built."""

    id = "install::source-build"

    def __init__(self, package: str, output: Sequence[str], missing: Missing | None) -> None:
        self.package, self.output, self.missing = package, tuple(output), missing
        super().__init__(
            f"{package or A_DIRECTORY} could not be built from source",
            details="\n".join(output[-SHOWN:]),
            resolution=_advice(package, missing),
        )


class SystemLibraryError(SourceBuildError):
    """It could not be built because of something that is not a Python package."""

    id = "install::system-library"

    def __init__(self, package: str, output: Sequence[str], missing: Missing) -> None:
        super().__init__(package, output, missing)
        self.brief = f"{package or A_DIRECTORY} could not be built: it lacks {missing.what}"
        self.args = (self.brief,)


FRAME = re.compile(r"(?P<indent>\s*)File \".*/builds-v0/.*\", line \d+")
"""A line of a traceback that is about the build's own tools, such as setuptools."""


def without_frames_of_tools(output: Sequence[str]) -> tuple[str, ...]:
    """The output, its tracebacks reduced to what is the package's own."""
    kept: list[str] = []
    indent = -1
    for line in output:
        match = FRAME.match(line)
        if match:
            indent = len(match["indent"])
        elif indent < 0 or len(line) - len(line.lstrip()) <= indent:
            indent = -1
            kept.append(line)
    return tuple(kept)


def build_error(package: str, output: Sequence[str]) -> SourceBuildError:
    """The error for a failed build, by what the output says is missing."""
    output = without_frames_of_tools(output)
    text = "\n".join(output)
    for entry in MISSING:
        match = re.search(entry.sign, text)
        if match:
            names = {name: value or "" for name, value in match.groupdict().items()}
            filled = Missing(
                sign=entry.sign,
                what=entry.what.format(**names),
                system_package=entry.system_package.format(**names),
                wheel=entry.wheel,
            )
            return SystemLibraryError(package, output, filled)
    return SourceBuildError(package, output, None)


def _advice(package: str, missing: Missing | None) -> str:
    if missing is None and not package:
        return (
            "Its own build (setup.py, or the build backend that its pyproject.toml names)\n"
            "said the above. Correct it there."
        )
    if missing is None:
        return (
            "Its own build said the above. A version that has a wheel for this Python\n"
            f"needs no build: look for one among the files of {package.partition('==')[0]} on the "
            "index."
        )
    lines = [f"Best use what has a wheel: {missing.wheel}."]
    if missing.system_package:
        lines.append(
            "To build it, the stack must have this system package (Debian, Ubuntu):\n\n"
            f"    {missing.system_package}"
        )
    return "\n".join(lines)
