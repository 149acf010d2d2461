"""Kafka as a bench sees it: topics of its own, how far they reach, and the windows that they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import orjson
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from connectors.kafka.consumers import latest
from dmp.config import KafkaSection
from dmp.core.timestamps import parse_rfc3339

Key = tuple[int, str, str, str]
"""window_start in epoch milliseconds, channel, event, campaign."""

Windows = dict[Key, tuple[int, int, int]]
"""Events, persons and revenue in millionths."""


def ends(kafka: KafkaSection, topics: Iterable[str]) -> Counter[str]:
    """How far each topic reaches, open transactions and markers of transactions included."""
    with closing(KafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)) as consumer:
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()
        ]
        reached: Counter[str] = Counter()
        for partition, offset in consumer.end_offsets(partitions).items():
            reached[partition.topic] += offset
        return reached


def committed(kafka: KafkaSection, group: str, topics: Iterable[str]) -> Counter[str]:
    """How many messages of each topic a consumer group has committed."""
    with closing(KafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=group)) as consumer:
        return Counter({
            topic: sum(consumer.committed(TopicPartition(topic, number)) or 0
                       for number in consumer.partitions_for_topic(topic) or ())
            for topic in topics
        })  # fmt: skip


def delete(kafka: KafkaSection, topics: list[str]) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.delete_topics(topics)


def windows(kafka: KafkaSection, topic: str) -> Windows:
    """The last committed row of each window in a topic with the columns of dmp.metrics."""
    rows = {_key(orjson.loads(key)): orjson.loads(value) for key, value in latest(kafka, topic).items()}
    return {key: (row["events"], row["persons"], round(row["revenue"] * 1_000_000)) for key, row in rows.items()}


def _key(row: dict[str, Any]) -> Key:
    start = parse_rfc3339(row["window_start"])
    assert start is not None
    return start, row["channel"], row["event"], row["campaign"]
