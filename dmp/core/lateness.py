"""Which events come late: after their window has closed on the watermark of their partition."""

from __future__ import annotations


class Lateness:
    """Follows the watermark of each partition, event by event.

    The watermark of a partition is the greatest event time seen in it less `delay_ms` (bounded out-of-orderness, as
    in the DDL of the clean events). An event is late when its tumbling window of `window_ms` had ended by then. It
    is counted all the same: results are corrected, and this only tells how often. The watermark starts anew with the
    process, so just after a restart a late event can pass as punctual.
    """

    def __init__(self, window_ms: int, delay_ms: int) -> None:
        self._window_ms = window_ms
        self._delay_ms = delay_ms
        self._greatest: dict[int, int] = {}

    def is_late(self, partition: int, event_ms: int) -> bool:
        """Whether the event of `event_ms` (epoch milliseconds) is late, given those of its partition before it."""
        greatest = self._greatest.get(partition)
        if greatest is None or event_ms > greatest:
            self._greatest[partition] = event_ms
            return False
        window_end = event_ms - event_ms % self._window_ms + self._window_ms
        return window_end <= greatest - self._delay_ms
