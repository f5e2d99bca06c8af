"""The command `slug-run`: errors become words and exit codes here, and nowhere else."""

from __future__ import annotations

import os
import sys

HELP_FILE = os.path.join(os.path.dirname(__file__), "help.txt")  # noqa: PTH118, PTH120  # pathlib costs 5 ms
REPORT_BUGS = "This is a bug in Slugkit. Please report it with the text above."


def main(argv: list[str] | None = None) -> int:
    """Run `slug-run` with ``argv`` and give its exit code."""
    os.umask(0o022)  # the same files whatever the caller's; what is private says so itself
    code = 0
    try:
        if "PYTHONUNBUFFERED" in os.environ or None in {sys.stdin, sys.stdout, sys.stderr}:
            from buildpack.support.streams import settle_streams  # rare

            settle_streams()
        code = _answer(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt as err:  # also while we still import
        return int(getattr(err, "exit_code", 130))  # InterruptedEarlyError knows better
    except OSError as err:  # of our output: of all others ``_run`` tells
        from buildpack.support.streams import tell_unwritten

        return tell_unwritten(err, code=code)
    return code


def _answer(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    elif words == ["version"]:
        words = ["--version"]
    if words in (["--help"], ["-h"]):
        # What click would print (a test compares them), in a third of the time it takes to import.
        with open(HELP_FILE, encoding="utf-8") as file:  # noqa: PTH123  # as above
            sys.stdout.write(file.read())
        return 0
    return _run(words)


def _run(words: list[str]) -> int:
    import gc

    # Imports make much that is kept and nothing to collect; looking for it takes milliseconds. So
    # this comes before all of them.
    gc.set_threshold(50_000)
    from buildpack.support.errors import ExitCode, SlugkitError

    try:
        from runner.plain_start import run_plainly

        code = run_plainly(words)
        return _run_click(words) if code is None else code
    except SlugkitError as err:
        from runner.heroku_words import explain
        from runner.supervision.port_owner import with_owner

        shown = with_owner(explain(words, err), os.environ)
        return _tell(words, shown, code=int(shown.exit_code))
    except Exception as err:
        if isinstance(err, OSError):
            sys.stdout.flush()  # where that is what failed it fails again: main tells of it
        from buildpack.support.machine import refused_by_machine

        refused = err if isinstance(err, OSError) else refused_by_machine(err)
        if refused is not None and (code := _code_of(words, refused)):
            return code
        import traceback

        traceback.print_exc()
        sys.stderr.write(f"\nInternal error\n{REPORT_BUGS}\n")
        return int(ExitCode.BUG)


def _asks_for_json(words: list[str]) -> bool:
    """Whether a program reads what is said; ``--json`` of a command that is run is that one's."""
    own = words[: words.index("--")] if "--" in words else words
    is_passed_on = own[:1] in (["exec"], ["run"], ["run:detached"], ["run:inside"], ["ps:exec"])
    return "--json" in own and not is_passed_on


def _code_of(words: list[str], error: OSError) -> int:
    """The exit code where the machine has no more of something, or nobody reads; 0 elsewhere."""
    from buildpack.support.machine import MACHINE_ERRORS, MachineError

    if isinstance(error, BrokenPipeError):
        return 141
    if error.errno not in MACHINE_ERRORS:
        return 0
    advice = "Make room or lift the limit, then try again."
    told = MachineError(error, who="slug-run", advice=advice)
    return _tell(words, told, code=int(MACHINE_ERRORS[error.errno]))


def _run_click(words: list[str]) -> int:
    from runner.cli import run_cli

    return run_cli(words)


def _tell(words: list[str], error: Exception, *, code: int) -> int:
    """Say what went wrong, to whoever reads it; gives ``code``."""
    from buildpack.support.errors import SlugkitError

    assert isinstance(error, SlugkitError)
    if _asks_for_json(words):
        from runner.deploys.narrator import error_line

        sys.stdout.write(error_line(error, code=code))
        return code
    from buildpack.support.output import Output, wants_color

    Output(out=sys.stderr, color=wants_color(sys.stderr, os.environ)).error(error)
    return code


if __name__ == "__main__":
    sys.exit(main())
