"""The live display on a terminal: lines scroll by above one that says what is going on, and for
how long. The only file that imports rich."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from buildpack.support.errors import SlugkitError
from slugc.progress import MAX_SHOWN, BuildpackLines

STEP = "-----> "  # a buildpack's own steps are shown like ours


class LiveProgress:
    """Progress for a person at a terminal; meaning never rests on its colours."""

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(file=stream, highlight=False, soft_wrap=True)
        self.lines = BuildpackLines(keep_color=True)
        self.display = RichProgress(
            SpinnerColumn("line"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        self.display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.display.stop()

    def step(self, text: str) -> None:
        if self.task is not None:
            self.display.remove_task(self.task)
        self.task = self.display.add_task(text, total=None)
        self.console.print(Text.assemble((STEP, "bold cyan"), Text.from_ansi(text)))

    def info(self, text: str) -> None:
        for line in text.splitlines():
            self.console.print(Text(f"       {line}".rstrip()))

    def warning(self, text: str) -> None:
        self._block("Warning: ", text, "bold yellow")

    def error(self, error: SlugkitError) -> None:
        self._block("Error: ", error.text(), "bold red")

    def line(self, text: str) -> None:
        cleaned = self.lines.cleaned(text)
        if cleaned is not None and cleaned.startswith(STEP):
            self.step(cleaned.removeprefix(STEP))
        elif cleaned is not None:
            self.console.print(Text.from_ansi(cleaned))

    def has_shown_all(self) -> bool:
        return self.lines.shown <= MAX_SHOWN

    def _block(self, label: str, text: str, style: str) -> None:
        self.console.print()
        for line in (label + text).splitlines():
            self.console.print(Text(f" !     {line}".rstrip(), style=style))
        self.console.print()
