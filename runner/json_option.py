"""``--json``, and what a command that has changed something answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def json_option(command: Decorated) -> Decorated:
    """``--json``, handed over as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, errors too.")(command)


def answer(text: str, *, as_json: bool, app: str = "", **facts: object) -> None:
    """What a command has done: ``text``, or for programs a line that has ``facts`` as well."""
    from runner.deploys.narrator import Narrator

    Narrator(as_json=as_json, app=app).result(text, more=facts)
