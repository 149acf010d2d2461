"""Loading of keys from the environment."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dmp.errors import UserError
from dmp.secrets import load_keys

VAULT_KEY = base64.b64encode(bytes(range(32))).decode()


def test_the_pii_key_is_the_utf_8_bytes_of_the_variable() -> None:
    keys = load_keys({"DMP_PII_KEY": " clé "})
    assert (keys.pii_key, keys.vault_key, keys.vault_key_id) == (" clé ".encode(), None, "1")


def test_all_keys_from_variables() -> None:
    keys = load_keys({"DMP_PII_KEY": "k", "DMP_VAULT_KEY": VAULT_KEY, "DMP_VAULT_KEY_ID": "2025-03"})
    assert (keys.vault_key, keys.vault_key_id) == (bytes(range(32)), "2025-03")


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_keys_from_files_without_the_line_end(tmp_path: Path, line_end: str) -> None:
    (tmp_path / "pii").write_bytes(f" key {line_end}".encode())
    (tmp_path / "vault").write_bytes(f"{VAULT_KEY}{line_end}".encode())
    keys = load_keys({"DMP_PII_KEY_FILE": str(tmp_path / "pii"), "DMP_VAULT_KEY_FILE": str(tmp_path / "vault")})
    assert (keys.pii_key, keys.vault_key) == (b" key ", bytes(range(32)))


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / "pii").write_text("k")
    keys = load_keys({"DMP_PII_KEY": "", "DMP_PII_KEY_FILE": str(tmp_path / "pii"), "DMP_VAULT_KEY": ""})
    assert (keys.pii_key, keys.vault_key) == (b"k", None)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({}, "no PII key: set DMP_PII_KEY"),
        ({"DMP_PII_KEY": "s3cret", "DMP_PII_KEY_FILE": "/x"}, "both DMP_PII_KEY and DMP_PII_KEY_FILE are set"),
        ({"DMP_PII_KEY_FILE": "/does/not/exist"}, "cannot read /does/not/exist"),
        ({"DMP_PII_KEY_FILE": "/dev/null"}, "/dev/null is empty"),
        ({"DMP_PII_KEY": "k", "DMP_VAULT_KEY": "s3cret!"}, "not base64: give 32 random bytes"),
        ({"DMP_PII_KEY": "k", "DMP_VAULT_KEY": "czNjcmV0"}, "the vault key has 6 bytes; AES-256 needs 32"),
    ],
)
def test_what_is_wrong_is_one_line_without_the_value(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        load_keys(environ)
    message = str(caught.value)
    assert "\n" not in message
    assert "s3cret" not in message
    assert "czNj" not in message
