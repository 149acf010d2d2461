"""Secrets come from the environment, or from files it names; never from the configuration file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from dmp.core.privacy import PrivacyKeys
from dmp.core.vault import VaultKeys
from dmp.errors import UserError

_VAULT_HINT = "give 32 random bytes in base64, as `openssl rand -base64 32` prints them"


def load_keys(environ: Mapping[str, str]) -> PrivacyKeys:
    """The key of cleaning, from DMP_PII_KEY: any text, its UTF-8 bytes are the key.

    It may instead be in a file that DMP_PII_KEY_FILE names (one line end at the end is not part of the key). Raises
    UserError, without any value in it. An empty variable counts as not set.
    """
    pii_key = read_secret(environ, "DMP_PII_KEY")
    if pii_key is None:
        raise UserError("no PII key: set DMP_PII_KEY, or DMP_PII_KEY_FILE to a file that holds it (`dmp up` makes one)")
    return PrivacyKeys(pii_key)


def load_vault_keys(environ: Mapping[str, str]) -> VaultKeys | None:
    """The keys of the vault; None without one.

    DMP_VAULT_KEY is base64 of 32 bytes; DMP_VAULT_OLD_KEYS are those before it, separated by blanks or lines. Either
    may be in a file, as `load_keys` tells. Raises UserError, without any value in it.
    """
    current, old = read_secret(environ, "DMP_VAULT_KEY"), read_secret(environ, "DMP_VAULT_OLD_KEYS")
    if current is None:
        if old is not None:
            raise UserError("DMP_VAULT_OLD_KEYS is set, but no DMP_VAULT_KEY: set the one that is to come after them")
        return None
    try:
        return VaultKeys(_decode(current), tuple(_decode(text) for text in (old or b"").split()))
    except ValueError as error:
        raise UserError(f"{error}: see DMP_VAULT_KEY and DMP_VAULT_OLD_KEYS; {_VAULT_HINT}") from None


def require_vault_keys(environ: Mapping[str, str]) -> VaultKeys:
    """The same, for what cannot do without: UserError without a key."""
    keys = load_vault_keys(environ)
    if keys is None:
        raise UserError(
            "no vault key: set DMP_VAULT_KEY, or DMP_VAULT_KEY_FILE to a file that holds it (Flink's processes learn "
            "of it by `dmp down` and `dmp up`)"
        )
    return keys


def kafka_login(environ: Mapping[str, str]) -> tuple[str, str]:
    """Name and password at a Kafka with SASL_SSL: DMP_KAFKA_USER, and DMP_KAFKA_PASSWORD or the file of _FILE.

    UserError when one of them is missing.
    """
    user, password = environ.get("DMP_KAFKA_USER"), read_secret(environ, "DMP_KAFKA_PASSWORD")
    if not user or not password:
        raise UserError(
            "kafka.security is SASL_SSL, but DMP_KAFKA_USER, or DMP_KAFKA_PASSWORD or DMP_KAFKA_PASSWORD_FILE, is not "
            "set: set both"
        )
    return user, password.decode()


def read_secret(environ: Mapping[str, str], name: str) -> bytes | None:
    value, path = environ.get(name), environ.get(f"{name}_FILE")
    if value and path:
        raise UserError(f"both {name} and {name}_FILE are set: unset one of them")
    if value:
        return value.encode("utf-8", "surrogateescape")
    if not path:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"{name}_FILE: cannot read {path} ({error.strerror}): mend the path or its permissions"
        ) from None
    content = content[:-1] if content.endswith(b"\n") else content
    content = content[:-1] if content.endswith(b"\r") else content
    if not content:
        raise UserError(f"{name}_FILE: {path} is empty: put the key into it")
    return content


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise UserError(f"a vault key is not base64: {_VAULT_HINT}") from None
