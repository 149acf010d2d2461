"""The vault: sealing, opening, other keys."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from dmp.core.vault import CONTACT_TYPES, Vault, VaultKeys, key_id, key_id_of, message_key

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
PSEUDONYM, OTHER = "a" * 64, "b" * 64
EMAIL = "ann@example.com"
VAULT, BEFORE, BOTH = Vault(VaultKeys(KEY)), Vault(VaultKeys(OTHER_KEY)), Vault(VaultKeys(KEY, (OTHER_KEY,)))


def changed(entry: bytes, **fields: object) -> bytes:
    return json.dumps({**json.loads(entry), **fields}).encode()


def test_keys_of_wrong_length_are_refused_without_showing_them() -> None:
    for wrong in (lambda: VaultKeys(b"short"), lambda: VaultKeys(KEY, (b"short",))):
        with pytest.raises(ValueError, match="a vault key has 5 bytes; AES-256 needs 32") as caught:
            wrong()
        assert "short" not in str(caught.value)
    assert "kkk" not in repr(VaultKeys(KEY, (KEY,)))


def test_an_entry_is_the_same_each_time_and_shows_nothing() -> None:
    entry = VAULT.seal("email", PSEUDONYM, EMAIL)
    assert entry == BOTH.seal("email", PSEUDONYM, EMAIL) != BEFORE.seal("email", PSEUDONYM, EMAIL)
    assert set(json.loads(entry)) == {"type", "id", "key_id", "sealed"}
    assert b"ann" not in entry + base64.b64decode(json.loads(entry)["sealed"])


def test_the_key_is_named_without_telling_it() -> None:
    assert key_id_of(VAULT.seal("email", PSEUDONYM, EMAIL)) == VAULT.current_id == key_id(KEY)
    assert key_id(KEY) != key_id(OTHER_KEY) and len(key_id(KEY)) == 16
    assert key_id(bytes(range(32))) == "148951485022877e"


def test_it_is_plain_aes_gcm_that_any_tool_can_open() -> None:
    data = base64.b64decode(json.loads(VAULT.seal("email", PSEUDONYM, EMAIL))["sealed"])
    place = b'{"type":"email","id":"' + PSEUDONYM.encode() + b'"}'
    assert place == message_key("email", PSEUDONYM)
    assert AESGCM(KEY).decrypt(data[:12], data[12:], place) == EMAIL.encode()


def test_different_originals_and_types_never_share_a_nonce() -> None:
    entries = [VAULT.seal(kind, PSEUDONYM, f"value {n}") for n in range(500) for kind in CONTACT_TYPES]
    assert len({base64.b64decode(json.loads(entry)["sealed"])[:12] for entry in entries}) == 1000


def test_an_old_key_opens_and_the_new_one_alone_opens_what_was_sealed_again() -> None:
    old = BEFORE.seal("email", PSEUDONYM, EMAIL)
    assert BOTH.is_stale(old) and BOTH.open(old) == EMAIL
    new = BOTH.reseal(old)
    assert new == BOTH.reseal(new) == VAULT.seal("email", PSEUDONYM, EMAIL)
    assert not BOTH.is_stale(new) and VAULT.open(new) == EMAIL


def test_what_is_under_a_key_that_is_not_given_is_unreadable() -> None:
    """So destroying a key shreds all that was ever under it, copies and backups included."""
    old = BEFORE.seal("email", PSEUDONYM, EMAIL)
    assert not VAULT.is_stale(old)
    with pytest.raises(ValueError, match=f"under the key {key_id(OTHER_KEY)}, which is not among the given"):
        VAULT.open(old)
    with pytest.raises(ValueError, match="was changed"):
        VAULT.open(changed(old, key_id=key_id(KEY)))


@pytest.mark.parametrize("change", [{"id": OTHER}, {"type": "phone"}, {"sealed": "AAAA"}, {"sealed": "~"}])
def test_an_entry_opens_in_its_own_place_and_unchanged_only(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="this entry of the vault was changed"):
        VAULT.open(changed(VAULT.seal("email", PSEUDONYM, EMAIL), **change))


NEARLY = st.from_regex(r'\{"type":"email","id":"x","key_id": ?(1|"1"|\[\]), ?"sealed": ?("[A-Za-z=]*"|1|null)\}')


@given(st.one_of(st.binary(), NEARLY.map(str.encode)))
@example(b"[]")
@example(b'"key_id"')
@example(b'{"type":"email","id":"x","key_id":[],"sealed":""}')
def test_what_is_no_entry_is_refused_with_one_error(entry: bytes) -> None:
    for read in (VAULT.open, VAULT.reseal, VAULT.is_stale):
        with contextlib.suppress(ValueError):
            assert not read(entry)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(original: str) -> None:
    assert BOTH.open(BOTH.reseal(BEFORE.seal("phone", PSEUDONYM, original))) == original
