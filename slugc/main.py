"""Where the command ``slugc`` begins: answers --help and --version at once, errors in one place.

click and all that builds is imported only when there is something to do: ``slugc --help`` shows a
stored text (a test proves that it is click's) in the time Python itself takes to start.
"""

from __future__ import annotations

import os
import sys

HELP_DIR = os.path.join(os.path.dirname(__file__), "data", "help")  # noqa: PTH118, PTH120  # pathlib costs 8 ms

HELP_WORDS = ("--help", "-h")


def stored_help(words: tuple[str, ...]) -> str | None:
    """The file with the help that ``words`` ask for: ``stack build --help`` is in
    ``stack-build.txt``. None when they ask for something else."""
    if words and words[-1] not in HELP_WORDS:
        return None
    if not all(word.replace("-", "").isalpha() and word[0] != "-" for word in words[:-1]):
        return None
    file = os.path.join(HELP_DIR, "-".join(words[:-1] or ("slugc",)) + ".txt")  # noqa: PTH118  # as above
    return file if os.path.exists(file) else None  # noqa: PTH110  # as above


def main(argv: list[str] | None = None) -> int:
    """Run ``slugc`` with ``argv`` and return its exit code."""
    code = 0
    try:
        if "PYTHONUNBUFFERED" in os.environ or None in {sys.stdin, sys.stdout, sys.stderr}:
            from buildpack.support.streams import settle_streams  # rare

            settle_streams()
        code = _answer(tuple(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:  # nothing has begun: of all others ``run`` tells
        sys.stderr.write("\nStopped. Nothing was written.\n")
        return 130
    except OSError as err:  # of our output: of all others ``run`` tells
        from buildpack.support.streams import tell_unwritten

        return tell_unwritten(err, code=code)
    return code


def _answer(arguments: tuple[str, ...]) -> int:
    if arguments[:1] == ("help",):
        arguments = (*arguments[1:], "--help")
    if not arguments and os.path.lexists("Procfile"):  # as above
        from pathlib import Path

        from slugc.next_steps import next_steps

        sys.stdout.write(next_steps(Path.cwd()))
        return 0
    if (stored := stored_help(arguments)) is not None:
        with open(stored, encoding="utf-8") as file:  # noqa: PTH123  # as above
            sys.stdout.write(file.read())
        return 0
    if arguments in (("--version",), ("version",)):
        from buildpack.version import __version__

        sys.stdout.write(f"slugc {__version__}\n")
        return 0
    import atexit
    import gc

    # Imports make much that is kept and nothing to collect; looking for it takes milliseconds,
    # and fifteen when Python ends.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    from slugc.command_line import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
