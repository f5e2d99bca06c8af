"""Maps detect|compile|release|report|test-compile|build|plan to functions and exit codes.

This file is parsed by whatever ``python3`` is, so it stays free of new syntax and says clearly
when that Python is too old. ``detect`` imports nothing but os and sys: it must stay within three
times the start of a bare interpreter.
"""

import os
import sys

OLDEST = (3, 11)
NEWER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")


def use_a_newer_python() -> None:
    """Become the newest suitable python3.X on PATH; exit 1 with a clear message if none is."""
    for name in NEWER_NAMES:
        for directory in os.environ.get("PATH", "").split(os.pathsep):
            program = os.path.join(directory, name)  # noqa: PTH118 - parsed by any Python 3
            if os.access(program, os.X_OK):
                os.execv(program, [program, "-I", "-S", "-B"] + sys.argv)  # noqa: S606, RUF005
    found = ".".join(str(part) for part in sys.version_info[:3])
    sys.stderr.write(
        " !     Error: This buildpack needs Python 3.11 or newer.\n"
        " !\n"
        " !     'python3' here is Python " + found + " (" + sys.executable + "), and no\n"
        " !     python3.11 or newer was found on PATH.\n"
        " !\n"
        " !     Install a newer Python and put it on PATH.\n"
    )
    sys.exit(1)


def named_cache_dir(argv):  # type: (list[str]) -> str
    """The cache of a build that is asked for as it should be; what is wrong is told later."""
    is_build = len(argv) in (3, 4) and argv[0] in ("compile", "test-compile")
    if is_build and argv[2] and os.path.isdir(argv[1]):  # noqa: PTH112
        return os.path.realpath(argv[2])
    return ""


def run_phase(argv):  # type: (list[str]) -> int
    """Import what this phase needs, and run it."""
    if argv[:1] == ["detect"]:
        if os.environ.get("CNB_BUILD_PLAN_PATH"):
            from buildpack.cnb.detect import main
        else:
            from buildpack.detect import main
        return main(argv)
    import atexit
    import gc

    # Imports make much that is kept and nothing to collect; looking for it takes milliseconds, and
    # more when Python ends.
    gc.set_threshold(50000)
    atexit.register(gc.freeze)
    # What is built is read by other users, whatever the builder's own files are.
    os.umask(0o022)
    cache_dir, early = named_cache_dir(argv), None
    if cache_dir:
        from buildpack.own_bytecode import keep_bytecode

        keep_bytecode(cache_dir)
        from buildpack.early import begin

        early = begin(argv[1], cache_dir, os.environ)
    from buildpack.main import main as main_of_phases

    return main_of_phases(argv, early)


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        use_a_newer_python()
    here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120
    root = os.path.dirname(here)  # noqa: PTH120
    sys.path.insert(0, root)
    try:
        code = run_phase(sys.argv[1:])
    except KeyboardInterrupt:  # while it is imported
        code = 1
    sys.exit(code)
