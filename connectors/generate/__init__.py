"""Synthetic traffic of a shop: `generate` sends it and tells what must become of it."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from typing import Any

from connectors.generate.intensity import INCIDENTS, PROFILES, Incident
from connectors.generate.sinks import HttpSink, KafkaSink, LinesSink, RabbitMqSink, Sink, UdpSink
from connectors.generate.stream import ACCEPTED, DUPLICATE, NOMINAL_RATE, SERVICES, Block, Traffic, blocks
from connectors.stop import StopRequest

__all__ = [
    "INCIDENTS", "NOMINAL_RATE", "PROFILES", "REASONS_BEHIND", "SERVICES", "HttpSink", "Incident", "KafkaSink",
    "LinesSink", "RabbitMqSink", "Sink", "Tally", "Traffic", "UdpSink", "generate",
]  # fmt: skip

REASONS_BEHIND = {
    "http": ("not_an_object", "unknown_type", "missing_event"),
    "udp": ("unknown_type", "missing_event"),
}
"""Reasons to reject that a collector leaves to cleaning: it refuses other malformed messages itself, or mends them by
telling when they were received."""

SLICE_MESSAGES = 2000  # between looks at the clock, the stop request and the progress
NAP_SECONDS = 0.005


class Tally:
    """What was sent and what cleaning must make of it: sent = accepted + duplicates + all rejected."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._old = 0

    def add(self, outcomes: list[str], old: list[bool]) -> None:
        self._outcomes.update(outcomes)
        self._old += sum(old)

    def as_dict(self) -> dict[str, Any]:
        """{sent, accepted, duplicates, rejected: {reason: count}, old}; `old` counts accepted events that happened
        minutes before they arrived."""
        rejected = {name: self._outcomes[name] for name in sorted(self._outcomes) if name not in (ACCEPTED, DUPLICATE)}
        return {
            "sent": sum(self._outcomes.values()),
            "accepted": self._outcomes[ACCEPTED],
            "duplicates": self._outcomes[DUPLICATE],
            "rejected": rejected,
            "old": self._old,
        }


def generate(traffic: Traffic, sink: Sink, stop: StopRequest, progress: Callable[[int], None]) -> Tally:
    """Send the traffic until it ends or `stop` is requested: at its rate, or with rate 0 as fast as the sink takes it.

    `progress` is called with the number of messages sent since the last call. The sink is closed.
    """
    tally = Tally()
    began = None
    stream = blocks(traffic)
    for block in stream:
        began = began or time.monotonic()
        position = 0
        while position < len(block.values) and not stop.signal:
            due = _due(block, position, traffic, time.monotonic() - began)
            if due == position:
                continue
            sink.send(block.values[position:due], block.keys[position:due])
            tally.add(block.outcomes[position:due], block.old[position:due])
            progress(due - position)
            position = due
        if stop.signal:
            stream.close()
            break
    sink.close()
    return tally


def _due(block: Block, position: int, traffic: Traffic, elapsed: float) -> int:
    """The position after the last message that is due; after a nap, `position` itself if none is."""
    end = min(position + SLICE_MESSAGES, len(block.values))
    if not traffic.rate:
        return end
    wait = (block.arrivals_us[position] - traffic.start_us) / 1e6 - elapsed
    if wait > 0:
        time.sleep(min(max(wait, NAP_SECONDS), 0.2))
        return position
    return bisect_right(block.arrivals_us, traffic.start_us + elapsed * 1e6, position, end)
