"""A plain Python loop, the newcomer's alternative: one process, everything in memory, nothing kept when it dies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.engines.peer import Peer, cleaner, main
from bench.topics import Key, Windows
from bench.workload import SHARES
from connectors.kafka.connection import silent_settings
from dmp.core.cleaning import CleanEvent

BATCH = 10_000


def run(peer: Peer) -> Windows:
    return count(messages(peer), peer.window_ms)


def messages(peer: Peer) -> Iterator[bytes]:
    """All messages of the topic."""
    consumer = Consumer({**silent_settings(peer.kafka), "group.id": "bench-plain", "enable.auto.commit": False})
    consumer.assign([TopicPartition(peer.raw.name, number, OFFSET_BEGINNING) for number in range(len(SHARES))])
    read = 0
    while read < peer.raw.messages:
        batch = consumer.consume(BATCH, timeout=1)
        yield from (message.value() for message in batch)
        read += len(batch)
        peer.tell(len(batch))
    consumer.close()


def count(values: Iterable[bytes], window_ms: int) -> Windows:
    """The windows of raw messages; each subject is a person of its own."""
    clean = cleaner().clean
    seen: set[str] = set()
    totals: dict[Key, list[int]] = {}
    subjects: dict[Key, set[str]] = {}
    for value in values:
        event = clean(value)
        if type(event) is not CleanEvent or event.message_id in seen:
            continue
        seen.add(event.message_id)
        key = (event.event_ms - event.event_ms % window_ms, event.channel or "", event.event, event.campaign or "")
        total = totals.setdefault(key, [0, 0])
        total[0] += 1
        total[1] += event.revenue_micros or 0
        if event.subject_id:
            subjects.setdefault(key, set()).add(event.subject_id)
    return {key: (events, len(subjects.get(key, ())), micros) for key, (events, micros) in totals.items()}


if __name__ == "__main__":
    main(run)
