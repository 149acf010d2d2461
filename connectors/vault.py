"""The vault in Kafka: its entries by message key, other keys for them, erasing, and the record of reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import orjson

from connectors.kafka.consumers import has_messages, latest, read_committed
from connectors.kafka.producers import Producer
from dmp.config import KafkaSection
from dmp.core.commands import Command, CommandParser
from dmp.core.timestamps import rfc3339
from dmp.core.vault import CONTACT_TYPES, Vault, message_key
from schemas.topics import COMMANDS, VAULT, VAULT_READS

BATCH = 5_000
"""Entries that one transaction rewrites: a second or so of the twenty that Kafka allows."""


def entries(kafka: KafkaSection, wait_for_open: bool = False) -> dict[bytes, bytes]:
    """What the vault holds now; with `wait_for_open` also what is being written. About 1 KB of memory an entry."""
    return latest(kafka, VAULT.name, wait_for_open)


def erased(kafka: KafkaSection, parser: CommandParser) -> set[bytes]:
    """Keys of the contacts that are erased by now."""
    commands = (parser.parse(record.value or b"") for record in read_committed(kafka, COMMANDS.name))
    return {
        message_key(command.a_type, command.a_id)
        for command in commands
        if isinstance(command, Command) and command.op == "erase" and command.a_type in CONTACT_TYPES
    }


def reseal(
    kafka: KafkaSection, vault: Vault, stale: Mapping[bytes, bytes], erased_now: Callable[[], set[bytes]]
) -> Iterator[int]:
    """Write the stale entries again under the current key; yields how many, batch by batch.

    Jobs go on writing meanwhile. A sighting that comes between brings the same original, so that it does not matter
    which of the two stays. An erasure that comes between must win, see `_write`. A second run shuts out the first.
    """
    producer = Producer(kafka, [VAULT.name], transactional_id="dmp.vault.rotate")
    left = iter(stale.items())
    while batch := dict(islice(left, BATCH)):
        yield _write(producer, {key: vault.reseal(entry) for key, entry in batch.items()}, erased_now)


class _Erased(Exception):
    """Some of what a transaction has written was erased meanwhile."""


def _write(producer: Producer, batch: dict[bytes, bytes], erased_now: Callable[[], set[bytes]]) -> int:
    """Write entries but for those of erased contacts; returns how many.

    An erasure is a command first and deletes the entry after that. So what was erased is looked up when the entries are
    in Kafka, but not yet committed: a later command deletes behind them, and an earlier one undoes them.
    """
    while True:
        try:
            with producer.transaction():
                for key, entry in batch.items():
                    producer.send(VAULT.name, entry, key)
                producer.flush()
                gone = erased_now() & batch.keys()
                if gone:
                    raise _Erased
            return len(batch)
        except _Erased:
            batch = {key: entry for key, entry in batch.items() if key not in gone}


def forget(kafka: KafkaSection, identifiers: Iterable[tuple[str, str]]) -> None:
    """Delete the entries of erased identifiers (type and id as stored), after the commands that erase them. In a vault
    that was never used there is nothing to delete."""
    if not has_messages(kafka, VAULT.name):
        return
    producer = Producer(kafka, [VAULT.name])
    for kind, pseudonym in identifiers:
        if kind in CONTACT_TYPES:
            producer.send(VAULT.name, None, message_key(kind, pseudonym))
    producer.flush()


def record_read(kafka: KafkaSection, at_ms: int, requested_by: str, kind: str, found: bool) -> None:
    """Write down that an original was asked for, and not whose. UserError when Kafka does not take it."""
    row = {"at": rfc3339(at_ms), "requested_by": requested_by, "type": kind, "found": found}
    producer = Producer(kafka, [VAULT_READS.name])
    producer.send(VAULT_READS.name, orjson.dumps(row))
    producer.flush()
