"""A function carried out by a child without root's rights, and its answer read with care."""

from __future__ import annotations

import io
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import PosixPath, PurePosixPath
from typing import NoReturn, TypeVar, cast

from buildpack.support.errors import SlugkitError
from buildpack.support.machine import refused_by_machine
from slugc.privileges import ChildLostError, drop_rights

_PATIENCE = 10.0  # seconds a child gets to clean up after itself

T = TypeVar("T")


def answer_of_child(function: Callable[[], T]) -> T:
    """What ``function`` returns or raises in a child that is ``RUN_UID``; for root only."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(function, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
    except BaseException:  # Ctrl-C too: the child must not outlive us
        _end(child)
        raise
    _, status = os.waitpid(child, 0)
    return cast("T", _accept(answer, status))


def _end(child: int) -> None:
    """Let the child remove what it half made; then it has to go."""
    os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def _stop_once(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _answer(function: Callable[[], T], writer: int) -> NoReturn:
    """The child's whole life: drop, compute, write the answer, end without any clean-up code."""
    code = 1
    try:
        # Our handlers are not the child's; Ctrl-C reaches both of us, and we tell it to stop.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _stop_once)
        drop_rights()
        os.umask(0o022)
        try:
            answer = pickle.dumps((True, function()))
        except BaseException as err:  # it is raised again in the parent
            answer = _pickled_error(err)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        code = 0
    finally:
        os._exit(code)


def _pickled_error(err: BaseException) -> bytes:
    """Errors with constructors of their own do not pickle by themselves; their parts do."""
    trace = "".join(traceback.format_exception(err))
    if isinstance(err, SlugkitError):
        try:
            return pickle.dumps((False, (type(err), err.args, vars(err))))
        except (TypeError, AttributeError, pickle.PicklingError):
            return pickle.dumps((False, (ChildLostError, (trace,), None)))
    cause = refused_by_machine(err) or err
    if isinstance(cause, OSError):
        facts = (cause.errno, cause.strerror, cause.filename)
        return pickle.dumps((False, (OSError, facts, None)))
    return pickle.dumps((False, (ChildLostError, (trace,), None)))


class _Answers(pickle.Unpickler):
    """Reads an answer: values and errors only. The child may have met hostile data, we are root."""

    def find_class(self, module: str, name: str) -> object:
        found = super().find_class(module, name)
        allowed = (BaseException, PurePosixPath, PosixPath)
        if isinstance(found, type) and (
            issubclass(found, allowed) or hasattr(found, "__dataclass_fields__")
        ):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is no answer")


def _accept(answer: bytes, status: int) -> object:
    if not answer:
        raise ChildLostError(f"wait status {status}")
    good, value = _Answers(io.BytesIO(answer)).load()
    if good:
        return value
    kind, arguments, state = value
    if state is None:
        raise kind(*arguments)
    error = kind.__new__(kind, *arguments)
    vars(error).update(state)
    raise error
