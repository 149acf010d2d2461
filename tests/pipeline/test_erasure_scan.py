"""After `dmp erase` no byte of a person is left in Elasticsearch's documents and, once Kafka has compacted them, in the
upsert topics, the vault among them."""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from elasticsearch.helpers import scan

from connectors.vault import entries
from dmp.core.vault import Vault, message_key
from dmp.secrets import require_vault_keys
from schemas.topics import IDENTITIES, INDEXED, MERGES, PROFILE_EDITS, PROFILES, REFUSED, TOPICS, VAULT, VAULT_READS
from tests.compaction import AT_ONCE
from tests.pipeline.platform import Platform, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("vault_job")]

RUN = uuid.uuid4().hex[:12]
LOGIN, COOKIE, DEVICE = f"gone-u-{RUN}", f"gone-c-{RUN}", f"gone-d-{RUN}"
EMAIL, PHONE = f"gone@{RUN}.example.com", f"+86138{int(RUN, 16) % 10**8:08d}"
CONTACTS = {"email": EMAIL, "phone": PHONE}
TRAIT, EDIT = f"trait-{RUN}", f"edit-{RUN}"
#: Topics that hold identifiers or traits, with a key of nobody for each.
COMPACTED = {
    IDENTITIES: {"type": "user_id", "id": f"filler-{RUN}"},
    PROFILES: {"profile_id": f"filler-{RUN}"},
    MERGES: {"change": f"filler-{RUN}"},
    REFUSED: {"a": f"user_id:filler-{RUN}", "b": f"device_id:filler-{RUN}"},
    VAULT: {"type": "email", "id": f"filler-{RUN}"},
}


def event(number: int, **fields: object) -> bytes:
    when = f"2026-05-02T10:00:{number:02d}Z"
    return json.dumps({"type": "identify", "messageId": f"{RUN}-e{number}", "timestamp": when, **fields}).encode()


def pseudonym(platform: Platform, value: str) -> str:
    return hmac.digest(platform.stack.config.local_pii_key_file.read_bytes(), value.encode(), "sha256").hex()


def needles(platform: Platform) -> list[bytes]:
    """Everything by which the person could be found."""
    pseudonyms = [pseudonym(platform, value) for value in CONTACTS.values()]
    return [text.encode() for text in (LOGIN, COOKIE, DEVICE, EMAIL, PHONE, PHONE[3:], *pseudonyms, TRAIT, EDIT)]


def sealed(platform: Platform) -> list[bytes]:
    """The ciphertexts of the person's e-mail and phone that the vault has; each opens to the original."""
    vault, found = Vault(require_vault_keys(platform.stack.env)), entries(platform.stack.config.kafka)
    originals = {message_key(kind, pseudonym(platform, value)): value for kind, value in CONTACTS.items()}
    own = {key: found[key] for key in originals if key in found}
    assert all(vault.open(entry) == originals[key] for key, entry in own.items())
    return [json.loads(entry)["sealed"].encode() for entry in own.values()]


def documents(platform: Platform, wanted: list[bytes]) -> list[str]:
    """Documents of all indices, with their ids, that have one of the needles."""
    aliases = ",".join([*(str(topic.index) for topic in INDEXED), PROFILE_EDITS])
    platform.search.indices.refresh(index=aliases)
    hits = (json.dumps(hit, ensure_ascii=False) for hit in scan(platform.search, index=aliases, size=5_000))
    return [hit for hit in hits if any(needle in hit.encode() for needle in wanted)]


def messages(platform: Platform, wanted: list[bytes]) -> list[str]:
    """Messages of all upsert topics, old and new, that have one of the needles in their key or value."""
    return [
        f"{topic.name}: {message.key!r}"
        for topic in TOPICS
        if topic.kind == "upsert"
        for message in platform.topic(topic.name)
        if any(needle in (message.key or b"") + (message.value or b"") for needle in wanted)
    ]


@contextmanager
def compaction_at_once(platform: Platform) -> Iterator[None]:
    admin = AdminClient({"bootstrap.servers": platform.stack.config.kafka.bootstrap_servers})

    def alter(operation: AlterConfigOpType) -> None:
        settings = [ConfigEntry(name, value, incremental_operation=operation) for name, value in AT_ONCE.items()]
        topics = [topic.name for topic in COMPACTED]
        changes = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=settings) for name in topics]
        for future in admin.incremental_alter_configs(changes).values():
            future.result()

    alter(AlterConfigOpType.SET)
    try:
        yield
    finally:
        alter(AlterConfigOpType.DELETE)


def write_fillers(platform: Platform) -> None:
    """A tombstone of nobody into each partition: Kafka ends a segment only when something is written."""
    producer = Producer({"bootstrap.servers": platform.stack.config.kafka.bootstrap_servers, "acks": "all"})
    for topic, key in COMPACTED.items():
        for partition in range(platform.stack.config.kafka.partitions):
            producer.produce(topic.name, key=json.dumps(key).encode(), value=None, partition=partition)
    assert producer.flush(60) == 0


def test_no_byte_of_an_erased_person_is_left(platform: Platform) -> None:
    wanted = needles(platform)
    platform.send([
        event(1, userId=LOGIN, anonymousId=COOKIE, traits={"email": EMAIL, "phone": PHONE, "note": TRAIT}),
        event(2, userId=LOGIN, context={"device": {"id": DEVICE}}),
        event(3, userId=f"other-{RUN}", context={"device": {"id": DEVICE}}),  # a shared device: its links are refused
    ])  # fmt: skip
    wait_for("the person", lambda: ("user_id", LOGIN) in platform.identities())
    platform.dmp("profile", "set", f"user_id:{LOGIN}", f"note={EDIT}")
    platform.assert_exact()
    expected = {topic.name for topic in COMPACTED}
    wait_for("all topics", lambda: {name.split(":")[0] for name in messages(platform, wanted)} == expected)
    wait_for("both originals", lambda: len(sealed(platform)) == 2)
    wanted += sealed(platform)
    assert platform.dmp("vault", "show", f"email:{pseudonym(platform, EMAIL)}") == f"{EMAIL}\n"
    assert platform.dmp("vault", "show", f"phone:{PHONE}") == f"{PHONE}\n"
    wait_for("its profile", lambda: any(TRAIT in document for document in documents(platform, wanted)))

    platform.dmp("erase", f"user_id:{LOGIN}", "--yes", "--timeout", "180")
    # At once, whatever the jobs do, and for sightings that come later, too.
    assert not sealed(platform)
    shown = platform.stack.dmp("vault", "show", f"email:{EMAIL}")
    assert (shown.returncode, shown.stdout) == (1, "") and "no original" in shown.stderr
    reads = [json.loads(message.value) for message in platform.topic(VAULT_READS.name)]
    reads.sort(key=lambda row: str(row["at"]))  # the topic has several partitions
    assert [(row["type"], row["found"]) for row in reads] == [("email", True), ("phone", True), ("email", False)]
    platform.send([event(4, userId=f"late-{RUN}", traits={"email": EMAIL, "phone": PHONE})])
    wait_for("the device's new person", lambda: ("device_id", DEVICE) in platform.identities())
    platform.dmp("erase", f"device_id:{DEVICE}", "--yes", "--timeout", "180")  # nobody's, so not among the person's
    wait_for("the end of all documents", lambda: not documents(platform, wanted))

    def compacted() -> bool:
        write_fillers(platform)
        return not messages(platform, wanted)

    with compaction_at_once(platform):
        wait_for("the end of all messages", compacted)
    platform.assert_exact()
