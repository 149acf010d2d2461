"""Models on their way to the job that scores with them: dmp.cluster_models."""

from __future__ import annotations

from datetime import datetime, timezone

import orjson

from connectors.kafka.producers import Producer
from dmp.config import KafkaSection
from dmp.core.clusters import Model

NAME = "clusters"


def publish(kafka: KafkaSection, topic: str, model: Model) -> None:
    """Make `model` the one that the job uses; UserError if Kafka is away."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    row = {"name": NAME, "version": model.version, "published_at": now, "document": model.to_json()}
    producer = Producer(kafka, [topic])
    producer.send(topic, orjson.dumps(row), key=orjson.dumps({"name": NAME}))
    producer.flush()
