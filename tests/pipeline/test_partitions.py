"""Kafka's own Java client, by which Flink writes, chooses the partitions that our murmur2 tells."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from connectors.partitioning import murmur2
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack


def test_flink_s_messages_lie_where_murmur2_says(platform: Platform) -> None:
    run = uuid.uuid4().hex[:12]
    people = [f"partition-{run}-{number}-" + "语" * (number % 4) for number in range(40)]
    same = {"type": "track", "event": "Page Read", "timestamp": "2026-05-01T10:00:00Z"}
    platform.send([json.dumps({**same, "messageId": name, "userId": name}).encode() for name in people])
    partitions = platform.stack.config.kafka.partitions
    wait_for("clean events", lambda: {*people} <= {json.loads(one.value)["user_id"] for one in clean(platform)})
    found = clean(platform)
    assert len({record.partition for record in found}) == partitions
    assert all(record.partition == murmur2(record.key, partitions) for record in found)


def clean(platform: Platform) -> list[Any]:
    """Clean events that have a key."""
    return [record for record in platform.topic("dmp.events.clean") if record.key is not None]
