"""The vault: originals of e-mails and phones, AES-256-GCM, one entry for each pseudonym.

Every entry names the key that it is under, so that keys can be replaced while old entries are still read.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
CONTACT_TYPES = ("email", "phone")

_NONCE_BYTES = 12  # NIST SP 800-38D's recommended length for AES-GCM
_ID_DIGITS = 16
_FIELDS = ("type", "id", "key_id", "sealed")


@dataclass(frozen=True)
class VaultKeys:
    """The keys of the vault, 32 bytes each; their values never appear in its repr. Raises ValueError, one line.

    current: seals, and opens. old: open only.
    """

    current: bytes = field(repr=False)
    old: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for key in (self.current, *self.old):
            if len(key) != KEY_BYTES:
                raise ValueError(f"a vault key has {len(key)} bytes; AES-256 needs {KEY_BYTES}")


def key_id(key: bytes) -> str:
    """16 hex digits that tell keys apart and nothing of them. Derived, so that no key can stand under a wrong name."""
    return hmac.digest(key, b"dmp vault key id", "sha256").hex()[:_ID_DIGITS]


def message_key(kind: str, pseudonym: str) -> bytes:
    """The key of an entry's message, byte for byte as jobs/vault.sql writes it: a contact has one home in the topic."""
    return orjson.dumps({"type": kind, "id": pseudonym})


class Vault:
    """Seals originals under the current key, and opens entries under any of the keys.

    The nonce is not random but the first 12 bytes of HMAC-SHA256 over type and original, under a key derived from the
    vault key (a synthetic IV as in RFC 5297). So an original gives the same entry each time it comes, and no nonce
    comes twice for different ones but by a collision of 96 bits. Equal originals show as equal, which their
    pseudonyms show already. Type and pseudonym are authenticated: an entry opens in its own place only.
    """

    def __init__(self, keys: VaultKeys) -> None:
        self.current_id = key_id(keys.current)
        self._nonce_key = hmac.digest(keys.current, b"dmp vault nonce", "sha256")
        self._ciphers = {key_id(key): AESGCM(key) for key in (*keys.old, keys.current)}

    def seal(self, kind: str, pseudonym: str, original: str) -> bytes:
        """The entry, JSON {type, id, key_id, sealed}; `sealed` is base64 of nonce, ciphertext and tag."""
        plain = original.encode()
        nonce = hmac.digest(self._nonce_key, kind.encode() + b"\0" + plain, "sha256")[:_NONCE_BYTES]
        cipher = self._ciphers[self.current_id]
        sealed = base64.b64encode(nonce + cipher.encrypt(nonce, plain, message_key(kind, pseudonym))).decode()
        return orjson.dumps({"type": kind, "id": pseudonym, "key_id": self.current_id, "sealed": sealed})

    def open(self, entry: bytes) -> str:
        """The original. Raises ValueError, one line without any value, for an unknown key and for changed content."""
        fields = _fields(entry)
        cipher = self._ciphers.get(fields["key_id"])
        if cipher is None:
            raise ValueError(f"this entry is under the key {fields['key_id']}, which is not among the given keys")
        try:
            data = base64.b64decode(fields["sealed"], validate=True)
            place = message_key(fields["type"], fields["id"])
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place).decode()
        except (InvalidTag, ValueError):
            raise ValueError("this entry of the vault was changed") from None

    def reseal(self, entry: bytes) -> bytes:
        """The entry with the same original under the current key. Raises ValueError as `open`."""
        fields = _fields(entry)
        return self.seal(fields["type"], fields["id"], self.open(entry))

    def is_stale(self, entry: bytes) -> bool:
        """Whether the entry is under an old key, one of the given."""
        named = key_id_of(entry)
        return named != self.current_id and named in self._ciphers


def key_id_of(entry: bytes) -> str:
    """The id of the key that an entry is under. Raises ValueError for what is none."""
    return _fields(entry)["key_id"]


def _fields(entry: bytes) -> dict[str, str]:
    try:
        fields = orjson.loads(entry)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in _FIELDS):
        raise ValueError(f"this is no entry of the vault: {', '.join(_FIELDS)} must be texts")
    return fields
