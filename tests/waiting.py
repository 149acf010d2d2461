"""Waiting for what real processes do in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], seconds: float, pause_seconds: float) -> T:
    """The first true answer of `probe`; fails the test with the last one when it never comes."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s: {answer!r}"
        time.sleep(pause_seconds)
