"""Reading topics with what Kafka makes of them in time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka.record import MemoryRecords

from connectors.kafka.consumers import read_committed
from connectors.kafka.topics import ensure_topics
from tests.compaction import AT_ONCE
from tests.stacks import StackUnderTest
from tests.waiting import wait_for


def batches(stack: StackUnderTest, topic: str) -> Iterator[Any]:
    """What lies on the disk: no client shows control batches."""
    for file in (stack.config.stack.data_dir / "kafka" / "data" / f"{topic}-0").glob("*.log"):
        with suppress(FileNotFoundError):  # replaced by its compacted form
            records = MemoryRecords(file.read_bytes())
            while (batch := records.next_batch()) is not None:
                yield batch


@pytest.mark.stack
def test_a_marker_that_compaction_has_emptied_is_read_over(stack: StackUnderTest) -> None:
    """A job that was killed leaves a transaction, its successor aborts it, and compaction comes a day later."""
    topic = f"test-{uuid.uuid4().hex}"
    settings = {"cleanup.policy": "compact", **AT_ONCE}
    ensure_topics(stack.config.kafka, [{"name": topic, "partitions": 1, "config": settings}])
    servers = {"bootstrap.servers": stack.config.kafka.bootstrap_servers}
    killed, successor = (Producer({**servers, "transactional.id": topic}) for _ in range(2))
    killed.init_transactions()
    killed.begin_transaction()
    killed.produce(topic, key=b"a", value=b"aborted")
    assert killed.flush(60) == 0
    successor.init_transactions()
    others = Producer(servers)

    def emptied() -> bool:
        others.produce(topic, key=b"a", value=b"last")
        assert others.flush(60) == 0
        return any(batch.is_control_batch and not list(batch) for batch in batches(stack, topic))

    wait_for("compaction", emptied, 120, pause_seconds=0.5)
    values = [record.value for record in read_committed(stack.config.kafka, topic)]
    assert set(values) == {b"last"}
