"""Commands about identities on their way to the jobs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import nullcontext

from connectors.kafka.producers import Producer
from dmp.config import KafkaSection
from dmp.core.commands import Command, message


def send(kafka: KafkaSection, topic: str, commands: Sequence[Command]) -> None:
    """Write commands, acknowledged by all replicas; several become visible together or not at all.

    The key is identifier a, so that the commands with the same one stay in order. UserError when Kafka is away, has no
    such topic or does not take them.
    """
    together = len(commands) > 1
    producer = Producer(kafka, [topic], transactional_id=f"dmp.commands.{uuid.uuid4()}" if together else None)
    with producer.transaction() if together else nullcontext():
        for command in commands:
            producer.send(topic, message(command), f"{command.a_type}:{command.a_id}".encode())
    producer.flush()
