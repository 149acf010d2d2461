"""A graceful end: SIGINT and SIGTERM ask a loop to stop at the next safe point."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import Any, Optional


class StopRequest:
    """While entered, `signal` tells which of SIGINT and SIGTERM arrived, None before that."""

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, _: Optional[FrameType]) -> None:
        if self.signal == number:
            raise KeyboardInterrupt  # asked twice: do not wait for the safe point
        self.signal = number

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until a signal arrives; whether one has."""
        deadline = time.monotonic() + seconds
        while not self.signal and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        return bool(self.signal)

    @property
    def exit_status(self) -> int:
        """0, or 128 + signal as shells do."""
        return 128 + self.signal if self.signal else 0
