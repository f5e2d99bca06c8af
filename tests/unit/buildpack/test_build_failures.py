"""source_builds and git_failures: what compilers and git said, and what to do about it."""

from __future__ import annotations

import pytest

from buildpack.installers.diagnosis.errors import OutOfMemoryError
from buildpack.installers.diagnosis.failures import classify_failure
from buildpack.installers.diagnosis.missing import MISSING
from buildpack.installers.diagnosis.network_errors import GitError
from buildpack.installers.diagnosis.source_builds import SourceBuildError, build_error
from buildpack.support.errors import SlugkitError


def classify(output: str) -> SlugkitError:
    return classify_failure(output.splitlines(), "https://pypi.org/simple", 1)


def built(said: str, status: str = "exit status: 1") -> str:
    indented = said.replace("\n", "\n         ")
    return (
        "   Building native==1.0\nerror: Failed to build `native==1.0`\n"
        "  cause: The build backend returned an error\n"
        f"  cause: Call to `backend.build_wheel` failed ({status})\n\n"
        f"         [stderr]\n         {indented}\n\n"
        "hint: Build failures usually indicate a problem with the package or the build environment"
    )


def test_a_missing_header_names_the_system_package_and_the_wheel() -> None:
    error = classify(built("Error: pg_config executable not found.\n\npg_config is required."))
    assert isinstance(error, SourceBuildError)
    assert error.id == "install::system-library"
    assert error.text() == (
        "native==1.0 could not be built: "
        "it lacks pg_config, a program of the PostgreSQL client library\n\n"
        "Error: pg_config executable not found.\npg_config is required.\n\n"
        "Best use what has a wheel: psycopg2-binary in place of psycopg2, or psycopg[binary].\n"
        "To build it, the stack must have this system package (Debian, Ubuntu):\n\n    libpq-dev"
    )


def test_a_build_nobody_can_explain_shows_what_it_said() -> None:
    error = classify(built("it is what it is"))
    assert isinstance(error, SourceBuildError)
    assert error.id == "install::source-build"
    assert error.text() == (
        "native==1.0 could not be built from source\n\nit is what it is\n\n"
        "Its own build said the above. A version that has a wheel for this Python\n"
        "needs no build: look for one among the files of native on the index."
    )


@pytest.mark.parametrize(
    ("said", "package"),
    [
        ("gdal-config: not found", "libgdal-dev"),
        ("x.c:1:10: fatal error: sqlite3.h: No such file or directory", "libsqlite3-dev"),
        ("OSError: mysql_config not found", "default-libmysqlclient-dev"),
        ("Exception: Can not find valid pkg-config name. Specify MYSQLCLIENT_CFLAGS",
         "default-libmysqlclient-dev"),
        ("c/_cffi_backend.c:15:10: fatal error: ffi.h: No such file", "libffi-dev"),
        ("error: can't find Rust compiler", "rustc cargo"),
        ("../meson.build:31:12: ERROR: Dependency \"cairo\" not found", "libcairo2-dev"),
        ("Please make sure the libxml2 and libxslt development packages: xslt-config not found",
         "libxml2-dev libxslt1-dev"),
        ("The headers or library files could not be found for jpeg,", "libjpeg-dev"),
        ("fatal error: openssl/opensslv.h: No such file", "libssl-dev"),
        ("fatal error: lber.h: No such file", "libldap-dev"),
        ("fatal error: Python.h: No such file or directory", "python3-dev"),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
         "build-essential"),
        ("error: command 'gcc' failed: No such file or directory", "build-essential"),
        ("fatal error: zmq.h: No such file or directory", "apt-file search zmq.h"),
        ("geos_c.h: No such file", "libgeos-dev"),
        ("fatal error: portaudio.h: No such file", "portaudio19-dev"),
        ("fatal error: librdkafka/rdkafka.h: No such file", "librdkafka-dev"),
        ("CMake must be installed to build", "cmake"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cmake'", "cmake"),
        ("error: [Errno 2] No such file or directory: 'gcc'", "build-essential"),
    ],
)  # fmt: skip
def test_what_compilers_say_is_understood(said: str, package: str) -> None:
    error = build_error("native==1.0", [said])
    assert error.missing is not None
    assert package in error.missing.system_package
    assert package in error.resolution


@pytest.mark.parametrize(
    "said",
    [
        "In file included from /usr/include/python3.13/Python.h:44,\n                 from x.c:1:\n"
        "x.c:9:5: error: 'PyThreadState' has no member named 'curexc_type'",
        "/usr/include/openssl/rsa.h:204:5: note: declared here\nx.c:3:5: error: too few arguments",
        "-- /usr/share/cmake-3.25/Modules/FindFoo.cmake: Foo not found",
    ],
)
def test_what_is_there_and_named_in_another_error_is_not_called_missing(said: str) -> None:
    error = build_error("native==1.0", said.splitlines())
    assert error.missing is None
    assert "could not be built from source" in error.brief


