"""Secrets come from the environment, or from files it names; never from the configuration file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from dmp.core.privacy import PrivacyKeys
from dmp.errors import UserError

_VAULT_HINT = "give 32 random bytes in base64, as `openssl rand -base64 32` prints them"


def load_keys(environ: Mapping[str, str]) -> PrivacyKeys:
    """The keys of cleaning, from DMP_PII_KEY, DMP_VAULT_KEY and DMP_VAULT_KEY_ID.

    The first two may instead be in files that DMP_PII_KEY_FILE and DMP_VAULT_KEY_FILE name (one line end at the end is
    not part of the key). The PII key is any text, its UTF-8 bytes are the key; the vault key is optional, base64 of
    32 bytes. Raises UserError, without any value in it. An empty variable counts as not set.
    """
    pii_key = read_secret(environ, "DMP_PII_KEY")
    if pii_key is None:
        raise UserError("no PII key: set DMP_PII_KEY, or DMP_PII_KEY_FILE to a file that holds it (`dmp up` makes one)")
    vault_text = read_secret(environ, "DMP_VAULT_KEY")
    vault_key = None if vault_text is None else _decode(vault_text)
    try:
        return PrivacyKeys(pii_key, vault_key, environ.get("DMP_VAULT_KEY_ID") or PrivacyKeys.vault_key_id)
    except ValueError as error:
        raise UserError(f"{error}: see DMP_PII_KEY and DMP_VAULT_KEY; for the latter {_VAULT_HINT}") from None


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
        raise UserError(f"the vault key is not base64: {_VAULT_HINT}") from None
