"""How the clients of both libraries get in, and what is said when they do not."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Optional, Union

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka.errors import KafkaError

from dmp.config import KafkaSection
from dmp.errors import UserError
from dmp.secrets import kafka_login

REACH_SECONDS = 5
"""A broker that has not answered after this time counts as away."""

# Both libraries log every failed connection attempt, where one UserError says it all.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
_SILENT = logging.getLogger("dmp.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def python_settings(kafka: KafkaSection) -> dict[str, Any]:
    """How kafka-python gets in."""
    settings = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "bootstrap_timeout_ms": REACH_SECONDS * 1000,
    }
    if kafka.security == "PLAINTEXT":
        return settings
    user, password = kafka_login(os.environ)
    return {
        **settings,
        "security_protocol": kafka.security,
        "ssl_cafile": str(kafka.ca_file),
        "sasl_mechanism": kafka.mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }


def silent_settings(kafka: KafkaSection) -> dict[str, Any]:
    """How librdkafka gets in; the settings that all its clients begin with."""
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "logger": _SILENT}
    if kafka.security == "PLAINTEXT":
        return settings
    user, password = kafka_login(os.environ)
    return {
        **settings,
        "security.protocol": kafka.security,
        "ssl.ca.location": str(kafka.ca_file),
        "sasl.mechanism": kafka.mechanism,
        "sasl.username": user,
        "sasl.password": password,
    }


def away(kafka: KafkaSection) -> UserError:
    """What to tell when Kafka does not answer, or lets nobody in; asks it once more which of them it is."""
    servers = kafka.bootstrap_servers
    refusal = None if kafka.security == "PLAINTEXT" else _refusal(kafka)
    if refusal == confluent_kafka.KafkaError._AUTHENTICATION:
        return UserError(
            f"Kafka at {servers} refuses the user or the password: mend DMP_KAFKA_USER, DMP_KAFKA_PASSWORD or its "
            "_FILE, or kafka.mechanism"
        )
    if refusal == confluent_kafka.KafkaError._SSL:
        return UserError(
            f"Kafka at {servers} shows no certificate that {kafka.ca_file} vouches for: mend kafka.ca_file, or the "
            "address in kafka.bootstrap_servers"
        )
    return UserError(
        f"Kafka does not answer at {servers}: start the stack with `dmp up`, or set kafka.bootstrap_servers"
    )


def _refusal(kafka: KafkaSection) -> Optional[int]:
    """Why a broker that is there lets nobody in. Clients try again and again and call it a timeout; librdkafka tells
    its callback why."""
    reasons: list[int] = []
    client = AdminClient({**silent_settings(kafka), "error_cb": lambda error: reasons.append(error.code())})
    with suppress(KafkaException):
        client.list_topics(timeout=REACH_SECONDS / 2)
    client.poll(0)
    told = (confluent_kafka.KafkaError._AUTHENTICATION, confluent_kafka.KafkaError._SSL)
    return next((reason for reason in reasons if reason in told), None)


def denied(kafka: KafkaSection, error: Union[KafkaError, str]) -> UserError:
    """What to tell when Kafka lets this user in, but not do that."""
    return UserError(
        f"Kafka at {kafka.bootstrap_servers} does not let this user do that ({error}): give it the rights that "
        "docs/security.md lists"
    )


def no_topic(kafka: KafkaSection, topic: str) -> UserError:
    """What to tell when there is no such topic, or this user does not see it."""
    hidden = "" if kafka.security == "PLAINTEXT" else ", or this user may not see it: see docs/security.md"
    servers = kafka.bootstrap_servers
    return UserError(f"Kafka at {servers} has no topic {topic}: create the topics with `dmp up`{hidden}")


def partitions_of(
    client: Union[confluent_kafka.Producer, confluent_kafka.Consumer, AdminClient], kafka: KafkaSection, topic: str
) -> int:
    """How many there are. UserError if the broker does not answer or has no such topic."""
    try:
        existing = client.list_topics(timeout=REACH_SECONDS).topics
    except KafkaException as error:
        raise away(kafka) from error
    if topic not in existing:
        raise no_topic(kafka, topic)
    return len(existing[topic].partitions)


def refuse_missing(kafka: KafkaSection, topics: Sequence[str]) -> None:
    """UserError if the broker does not answer, lets us not in, or lacks one of the topics."""
    client = AdminClient(silent_settings(kafka))
    for topic in topics:
        partitions_of(client, kafka, topic)