@pytest.mark.parametrize(
    "said",
    [
        "No module named 'pkg_resources'",
        "No module named 'distutils'",
        "use_2to3 is invalid",
        "module 'pkgutil' has no attribute 'ImpImporter'",
        "'build_ext' object has no attribute 'cython_sources'",
    ],
)
def test_packages_older_than_their_tools_are_told_apart(said: str) -> None:
    error = build_error("old==1.0", [f"ModuleNotFoundError: {said}"])
    assert error.missing is not None
    assert "system package" not in error.resolution
    assert "newer version of the package" in error.resolution


def own(said: str) -> str:
    return built(said).replace("`native==1.0`", "`shop @ file:///app`")


def test_a_package_of_the_app_itself_is_not_looked_for_on_an_index() -> None:
    assert classify(own("it is what it is")).text() == (
        "Your app's own shop could not be built from source\n\nit is what it is\n\n"
        "Its own build (setup.py, or the build backend that its pyproject.toml names)\n"
        "said the above. Correct it there."
    )


@pytest.mark.parametrize(
    ("said", "table"),
    [
        ("error: Multiple top-level packages discovered in a flat-layout: ['data', 'shop'].",
         '[tool.setuptools]\n    packages = ["NAME"]'),
        ("ValueError: Unable to determine which files to ship inside the wheel using the following",
         '[tool.hatch.build.targets.wheel]\n    packages = ["NAME"]'),
        ("Error: Expected a Python module at: `src/shop/__init__.py`",
         '[tool.uv.build-backend]\n    module-name = "NAME"'),
        ("ValueError: No file/folder found for package my-app",
         '[tool.poetry]\n    packages = [{ include = "NAME" }]'),
    ],
)  # fmt: skip
def test_an_app_that_is_no_package_is_told_how_not_to_be_one(said: str, table: str) -> None:
    assert classify(own(said)).text() == (
        f"Your app's own shop could not be built from source\n\n{said}\n\n"
        "Its build cannot tell which files are the package. If your app need not be installed\n"
        "itself, remove the [build-system] table from its pyproject.toml. Otherwise say there\n"
        f"what is to be installed:\n\n    {table}"
    )


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: 'requirements/base.txt'",
         "requirements/base.txt"),
        ("OSError: Readme file does not exist: README.md", "README.md"),
        ("flit_core.config.ConfigError: Description file README.md does not exist", "README.md"),
        ("FileNotFoundError: Readme path `/build/app/README.md` does not exist.", "README.md"),
        ("ConfigurationError: Readme file not found ('docs/README.rst')", "docs/README.rst"),
        ("failed to open file `/build/app/README.md`: No such file or directory (os error 2)",
         "README.md"),
    ],
)  # fmt: skip
def test_an_app_whose_build_reads_a_file_that_is_left_out_hears_which(said: str, file: str) -> None:
    assert classify(own(said)).resolution == (
        f"Its build reads {file}, which is not there. If it is in your app's directory,\n"
        "check that .gitignore and .slugignore do not leave it out."
    )


@pytest.mark.parametrize("named", ["cargo", "/usr/lib/x.so"])
def test_what_a_build_lacks_of_the_machine_is_not_looked_for_in_the_app(named: str) -> None:
    said = f"FileNotFoundError: [Errno 2] No such file or directory: '{named}'"
    assert "gitignore" not in classify(own(said)).resolution


@pytest.mark.parametrize(
    ("said", "variable"),
    [
        ("LookupError: setuptools-scm was unable to detect version for /app.",
         "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("ValueError: Error getting the version from source `vcs`: No distribution name is known "
         "here, so the SETUPTOOLS_SCM_PRETEND_VERSION_FOR_<DIST> form cannot match.",
         "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("You can still specify the version via environment variable `PDM_BUILD_SCM_VERSION`",
         "PDM_BUILD_SCM_VERSION"),
        ("RuntimeError: Error getting the version from source `uv-dynamic-versioning`: Unable to "
         "detect version control system. Checked: Git.", "UV_DYNAMIC_VERSIONING_BYPASS"),
        ("RuntimeError: Unable to detect version control system. Checked: Git.",
         "POETRY_DYNAMIC_VERSIONING_BYPASS"),
        ("Exception: Versioning for this project requires either an sdist tarball, or access to an "
         "upstream git repository.", "PBR_VERSION"),
    ],
)  # fmt: skip
def test_an_app_whose_version_is_in_git_is_told_where_else_to_name_it(
    said: str, variable: str
) -> None:
    assert classify(own(said)).text() == (
        f"Your app's own shop could not be built from source\n\n{said}\n\n"
        "Its version is to be read from Git's tags, and a build has the files of your app,\n"
        f"not its repository. Name the version in a config var:\n\n    {variable}=1.0"
    )


