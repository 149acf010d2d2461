"""Reading topics: as a whole, in samples, and on and on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, Optional

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import AuthorizationError, KafkaError, RetriableError
from kafka.structs import OffsetAndMetadata

from connectors.kafka.connection import away, denied, no_topic, python_settings
from dmp.config import KafkaSection
from dmp.errors import UserError

RETURN_SECONDS = 30
"""A broker that is coming back is waited for so long."""

SAMPLED_BLOCK = 500
"""Messages in a row that a sample takes: one request to the broker brings about so many."""


def read_committed(kafka: KafkaSection, topic: str, wait_for_open: bool = False) -> Iterator[Any]:
    """Every committed record that `topic` holds now (kafka-python's ConsumerRecord), in order within each partition.

    Records behind an open transaction of any writer are left out; with `wait_for_open`, it waits until these
    transactions have ended. UserError when the broker is away or the topic does not exist.
    """
    with _reading(kafka), closing(_consumer(kafka, "read_committed")) as consumer:
        partitions = _partitions(kafka, consumer, topic)
        consumer.assign(partitions)
        if wait_for_open:
            with closing(_consumer(kafka, "read_uncommitted")) as ahead:
                end = ahead.end_offsets(partitions)
        else:
            end = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                yield from records


def latest(kafka: KafkaSection, topic: str, wait_for_open: bool = False) -> dict[bytes, bytes]:
    """What a compacted topic holds: the last value of each key that was not deleted. Otherwise as `read_committed`."""
    found: dict[bytes, bytes] = {}
    for record in read_committed(kafka, topic, wait_for_open):
        if record.value is None:
            found.pop(record.key, None)
        else:
            found[record.key] = record.value
    return found


def has_messages(kafka: KafkaSection, topic: str) -> bool:
    """Whether anything was ever written to `topic`. UserError as for `read_committed`."""
    with _reading(kafka), closing(_consumer(kafka, "read_uncommitted")) as consumer:
        partitions = _partitions(kafka, consumer, topic)
        return any(consumer.end_offsets(partitions).values())


class Sample(NamedTuple):
    """What a topic holds. sizes: messages of each partition, by its offsets, which also count those that compaction or
    an aborted transaction has left out. found: how many of the messages read lie in which partition with which key.
    complete: whether all messages were read."""

    sizes: Sequence[int]
    found: Counter[tuple[int, Optional[bytes]]]
    complete: bool


def sample_keys(kafka: KafkaSection, topic: str, at_most: Optional[int]) -> Sample:
    """Keys of about `at_most` committed messages of a topic; of all with None, or when there are no more.

    Sampling is systematic: blocks of SAMPLED_BLOCK offsets in a row, at even distances over the whole of each
    partition, so that a partition's part of the sample is its part of the topic. UserError as for `read_committed`.
    """
    with _reading(kafka), closing(_consumer(kafka, "read_committed")) as consumer:
        partitions = _partitions(kafka, consumer, topic)
        begin, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        sizes = [end[partition] - begin[partition] for partition in partitions]
        complete = at_most is None or sum(sizes) <= at_most
        found: Counter[tuple[int, Optional[bytes]]] = Counter()
        for partition, size in zip(partitions, sizes):
            share = size if complete else round(size * (at_most or 0) / sum(sizes))
            for start, stop in _blocks(begin[partition], end[partition], share):
                found.update((partition.partition, record.key) for record in _read(consumer, partition, start, stop))
        return Sample(sizes, found, complete)


def _blocks(begin: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Spans of offsets that hold `wanted` of those from `begin` to `end`, at even distances."""
    if wanted >= end - begin:
        yield begin, end
        return
    count = -(-wanted // SAMPLED_BLOCK)
    for number in range(count):
        start = begin + (end - begin) * number // count
        yield start, start + wanted * (number + 1) // count - wanted * number // count


def _read(consumer: KafkaConsumer, partition: TopicPartition, start: int, stop: int) -> Iterator[Any]:
    """The records with offsets from `start` to before `stop`."""
    consumer.assign([partition])
    consumer.seek(partition, start)
    while consumer.position(partition) < stop:
        for records in consumer.poll(timeout_ms=500).values():
            yield from (record for record in records if record.offset < stop)


class Follower:
    """Reads a topic from where a group has come to, and remembers that in Kafka; one at a time for each group.

    UserError when the broker is away or the topic does not exist.
    """

    def __init__(self, kafka: KafkaSection, topic: str, group: str) -> None:
        self._kafka, self._topic = kafka, topic
        self._consumer = _consumer(kafka, "read_committed", group)
        try:
            partitions = _partitions(kafka, self._consumer, topic)
        except UserError:
            self.close()
            raise
        self._consumer.assign(partitions)
        with _reading(kafka):
            committed = {partition: self._consumer.committed(partition) for partition in partitions}
        #: Whether the group has never committed anything.
        self.is_new = not any(offset is not None for offset in committed.values())
        end = self._consumer.end_offsets(partitions)
        self._start = {partition: end[partition] if self.is_new else committed[partition] or 0 for partition in end}
        self._end = end
        for partition, offset in self._start.items():
            self._consumer.seek(partition, offset)

    def before(self) -> Iterator[Any]:
        """The records behind the group: for a new one, all there are."""
        for record in read_committed(self._kafka, self._topic):
            if record.offset < self._start[TopicPartition(record.topic, record.partition)]:
                yield record

    def records(self, until_end: bool = False) -> Iterator[Any]:
        """Records as they come, and None now and then when there are none; with `until_end` those that were there."""
        while not until_end or any(self._consumer.position(part) < offset for part, offset in self._end.items()):
            with _reading(self._kafka):
                polled = self._consumer.poll(timeout_ms=500)
            for records in polled.values():
                yield from records
            if not polled:
                yield None

    def commit(self, record: Any) -> None:
        """The group has come past this record."""
        self._commit({TopicPartition(record.topic, record.partition): record.offset + 1})

    def commit_start(self) -> None:
        """The group begins where this follower began."""
        self._commit(self._start)

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._consumer.commit({part: OffsetAndMetadata(offset, "", -1) for part, offset in offsets.items()})

    def close(self) -> None:
        self._consumer.close()


def _has_abort_marker(_: Any, batch: Any) -> bool:
    """Whether a batch tells that a transaction was aborted."""
    marker = next(batch, None) if batch.is_control_batch else None
    return marker is not None and marker.abort


# Compaction empties control batches and keeps them as long as their producer is known. kafka-python (3.0.12) expects a
# record in each, fails, and the topic could not be read any more. Kafka's own client looks first, and so does this.
Fetcher.PartitionRecords._contains_abort_marker = _has_abort_marker


def _consumer(kafka: KafkaSection, isolation_level: str, group: Optional[str] = None) -> KafkaConsumer:
    try:
        return KafkaConsumer(
            **python_settings(kafka),
            group_id=group,
            isolation_level=isolation_level,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
        )
    except KafkaError as error:
        raise away(kafka) from error


def _partitions(kafka: KafkaSection, consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """Those of a topic. A broker that stood still comes back to a cluster without brokers; that passes in seconds.
    UserError when it does not pass, or there is no such topic."""
    deadline = time.monotonic() + RETURN_SECONDS
    while True:
        try:
            numbers = consumer.partitions_for_topic(topic)
            break
        except RetriableError as error:
            if time.monotonic() > deadline:
                raise away(kafka) from error
            time.sleep(0.2)
    if not numbers:
        raise no_topic(kafka, topic)
    return [TopicPartition(topic, number) for number in sorted(numbers)]


@contextmanager
def _reading(kafka: KafkaSection) -> Iterator[None]:
    try:
        yield
    except AuthorizationError as error:
        raise denied(kafka, error) from error
