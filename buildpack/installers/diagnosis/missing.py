"""What builds from source lack, and where it is to be had.

A stack has no compilers' headers by choice: most packages have wheels, and need none. So each entry
says what to ask for on Debian and Ubuntu, and which wheel does without.
"""

from __future__ import annotations

from buildpack.support.values import value


@value
class Missing:
    """A sign in a compiler's output, what it means, and the two ways out."""

    sign: str
    what: str
    system_package: str = ""
    wheel: str = ""


def lacking(headers: str) -> str:
    """The sign that a compiler did not find one of ``headers``, which errors in code name, too."""
    return rf"({headers})['\">]?:? (No such file|file not found|not found)"


MISSING = (
    Missing(
        sign=r"pg_config.*(not found|is required)|" + lacking(r"libpq-fe\.h"),
        what="pg_config, a program of the PostgreSQL client library",
        system_package="libpq-dev",
        wheel="psycopg2-binary in place of psycopg2, or psycopg[binary]",
    ),
    Missing(
        sign=r"gdal-config|GDAL API version|" + lacking(r"gdal\.h|cpl_port\.h"),
        what="gdal-config, a program of the GDAL library",
        system_package="libgdal-dev",
        wheel="rasterio, fiona or pyogrio, whose wheels bring GDAL",
    ),
    Missing(
        sign=r"geos-config|" + lacking(r"geos_c\.h"),
        what="the GEOS library",
        system_package="libgeos-dev",
        wheel="shapely 2 or newer",
    ),
    Missing(
        sign=lacking(r"sqlite3\.h"),
        what="sqlite3.h, the header of SQLite",
        system_package="libsqlite3-dev",
        wheel="pysqlite3-binary, or sqlite3 of the standard library",
    ),
    Missing(
        sign=r"mysql_config|mariadb_config|MYSQLCLIENT_CFLAGS|" + lacking(r"mysql\.h"),
        what="mysql_config, a program of the MySQL client library",
        system_package="default-libmysqlclient-dev",
        wheel="PyMySQL or mysql-connector-python",
    ),
    Missing(
        sign=lacking(r"ffi\.h"),
        what="ffi.h, the header of libffi",
        system_package="libffi-dev",
        wheel="cffi 1.15 or newer",
    ),
    Missing(
        sign=r"xmlsec|xml2-config|xslt-config|libxslt|" + lacking(r"libxml/xml\w+\.h"),
        what="the headers of libxml2 and libxslt",
        system_package="libxml2-dev libxslt1-dev",
        wheel="a newer lxml",
    ),
    Missing(
        sign=r"Dependency \"cairo\" not found|No package 'cairo'|" + lacking(r"cairo\.h"),
        what="cairo.h, the header of Cairo",
        system_package="libcairo2-dev pkg-config",
        wheel="cairocffi",
    ),
    Missing(
        sign=r"RequiredDependencyException: jpeg|headers or library files could not be "
        r"found for (jpeg|zlib)|" + lacking(r"jpeglib\.h"),
        what="the headers of libjpeg and zlib",
        system_package="libjpeg-dev zlib1g-dev",
        wheel="a newer Pillow",
    ),
    Missing(
        sign=r"Could not find openssl|OpenSSL (was )?not found|" + lacking(r"openssl/\w+\.h"),
        what="the headers of OpenSSL",
        system_package="libssl-dev pkg-config",
        wheel="a newer cryptography",
    ),
    Missing(
        sign=lacking(r"sasl/sasl\.h|lber\.h|ldap\.h"),
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
        sign=r"librdkafka|" + lacking(r"rdkafka\.h"),
        what="the header of librdkafka",
        system_package="librdkafka-dev",
        wheel="a newer confluent-kafka",
    ),
    Missing(
        sign=lacking(r"portaudio\.h"),
        what="portaudio.h",
        system_package="portaudio19-dev",
        wheel="sounddevice",
    ),
    Missing(
        sign=lacking(r"Python\.h"),
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
        r".*(not found|No such file)|unable to execute '\S*(gcc|cc|g\+\+)'|No C compiler"
        r"|No such file or directory: '\S*(gcc|cc|g\+\+|clang)'",
        what="a C compiler",
        system_package="build-essential",
        wheel="a version that has a wheel for this Python",
    ),
    Missing(
        sign=r"\bcmake['\"]?:? (command )?not found|(CMake|cmake) must be installed"
        r"|No such file or directory: '\S*cmake'",
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
        sign=r"'pkgutil' has no attribute 'ImpImporter'",
        what="pkgutil.ImpImporter, which Python 3.12 has no more",
        wheel="a newer version of the package, or Python 3.11 in .python-version",
    ),
    Missing(
        sign=r"has no attribute 'cython_sources'",
        what="a Cython before 3, which its build needs and does not ask for",
        wheel="a newer version of the package (PyYAML 6.0.1 or newer)",
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
