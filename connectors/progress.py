"""How far a long command is, for a person at a terminal; one summary line for everyone."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Optional

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

REDRAW_SECONDS = 0.1


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s", style="progress.data.speed")


class Progress:
    """A bar with count, rate and time left on standard error; nothing of it when that is no terminal.

    `unit` is "bytes" or the name of what is counted.
    """

    def __init__(self, title: str, total: int, unit: str, done: int = 0) -> None:
        amount = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(), _Rate())
        console = Console(stderr=True)
        columns = (TextColumn(title), BarColumn(), *amount, TimeRemainingColumn())
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(title, total=total, completed=done)
        self._pending = 0
        self._began = self._drawn = time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._bar.update(self._task, advance=self._pending)
        self._bar.stop()

    def advance(self, count: int) -> None:
        """Count on; cheap enough to be called for every message."""
        self._pending += count
        now = time.monotonic()
        if now - self._drawn > REDRAW_SECONDS:
            self._bar.update(self._task, advance=self._pending)
            self._pending, self._drawn = 0, now

    def summary(self, text: str) -> None:
        """One line on standard error, with the time taken."""
        print(f"{text}, in {time.monotonic() - self._began:.1f} s", file=sys.stderr)
