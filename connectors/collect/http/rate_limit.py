"""A limit of events a second for each source, shared by all processes of the server.

Generic cell rate algorithm (ITU-T I.371): all that has to be remembered of a source is the moment until which the
events that it has sent would last at its rate. A source may be ahead of its rate by BURST_SECONDS.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

BURST_SECONDS = 1.0
_MOMENT = struct.Struct("d")


class RateLimit:
    """`rate` is in events a second; `file` is where the processes keep their common memory, made if it is missing."""

    def __init__(self, file: Path, sources: Sequence[str], rate: float) -> None:
        self._rate = rate
        self._place = {source: _MOMENT.size * number for number, source in enumerate(sources)}
        self._file = file.open("a+b")
        self._file.truncate(_MOMENT.size * len(sources))
        self._memory = mmap.mmap(self._file.fileno(), 0)

    def take(self, source: str, events: int, now: float) -> Optional[int]:
        """None when these events may come in, else the whole seconds after which they may.

        `now` is in seconds of a clock that all processes of this machine share (time.monotonic). A batch comes in as a
        whole whatever its size; what is above the rate is made up for by waiting after it.
        """
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            place = self._place[source]
            (until,) = _MOMENT.unpack_from(self._memory, place)
            ahead = until - now - BURST_SECONDS
            if ahead > 0:
                return math.ceil(ahead)
            _MOMENT.pack_into(self._memory, place, max(until, now) + events / self._rate)
            return None
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
