"""What goes to Kafka, and where to."""

from __future__ import annotations

from typing import NamedTuple, Optional, Union

from connectors.partitioning import DEFAULT
from dmp.config import KafkaSection

MAX_EVENT_BYTES = 512 * 1024
"""Collectors never send more in one message: a reject carries it in base64 and must still fit into Kafka's default
limit of 1 MiB."""

Headers = dict[str, Union[str, bytes, None]]


class Message(NamedTuple):
    """One message on its way to a topic; without a value it deletes what a compacted topic has of its key."""

    value: Optional[bytes]
    key: Optional[bytes] = None
    headers: Optional[Headers] = None


class Destination(NamedTuple):
    """Where a collector's events go: a topic, and the strategy that chooses its partitions."""

    kafka: KafkaSection
    topic: str
    partitioner: str = DEFAULT
