"""The whole platform on the local stack: what is sent to it, and when it is done with that."""

from __future__ import annotations

import time
from collections import Counter
from typing import Optional

from bench.topics import committed, ends
from connectors.generate import KafkaSink, Traffic, generate
from connectors.partitioning import DEFAULT
from connectors.stop import StopRequest
from dmp.config import Config
from schemas.tables import consumer_group
from schemas.topics import EVENTS_RAW, INDEXED, TOPICS

QUIET_SECONDS = 15
"""So long must nothing happen before everything counts as done: some results wait for two checkpoints of others."""


class _CountingSink(KafkaSink):
    """Kafka, and how many bytes of events were sent there."""

    sent_bytes = 0

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None:
        self.sent_bytes += sum(map(len, values))
        super().send(values, keys)


def send(config: Config, events: int, seed: int) -> int:
    """Send so many events as fast as they can be made, all valid and different; returns their bytes."""
    sink = _CountingSink(config.kafka, EVENTS_RAW.name, DEFAULT)
    start = time.time_ns() // 1000
    with StopRequest() as stop:
        generate(Traffic(events, 0, seed, start, malformed=0, duplicates=0), sink, stop, lambda _: None)
    return sink.sent_bytes


def messages(config: Config) -> Counter[str]:
    """How many messages each topic has got so far, markers of transactions included."""
    return ends(config.kafka, [topic.name for topic in TOPICS])


def settle(config: Config) -> float:
    """Wait until no topic grows any more and Elasticsearch has it; the moment of time.monotonic() when that began."""
    index, indexed = consumer_group("index", "results"), [topic.name for topic in INDEXED]
    last, since = None, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        time.sleep(1)
        now = messages(config), committed(config.kafka, index, indexed)
        if now != last:
            last, since = now, time.monotonic()
    return since
