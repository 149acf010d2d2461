"""What comes into a topic, as an independent client sees it."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from connectors.kafka.connection import silent_settings
from dmp.config import KafkaSection
from schemas.topics import EVENTS_RAW


class Written:
    """The committed messages that have come into a topic since this was made."""

    def __init__(self, kafka: KafkaSection, topic: str) -> None:
        self._consumer = Consumer(
            {
                **silent_settings(kafka),  # brokers that tests stop
                "group.id": "test",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        partitions = self._consumer.list_topics(topic).topics[topic].partitions
        self._begin = [TopicPartition(topic, number) for number in partitions]
        for partition in self._begin:
            _, partition.offset = self._consumer.get_watermark_offsets(partition)

    def messages(self) -> list[Message]:
        self._consumer.assign(self._begin)
        found, at_end = [], 0
        while at_end < len(self._begin):
            message = self._consumer.poll(30)
            assert message is not None, "the topic does not come to an end"
            if message.error() is None:
                found.append(message)
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                at_end += 1
        return found

    def close(self) -> None:
        self._consumer.close()


class Raw(Written):
    """What has come into the raw topic since this was made."""

    def __init__(self, kafka: KafkaSection) -> None:
        super().__init__(kafka, EVENTS_RAW.name)
        # For a reader of committed messages the log ends where the first open transaction begins.
        tail = {**silent_settings(kafka), "group.id": "test", "isolation.level": "read_uncommitted"}
        self._tail = Consumer(tail)

    def values(self) -> Counter[bytes]:
        return Counter(message.value() for message in self.messages())

    def wait_for_more(self, messages: int, writer: subprocess.Popen[Any]) -> bool:
        """Wait until about so many messages have been written, committed or not; False if the writer ended before."""
        end = self._written() + messages
        while self._written() < end:
            if writer.poll() is not None:
                return False
            time.sleep(0.01)
        return True

    def settle(self) -> None:
        """Wait until what a killed writer had on its way to the broker has arrived."""
        before = -1
        while before != self._written():
            before = self._written()
            time.sleep(0.5)

    def _written(self) -> int:
        return sum(self._tail.get_watermark_offsets(partition)[1] for partition in self._begin)

    def close(self) -> None:
        super().close()
        self._tail.close()
