"""Rejected events: looking at them, and putting them back among the raw events once they can be accepted."""

from __future__ import annotations

import base64
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import orjson

from connectors.kafka.consumers import read_committed
from connectors.kafka.producers import Producer
from connectors.kafka.topics import Topic, ensure_topics
from connectors.keys import message_key
from connectors.stop import StopRequest
from dmp.config import KafkaSection
from dmp.errors import UserError

NOTES: Topic = {
    "name": "dmp.rejected.replayed",
    "partitions": 1,
    "config": {"cleanup.policy": "delete", "retention.ms": str(60 * 24 * 60 * 60 * 1000)},
}
"""One record for each replayed reject, with its source as key; kept for longer than any reject."""

TRANSACTION_EVENTS = 1000
MEND_SECONDS = 60


class Reject(NamedTuple):
    """A refused event. `source` is topic/partition/offset of the raw event, which identifies it."""

    reason: str
    detail: str
    received_at: str
    source: str
    raw: bytes


@dataclass
class Outcome:
    """What a replay did, in numbers of events: replayed by reason, left because they could not be mended, replayed
    by an earlier run already."""

    replayed: Counter[str] = field(default_factory=Counter)
    left: int = 0
    earlier: int = 0


def rejects(kafka: KafkaSection, topic: str, reason: Optional[str] = None) -> Iterator[Reject]:
    """The rejects in `topic`, all or those of one reason. UserError when Kafka is away or has no such topic."""
    for record in read_committed(kafka, topic):
        row: dict[str, Any] = orjson.loads(record.value)
        if reason in (None, row["reason"]):
            source = f"{row['source_topic']}/{row['source_partition']}/{row['source_offset']}"
            raw = base64.b64decode(row["raw"] or "")
            yield Reject(row["reason"], row["detail"], row["received_at"], source, raw)


def replayed_sources(kafka: KafkaSection) -> set[str]:
    """The sources of all rejects that have been replayed."""
    ensure_topics(kafka, [NOTES])
    return {record.key.decode() for record in read_committed(kafka, NOTES["name"])}


def replay(
    kafka: KafkaSection,
    rejected_topic: str,
    raw_topic: str,
    reason: Optional[str],
    command: Optional[str],
    dry_run: bool,
    stop: StopRequest,
) -> Outcome:
    """Put rejects back into `raw_topic`, each at most once ever: the event and the note that it was replayed are
    written in one transaction.

    With a shell `command`, what it prints for the event's bytes on its standard input is sent instead; if it
    prints nothing or fails, the event is left for another time. With `dry_run` nothing is sent.
    """
    ensure_topics(kafka, [NOTES])  # before the producer, which writes to it
    # The order matters: a new producer ends the transaction of a killed predecessor, whose notes are known only then.
    producer = None if dry_run else Producer(kafka, [raw_topic, NOTES["name"]], "dmp.rejected.replay")
    done, outcome = replayed_sources(kafka), Outcome()
    batch: list[tuple[Reject, bytes]] = []
    for reject in rejects(kafka, rejected_topic, reason):
        if stop.signal:
            break
        if reject.source in done:
            outcome.earlier += 1
            continue
        event = mend(command, reject.raw) if command else reject.raw
        if event is None:
            outcome.left += 1
            continue
        done.add(reject.source)
        outcome.replayed[reject.reason] += 1
        batch.append((reject, event))
        if len(batch) == TRANSACTION_EVENTS:
            _send(producer, raw_topic, batch)
            batch = []
    _send(producer, raw_topic, batch)
    return outcome


def _send(producer: Optional[Producer], raw_topic: str, batch: list[tuple[Reject, bytes]]) -> None:
    if producer is None or not batch:
        return
    with producer.transaction():
        for reject, event in batch:
            source = reject.source.encode()
            producer.send(raw_topic, event, _key(event), {"dmp-replayed-from": source})
            producer.send(NOTES["name"], reject.reason.encode(), source)


def _key(event: bytes) -> Optional[bytes]:
    try:
        return message_key(orjson.loads(event))
    except orjson.JSONDecodeError:
        return None


def mend(command: str, raw: bytes) -> Optional[bytes]:
    """What the shell command makes of an event; None if it prints nothing or fails. UserError if it takes too long."""
    try:
        done = subprocess.run(command, shell=True, input=raw, stdout=subprocess.PIPE, timeout=MEND_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"--mend took more than {MEND_SECONDS} s for one event: give a faster command") from error
    event = done.stdout.rstrip(b"\r\n")
    return event if done.returncode == 0 and event else None
