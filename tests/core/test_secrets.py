"""Loading of keys from the environment."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dmp.core.vault import VaultKeys
from dmp.errors import UserError
from dmp.secrets import load_keys, load_vault_keys, require_vault_keys

KEY, OLD, OLDER = bytes(range(32)), bytes(32), b"o" * 32


def base64_of(*keys: bytes) -> str:
    return "\n".join(base64.b64encode(key).decode() for key in keys)


def test_the_pii_key_is_the_utf_8_bytes_of_the_variable() -> None:
    assert load_keys({"DMP_PII_KEY": " clé "}).pii_key == " clé ".encode()


def test_the_keys_of_the_vault_from_variables() -> None:
    assert load_vault_keys({"DMP_VAULT_KEY": base64_of(KEY)}) == VaultKeys(KEY)
    both = {"DMP_VAULT_KEY": base64_of(KEY), "DMP_VAULT_OLD_KEYS": base64_of(OLD, OLDER)}
    assert load_vault_keys(both) == require_vault_keys(both) == VaultKeys(KEY, (OLD, OLDER))


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_keys_from_files_without_the_line_end(tmp_path: Path, line_end: str) -> None:
    for name, text in (("pii", " key "), ("vault", base64_of(KEY)), ("old", base64_of(OLD, OLDER))):
        (tmp_path / name).write_bytes(f"{text}{line_end}".encode())
    assert load_keys({"DMP_PII_KEY_FILE": str(tmp_path / "pii")}).pii_key == b" key "
    files = {"DMP_VAULT_KEY_FILE": str(tmp_path / "vault"), "DMP_VAULT_OLD_KEYS_FILE": str(tmp_path / "old")}
    assert load_vault_keys(files) == VaultKeys(KEY, (OLD, OLDER))


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / "pii").write_text("k")
    assert load_keys({"DMP_PII_KEY": "", "DMP_PII_KEY_FILE": str(tmp_path / "pii")}).pii_key == b"k"
    assert load_vault_keys({"DMP_VAULT_KEY": "", "DMP_VAULT_OLD_KEYS": ""}) is None


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({}, "no PII key: set DMP_PII_KEY"),
        ({"DMP_PII_KEY": "s3cret", "DMP_PII_KEY_FILE": "/x"}, "both DMP_PII_KEY and DMP_PII_KEY_FILE are set"),
        ({"DMP_PII_KEY_FILE": "/does/not/exist"}, "cannot read /does/not/exist"),
        ({"DMP_PII_KEY_FILE": "/dev/null"}, "/dev/null is empty"),
        ({"DMP_PII_KEY": "k"}, "no vault key: set DMP_VAULT_KEY"),
        ({"DMP_PII_KEY": "k", "DMP_VAULT_KEY": "s3cret!"}, "not base64: give 32 random bytes"),
        ({"DMP_PII_KEY": "k", "DMP_VAULT_KEY": "czNjcmV0"}, "a vault key has 6 bytes; AES-256 needs 32"),
        (
            {"DMP_PII_KEY": "k", "DMP_VAULT_KEY": base64_of(KEY), "DMP_VAULT_OLD_KEYS": f"{base64_of(OLD)} czNjcmV0"},
            "a vault key has 6 bytes",
        ),
        ({"DMP_PII_KEY": "k", "DMP_VAULT_OLD_KEYS": base64_of(OLD)}, "DMP_VAULT_OLD_KEYS is set, but no DMP_VAULT_KEY"),
    ],
)
def test_what_is_wrong_is_one_line_without_the_value(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        load_keys(environ)
        require_vault_keys(environ)
    message = str(caught.value)
    assert "\n" not in message
    assert "s3cret" not in message
    assert "czNj" not in message
