"""Topics as they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, TypedDict

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import AuthorizationError, KafkaError, TopicAuthorizationFailedError

from connectors.kafka.connection import away, denied, python_settings
from dmp.config import KafkaSection
from dmp.errors import UserError


class Topic(TypedDict):
    """A topic as it should be; `config` has Kafka's topic settings, e.g. {"cleanup.policy": "compact"}."""

    name: str
    partitions: int
    config: Mapping[str, str]


def ensure_topics(kafka: KafkaSection, topics: Sequence[Topic]) -> None:
    """Create the topics that are missing and set the configuration of those that exist. Harmless to repeat.

    The number of partitions of an existing topic stays, because a change would move keys to other partitions:
    UserError if it differs from what is wanted. UserError, too, if the broker is away or refuses a setting.
    """
    with closing(_admin(kafka)) as admin:
        try:
            existing = set(admin.list_topics())
            missing = {
                topic["name"]: {"num_partitions": topic["partitions"], "configs": dict(topic["config"])}
                for topic in topics
                if topic["name"] not in existing
            }
            if missing:
                _create(admin, missing)
            _update(admin, [topic for topic in topics if topic["name"] in existing])
        except AuthorizationError as error:
            raise denied(kafka, error) from error
        except KafkaError as error:
            raise UserError(f"Kafka at {kafka.bootstrap_servers} cannot set up the topics: {error}") from error


def _create(admin: KafkaAdminClient, missing: Mapping[str, Any]) -> None:
    answers = admin.create_topics(missing, raise_errors=False)["topics"]  # another process may be creating them, too
    denied = [answer["name"] for answer in answers if answer["error_code"] == TopicAuthorizationFailedError.errno]
    if denied:
        raise TopicAuthorizationFailedError(", ".join(denied))
    admin.wait_for_topics(list(missing))


def _update(admin: KafkaAdminClient, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics([t["name"] for t in topics])}
    for topic in topics:
        name, wanted = topic["name"], topic["partitions"]
        if found[name] != wanted:
            raise UserError(
                f"topic {name} has {found[name]} partitions but {wanted} are configured: set kafka.partitions to "
                f"{found[name]}, or start anew with `dmp down --purge`"
            )
    configured = [ConfigResource("TOPIC", topic["name"], dict(topic["config"])) for topic in topics if topic["config"]]
    if configured:
        try:
            admin.alter_configs(configured)
        except ValueError as error:  # it looks up what settings there are, and is shown none without the right to
            raise TopicAuthorizationFailedError(str(error)) from None


def _admin(kafka: KafkaSection) -> KafkaAdminClient:
    try:
        return KafkaAdminClient(**python_settings(kafka))
    except KafkaError as error:
        raise away(kafka) from error
