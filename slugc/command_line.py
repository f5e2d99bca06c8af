"""One command of ``slugc`` from its words to its exit code: every error ends here."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from buildpack.support.errors import ExitCode, SlugkitError
from slugc.old_form import build_old_form, is_old_form
from slugc.plain_build import build_plainly

REPORT_BUGS = "This is a bug in Slugkit. Please report it with the text above."


class TerminatedError(BaseException):
    """SIGTERM or SIGHUP, taken like Ctrl-C: what runs is stopped, nothing half-written stays."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class LineEndedError(KeyboardInterrupt):
    """Ctrl-C, after which somebody has ended the line that shows the ^C."""


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    os.umask(0o022)  # the same files whatever the caller's
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    as_json = "--json" in argv
    try:
        return _answer(argv)
    except SlugkitError as err:
        return _fail(err, as_json=as_json)
    except (KeyboardInterrupt, TerminatedError, BrokenPipeError) as err:
        return _stopped(err, as_json=as_json)
    except Exception as err:
        if isinstance(err, OSError):
            sys.stdout.flush()  # where that is what failed it fails again: main tells of it
        from buildpack.support import machine  # a mistake is rare

        if (refusal := machine.refused_by_machine(err)) is not None:
            code = machine.MACHINE_ERRORS[refusal.errno or 0]
            return _fail(machine.MachineError(refusal), as_json=as_json, code=code)
        return _told_as_a_bug(err, as_json=as_json)


def _answer(argv: Sequence[str]) -> int:
    if is_old_form(argv):
        return build_old_form(argv, os.environ)
    if build_plainly(argv):
        return ExitCode.OK
    from slugc.cli import run_click  # click takes longer to import than much of a build

    return run_click(argv)


def _told_as_a_bug(err: Exception, *, as_json: bool) -> int:
    import traceback

    if as_json:
        _write_result(SlugkitError(f"Internal error: {err!r}"), ExitCode.BUG, id="internal-error")
    sys.stderr.write(f"Internal error\n\n{traceback.format_exc()}\n{REPORT_BUGS}\n")
    return ExitCode.BUG


def _write_result(error: SlugkitError, code: int, *, id: str = "") -> None:  # noqa: A002  # its name
    """An error as the last event of a command that was asked for JSON."""
    from slugc.progress_events import error_event, write_event

    with contextlib.suppress(OSError):  # main, which flushes, tells of it
        write_event(sys.stdout, error_event(error, code, id=id or error.id))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise TerminatedError(number)


def _stopped(err: BaseException, *, as_json: bool) -> int:
    """The exit code of a program that a signal ended."""
    if isinstance(err, BrokenPipeError):
        return 128 + signal.SIGPIPE
    number = err.number if isinstance(err, TerminatedError) else signal.SIGINT
    before = "" if isinstance(err, LineEndedError) else "\n"
    if as_json:
        _write_result(SlugkitError("Stopped. Nothing was written."), 128 + number, id="stopped")
    sys.stderr.write(f"{before}Stopped. Nothing was written.\n")
    return 128 + number


def _fail(error: SlugkitError, *, as_json: bool, code: int | None = None) -> int:
    from buildpack.support.output import Output, wants_color
    from slugc.buildpacks.errors import PhaseFailedError

    code = int(error.exit_code) if code is None else int(code)
    if as_json:
        _write_result(error, code)
    color = wants_color(sys.stderr, os.environ) and "--no-color" not in sys.argv
    if isinstance(error, PhaseFailedError):
        error = error.for_screen()
    Output(out=sys.stderr, err=sys.stderr, color=color).error(error)
    return code
