"""The vault with the real job and Kafka: keys are replaced while events come, nothing is lost, no erasure is undone."""

from __future__ import annotations

import base64
import json
import threading
import uuid

import pytest

from connectors.commands import send as send_commands
from connectors.kafka.producers import Producer
from connectors.vault import entries, erased, forget, reseal
from dmp.core.commands import Command, CommandParser
from dmp.core.privacy import PrivacyKeys
from dmp.core.vault import Vault, VaultKeys, key_id_of, message_key
from schemas.topics import COMMANDS, VAULT
from tests.pipeline.platform import Platform, wait_for
from tests.stacks import VAULT_KEY

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:12]
BLOCK = 500
OLD_KEY, NEW_KEY = VAULT_KEY, base64.b64encode(b"the vault key that comes next 32").decode()
OLD, NEW = (Vault(VaultKeys(base64.b64decode(key))) for key in (OLD_KEY, NEW_KEY))


def addresses(block: int) -> list[str]:
    return [f"v{block}-{number}@{RUN}.example.com" for number in range(BLOCK)]


def send(platform: Platform, block: int) -> None:
    """A block of events, each with an e-mail of its own."""
    known = {"type": "identify", "timestamp": "2026-05-03T10:00:00Z", "userId": f"v-{RUN}-{block}"}
    platform.send([json.dumps({**known, "traits": {"email": address}}).encode() for address in addresses(block)])


def originals(platform: Platform, vault: Vault) -> set[str]:
    """Those of this test that are under the current key of `vault`."""
    found = entries(platform.stack.config.kafka).values()
    return {text for entry in found if key_id_of(entry) == vault.current_id if RUN in (text := vault.open(entry))}


def opens(vault: Vault, entry: bytes) -> bool:
    try:
        return bool(vault.open(entry))
    except ValueError:
        return False


@pytest.mark.usefixtures("vault_job")
def test_keys_are_replaced_while_events_come_and_no_original_is_lost(platform: Platform) -> None:
    send(platform, 0)
    wait_for("originals", lambda: originals(platform, OLD) == set(addresses(0)))
    copies = list(entries(platform.stack.config.kafka).values())  # as in a backup
    sent, ended = [0], threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            sent.append(len(sent))
            send(platform, sent[-1])
            ended.wait(0.5)

    events = threading.Thread(target=go_on)
    events.start()
    try:
        wait_for("events before", lambda: len(sent) > 2)
        told = platform.dmp("vault", "rotate", DMP_VAULT_KEY=NEW_KEY, DMP_VAULT_OLD_KEYS=OLD_KEY)
        before = len(sent)
        wait_for("events after", lambda: len(sent) > before + 1)
    finally:
        ended.set()
        events.join()
    assert "0 under others" in told
    expected = {address for block in sent for address in addresses(block)}
    wait_for("all originals under the new key", lambda: originals(platform, NEW) == expected)
    assert not originals(platform, OLD)
    # With the old key destroyed, nothing that was copied before can be read.
    assert copies and not any(opens(NEW, copy) for copy in copies)

    back = {"DMP_VAULT_KEY": OLD_KEY, "DMP_VAULT_OLD_KEYS": NEW_KEY}
    told = platform.dmp("vault", "rotate", **back)
    assert "0 under others" in told and originals(platform, OLD) == expected
    assert platform.dmp("vault", "rotate", **back) == told


def test_an_erasure_in_the_midst_of_a_rotation_is_not_undone(platform: Platform) -> None:
    config = platform.stack.config
    parser = CommandParser(config.cleaning_rules(), PrivacyKeys(config.local_pii_key_file.read_bytes()))
    kept, gone = parser.identifier(f"email:kept@{RUN}.example.com"), parser.identifier(f"email:gone@{RUN}.example.com")
    stale = {message_key(*named): OLD.seal(*named, f"of {RUN}") for named in (kept, gone)}
    producer = Producer(config.kafka, [VAULT.name])
    for key, entry in stale.items():
        producer.send(VAULT.name, entry, key)
    producer.flush()

    # After the rotation has read what it is to write, and before it has written it. (The job does not run here.)
    send_commands(config.kafka, COMMANDS.name, [Command(1_700_000_000_000, "erase", *gone, None, None)])
    forget(config.kafka, [gone])
    both = Vault(VaultKeys(base64.b64decode(NEW_KEY), (base64.b64decode(OLD_KEY),)))
    assert list(reseal(config.kafka, both, stale, lambda: erased(config.kafka, parser))) == [1]
    left = entries(config.kafka)
    assert message_key(*gone) not in left and NEW.open(left[message_key(*kept)]) == f"of {RUN}"
    forget(config.kafka, [kept])
