"""The events that are measured: mixes of links between identifiers, as clean rows and as raw messages in Kafka.

An event draws its person, and one of the person's devices and cookies; every fifth has a login. In `all-new` a person
has ten events and nearly every link is new, in `steady` four of five were seen before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, NamedTuple, Optional

import orjson
from confluent_kafka import Producer

from bench.topics import ends
from connectors.kafka.connection import silent_settings
from connectors.kafka.topics import Topic, ensure_topics
from dmp.config import KafkaSection
from dmp.core.timestamps import rfc3339

FIRST_MS = 1_740_000_000_000
EVENTS_A_SECOND = 5_000
LOGINS = 0.2
"""The share of events that have one."""


class Mix(NamedTuple):
    """What events are drawn from. A person has as many devices as cookies, by default 3, thus up to 15 links.

    An event is of anybody, or with `recent` of one of so many persons, whose place others take: then the last events
    bring as much that is new as the first.
    """

    events_per_person: float
    devices: int = 3
    campaigns: int = 0  # besides the usual one
    recent: int = 0

    def persons(self, events: int) -> int:
        return max(1, round(events / self.events_per_person))

    @property
    def links(self) -> int:
        """The links of a person who was seen often enough: devices with cookies, and either with the login."""
        return self.devices**2 + 2 * self.devices

    def identifiers(self, events: int, of: int) -> int:
        """How many different ones the first so many of all events have, on average."""
        persons = self.persons(of)
        each = persons * self.devices
        return round(2 * _distinct(each, events) + _distinct(persons, LOGINS * events))

    def person(self, random: Random, number: int, of: int) -> int:
        """Whose event the one of this number, of so many, is; from 1 on, as a login of zeros only would be blocked."""
        if self.recent:
            return 1 + int(number / self.events_per_person) + random.randrange(self.recent)
        return 1 + random.randrange(self.persons(of))


def _distinct(values: int, draws: float) -> float:
    """How many of so many values come up in so many draws, on average."""
    return values * (1 - (1 - 1 / values) ** draws) if values > 1 else 1.0


MIXES = {"steady": Mix(200 / 3), "all-new": Mix(10)}
KINDS = [
    {"type": "page", "event": "page"},
    {"type": "screen", "event": "screen", "campaign": "spring", "campaign_source": "mail"},
    {"type": "track", "event": "Product Viewed"},
    {"type": "track", "event": "Order Completed"},
]

REPEATED, MALFORMED, LATE = 0.02, 0.01, 0.02
"""Shares of the raw messages: those that come again, are cut off, or come up to a minute late."""
LATE_MS = 60_000
SHARES = (4, 3, 2, 1)
"""Partitions of a backlog hold different amounts: how many of ten messages go into each."""


class RawTopic(NamedTuple):
    name: str
    messages: int


def make_events(random: Random, count: int, mix: Mix) -> Iterator[dict[str, Any]]:
    """Clean events, with the columns of dmp.events.clean that are not null."""
    for number in range(count):
        person = mix.person(random, number, count)
        event = {
            "event_ms": FIRST_MS + number * 1000 // EVENTS_A_SECOND,
            "late": False,
            "channel": random.choice(["web", "app", "store"]),
            "device_kind": random.choice(["desktop", "mobile"]),
            "device_id": f"{person:08x}-d{random.randrange(mix.devices)}",
            "anonymous_id": f"{person:08x}-c{random.randrange(mix.devices)}",
            **random.choice(KINDS),
        }
        if mix.campaigns:
            event.update(campaign=f"campaign {random.randrange(mix.campaigns)}", campaign_source="mail")
        if event["event"] == "Order Completed":
            event["revenue_micros"] = random.randrange(100_000_000)
        event["subject_type"], event["subject_id"] = "device_id", event["device_id"]
        if random.random() < LOGINS:
            event["user_id"] = f"{person:08x}"
            event["subject_type"], event["subject_id"] = "user_id", event["user_id"]
        yield event


AGENTS = {
    "desktop": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0",
    "mobile": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537.36",
}


def raw_event(event: dict[str, Any], number: int) -> bytes:
    """The message that is cleaned into `event`; some 450 bytes."""
    page = {"url": f"https://shop.example.com/p/{number % 500}", "title": "Running shoes"}
    context = {"channel": event["channel"], "device": {"id": event["device_id"]}, "page": page,
               "userAgent": AGENTS[event["device_kind"]], "ip": f"10.{number % 200}.{number % 100}.7"}  # fmt: skip
    raw: dict[str, Any] = {"type": event["type"], "messageId": f"m-{number:012}"}
    if event["type"] == "track":
        raw["event"] = event["event"]
    if "campaign" in event:
        context["campaign"] = {"name": event["campaign"], "source": event["campaign_source"]}
    if "user_id" in event:
        raw["userId"] = event["user_id"]
    properties: dict[str, Any] = {"product_id": f"P{number % 997}"}
    if "revenue_micros" in event:
        properties.update(revenue=event["revenue_micros"] / 1_000_000, currency="CNY")
    raw.update(anonymousId=event["anonymous_id"], timestamp=rfc3339(event["event_ms"]))
    return orjson.dumps({**raw, "properties": properties, "context": context})


def raw_messages(mix: Mix, count: int, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """(partition, message): `count` messages in the order of their arrival."""
    random = Random(seed)
    chosen = random.choices(range(len(SHARES)), SHARES, k=count)
    recent: list[bytes] = []
    for number, event in enumerate(make_events(random, count, mix)):
        chance = random.random()
        if chance < REPEATED and recent:
            value = random.choice(recent)
        else:
            if chance > 1 - LATE:
                event["event_ms"] -= random.randrange(LATE_MS)
            value = raw_event(event, number)
            if REPEATED <= chance < REPEATED + MALFORMED:
                value = value[:-40]
            elif len(recent) < 1000:
                recent.append(value)
            else:
                recent[number % 1000] = value
        yield chosen[number], value


def send(kafka: KafkaSection, name: str, mix: Mix, messages: int) -> RawTopic:
    """Send the messages of a mix into a topic of their own."""
    raw = RawTopic(f"bench.{name}.{messages}", messages)
    produce(kafka, raw, ((partition, None, value) for partition, value in raw_messages(mix, messages)))
    return raw


def produce(kafka: KafkaSection, raw: RawTopic, messages: Iterable[tuple[int, Optional[bytes], bytes]]) -> None:
    """Send (partition, key, value) into a new topic; when it has them already, it stays as it is."""
    ensure_topics(kafka, [Topic(name=raw.name, partitions=len(SHARES), config={})])
    if ends(kafka, [raw.name])[raw.name] == raw.messages:
        return
    producer = Producer({**silent_settings(kafka), "compression.type": "lz4", "linger.ms": 20, "acks": "all"})
    for partition, key, value in messages:
        while True:
            try:
                producer.produce(raw.name, value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120) or ends(kafka, [raw.name])[raw.name] != raw.messages:
        raise SystemExit(f"{raw.name} does not hold {raw.messages} messages: delete it, and try again")
