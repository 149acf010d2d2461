"""Compiled plans, kept from one start of a job to the next: planning is half of what a start takes, and whoever stops a
job with a savepoint waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dmp.files import write_whole


def kept(file: Path, made_of: str, compile_plan: Callable[[], str]) -> str:
    """The plan in `file` if it is made of the same, else a new one, which is there from then on.

    `made_of` is a digest, one line, of everything that decides what `compile_plan` returns.
    """
    with suppress(FileNotFoundError):
        known, _, plan = file.read_text(encoding="utf-8").partition("\n")
        if known == made_of:
            return plan
    plan = compile_plan()
    with suppress(OSError):  # where nothing can be written, the next start takes as long as this one
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, f"{made_of}\n{plan}")
    return plan
