"""Erasing a person: what Elasticsearch knows of it, when that has gone, and the record of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

import orjson
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import scan

from connectors.elasticsearch import AWAY
from connectors.kafka.producers import Producer
from connectors.stop import StopRequest
from dmp.config import KafkaSection
from dmp.core.identifiers import IDENTIFIER_TYPES
from dmp.core.timestamps import rfc3339
from schemas.topics import ERASURES, IDENTITIES, MERGES, PROFILES, REFUSED, Topic

Identifier = tuple[str, str]
"""Type and id as stored."""

TERMS = 10_000  # of one query; Elasticsearch allows 65,536
POLL_SECONDS = 0.5


class Person(NamedTuple):
    """What is known of the person that an identifier belongs to.

    identifiers: all of them, the strongest type first; only the one asked for when Elasticsearch does not know it, and
    then `profile_id` is None. identities: `_id`s in dmp-identities. profile: the document of dmp-profiles, None when
    there is none. merges, refused: how many documents there mention one of the identifiers.
    """

    identifiers: Sequence[Identifier]
    profile_id: Optional[str]
    identities: Sequence[str]
    profile: Optional[dict[str, Any]]
    merges: int
    refused: int

    def counts(self) -> dict[str, int]:
        """How many identifiers of each type, 0 included."""
        counter = Counter(kind for kind, _ in self.identifiers)
        return {kind: counter[kind] for kind in IDENTIFIER_TYPES}


def find_person(client: Elasticsearch, identifier: Identifier) -> Person:
    """The person of an identifier."""
    asked = {"bool": {"filter": [{"term": {"type": identifier[0]}}, {"term": {"id": identifier[1]}}]}}
    profile_id = next((hit["_source"]["profile_id"] for hit in _hits(client, IDENTITIES, asked)), None)
    same = {"term": {"profile_id": profile_id}} if profile_id else {"match_none": {}}
    identities = {hit["_id"]: _identifier(hit["_source"]) for hit in _hits(client, IDENTITIES, same)}
    identifiers = sorted({identifier, *identities.values()}, key=_by_strength)
    names = [f"{kind}:{value}" for kind, value in identifiers]
    return Person(
        identifiers,
        profile_id,
        list(identities),
        next((hit["_source"] for hit in _hits(client, PROFILES, same)), None),
        _mentions(client, MERGES, ("identifier", "other"), names),
        _mentions(client, REFUSED, ("a", "b"), names),
    )


def _identifier(row: dict[str, str]) -> Identifier:
    return row["type"], row["id"]


def _by_strength(identifier: Identifier) -> tuple[int, str]:
    return IDENTIFIER_TYPES.index(identifier[0]), identifier[1]


def _hits(client: Elasticsearch, topic: Topic, query: dict[str, Any], source: bool = True) -> Iterable[Any]:
    return scan(client, index=topic.index, query={"query": query, "_source": source})


def _mentions(client: Elasticsearch, topic: Topic, fields: Sequence[str], names: Sequence[str]) -> int:
    """How many documents have one of the names in one of the fields."""
    found: set[str] = set()
    for start in range(0, len(names), TERMS):
        some = names[start : start + TERMS]
        query = {"bool": {"should": [{"terms": {field: some}} for field in fields]}}
        found.update(hit["_id"] for hit in _hits(client, topic, query, source=False))
    return len(found)


def wait_until_gone(client: Elasticsearch, person: Person, seconds: float, stop: StopRequest) -> int:
    """How many identities and profiles of the person a search still finds: 0 as soon as that is so.

    Otherwise after `seconds`, or when asked to stop. While Elasticsearch is away all of them count.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = _left(client, [*person.identities, *([person.profile_id] if person.profile else [])])
        if not left or stop.signal or time.monotonic() > deadline:
            return left
        time.sleep(POLL_SECONDS)


def _left(client: Elasticsearch, documents: Sequence[Optional[str]]) -> int:
    try:
        answer = client.count(index=f"{IDENTITIES.index},{PROFILES.index}", query={"ids": {"values": list(documents)}})
    except (ApiError, *AWAY):
        return len(documents)
    return int(answer["count"])


def record(
    kafka: KafkaSection, person: Person, requested_by: str, asked_ms: int, gone_after_seconds: Optional[float]
) -> None:
    """Write down that a person was erased, without any of its identifiers. UserError when Kafka does not take it."""
    row = {
        "at": rfc3339(asked_ms),
        "requested_by": requested_by,
        "identifiers": person.counts(),
        "events": person.profile["events"] if person.profile else 0,
        "documents": {
            "identities": len(person.identities),
            "profiles": 1 if person.profile else 0,
            "merges": person.merges,
            "refused": person.refused,
        },
        "gone_after_seconds": gone_after_seconds,
    }
    producer = Producer(kafka, [ERASURES.name])
    producer.send(ERASURES.name, orjson.dumps(row))
    producer.flush()