def test_a_package_that_exists_only_to_say_its_right_name_is_told_by_it() -> None:
    error = build_error("sklearn==0.0.post12", ["The 'sklearn' PyPI package is deprecated"])
    assert error.resolution == (
        "'sklearn' is what a program imports. The package is called scikit-learn: ask for that."
    )


def test_what_setuptools_says_of_every_build_is_left_out() -> None:
    said = [
        "running egg_info", "writing top-level names to x.egg-info/top_level.txt",
        "/c/uv/builds-v0/.tmpX/lib/dist.py:765: SetuptoolsDeprecationWarning: License.", "!!",
        "        Please consider removing the following classifiers.", "!!",
        "building '_x' extension", "error: it is what it is",
    ]  # fmt: skip
    assert build_error("x==1", said).details == "building '_x' extension\nerror: it is what it is"


def test_a_build_that_says_nothing_else_is_shown_all_the_same() -> None:
    assert build_error("x==1", ["running egg_info"]).details == "running egg_info"


def test_every_entry_says_how_to_do_without_a_build() -> None:
    assert all(entry.wheel and entry.what for entry in MISSING)


def test_a_build_that_was_killed() -> None:
    error = classify(built("compiling", "signal: 9 (SIGKILL)"))
    assert isinstance(error, OutOfMemoryError)
    assert error.text() == (
        "The build of native==1.0 was killed\n\n"
        "It ended with signal 9 (SIGKILL). Most often the machine, or the limit of\n"
        "the build, had no memory left.\n\n"
        "Use a version that has a wheel for this Python, which needs no\n"
        "compiler, or give the build more memory."
    )


def from_git(said: str) -> str:
    return (
        "   Updating https://****@h.example/x.git (HEAD)\nerror: Git operation failed\n"
        "  cause: failed to clone into: /c/uv/git-v2/db/643f48818ad0f691\n"
        "  cause: process didn't exit successfully: `/usr/bin/git fetch --force "
        "'https://****@h.example/x.git' '+HEAD:refs/remotes/origin/HEAD'` (exit status: 128)\n"
        f"         --- stderr\n         {said}"
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("fatal: could not read Username for 'https://h.example': terminal prompts disabled",
         "it wants to know who is asking"),
        ("remote: Invalid username or token.\nfatal: Authentication failed for 'https://h.example'",
         "it wants to know who is asking"),
        ("git@h.example: Permission denied (publickey).\nfatal: Could not read from remote",
         "it cannot be reached by ssh with the keys of the build machine"),
        ("fatal: couldn't find remote ref refs/tags/nosuch",
         "it does not have the branch, tag or commit that is asked for"),
        ("fatal: repository 'https://h.example/x.git/' not found",
         "there is no such repository, or it does not show itself to strangers"),
        ("fatal: unable to access 'https://h.example/': Could not resolve host: h.example",
         "its host's name cannot be resolved (DNS)"),
        ("fatal: unable to access 'https://h.example/': Failed to connect to h.example port 443",
         "its host cannot be reached"),
        ("fatal: something new", "fatal: something new"),
    ],
)  # fmt: skip
def test_what_git_says_is_understood(said: str, reason: str) -> None:
    error = classify(from_git(said))
    assert isinstance(error, GitError)
    assert error.reason == reason
    assert error.details == f"https://***@h.example/x.git: {reason}"


def test_a_private_repository_says_how_to_give_a_token() -> None:
    assert classify(from_git("fatal: Authentication failed")).text() == (
        "A git repository in your requirements could not be fetched\n\n"
        "https://***@h.example/x.git: it wants to know who is asking\n\n"
        "Give a token that may read it, in a config var, and name that in the URL:\n\n"
        "    package @ git+https://${GIT_TOKEN}@git.example.com/team/package.git@v1.0\n\n"
        "The value is never shown and is in no file of the slug."
    )


def test_a_machine_without_git() -> None:
    error = classify(
        "   Updating file:///x (HEAD)\nerror: Git operation failed\n"
        "  cause: Git executable not found. Ensure that Git is installed and available."
    )
    assert isinstance(error, GitError)
    assert error.reason == "the build machine has no git program"
