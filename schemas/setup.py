"""Creates what the jobs rely on: Kafka topics and Elasticsearch templates, indices and aliases. Safe to repeat."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from connectors.elasticsearch import refuse_unwritable, session
from connectors.kafka.connection import refuse_missing
from connectors.kafka.topics import Topic as KafkaTopic
from connectors.kafka.topics import ensure_topics
from dmp.config import Config
from dmp.errors import UserError
from schemas.topics import DAY_MS, EVENTS_RAW, INDEXED, PROFILE_EDITS, TOPICS, Topic


def apply(config: Config) -> None:
    """Bring Kafka and Elasticsearch to the state of this version.

    Raises UserError when an existing index has another type for a field: mappings can grow, but not change.
    """
    ensure_topics(config.kafka, [_kafka_topic(topic, config) for topic in TOPICS])
    with session(config.elasticsearch) as client:
        for topic in INDEXED:
            _apply_index(client, str(topic.index), template(topic), config)
        _apply_index(client, PROFILE_EDITS, _template("profile_edits"), config)


def check(config: Config, job: str) -> None:
    """UserError when Kafka, or for the index job Elasticsearch, is not there or does not let us in.

    The clients within a job try for minutes, and say in its log alone why.
    """
    if job != "index":
        refuse_missing(config.kafka, [EVENTS_RAW.name])
        return
    refuse_missing(config.kafka, [topic.name for topic in INDEXED])
    with session(config.elasticsearch) as client:
        refuse_unwritable(client, config.elasticsearch, [str(topic.index) for topic in INDEXED])


def roles() -> dict[str, Any]:
    """Least-privilege roles of Elasticsearch by name, as its interface takes them; see docs/security.md."""
    text = files("schemas").joinpath("roles.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def template(topic: Topic) -> dict[str, Any]:
    """The index template of a topic with an Elasticsearch alias, as in `elasticsearch/<table>.json`."""
    return _template(topic.table)


def _template(name: str) -> dict[str, Any]:
    text = files("schemas").joinpath("elasticsearch", f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def _kafka_topic(topic: Topic, config: Config) -> KafkaTopic:
    if topic.kind == "upsert":
        # What a tombstone deletes is off the disk about a day later, not whenever half of a segment has become old.
        settings = {"cleanup.policy": "compact", "max.compaction.lag.ms": str(DAY_MS)}
    else:
        settings = {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
    return {"name": topic.name, "partitions": config.kafka.partitions, "config": settings}


def _apply_index(client: Elasticsearch, alias: str, body: dict[str, Any], config: Config) -> None:
    body["template"]["settings"].update(
        number_of_shards=config.elasticsearch.shards, number_of_replicas=config.elasticsearch.replicas
    )
    client.indices.put_index_template(name=alias, **body)
    if not client.indices.exists_alias(name=alias):
        client.indices.create(index=f"{alias}-000001", aliases={alias: {"is_write_index": True}})
        return
    try:
        client.indices.put_mapping(index=alias, write_index_only=True, **body["template"]["mappings"])
    except ApiError as error:
        raise UserError(
            f"Elasticsearch index behind {alias} does not fit this version ({error.message}): "
            f"create a new index behind the alias as docs/operations.md tells"
        ) from error
