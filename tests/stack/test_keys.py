"""Secrets on their way to Flink: files instead of values."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dmp.config import Config, load_config
from dmp.errors import UserError
from dmp.stack.keys import as_files, prepare_keys, secret_variables, store


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name in ("DMP_PII_KEY", "DMP_PII_KEY_FILE", "DMP_VAULT_KEY", "DMP_VAULT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DMP_STACK__DATA_DIR", str(tmp_path))
    (tmp_path / "secrets").mkdir()
    return load_config()


def test_a_key_is_made_once(config: Config) -> None:
    prepare_keys(config)
    key = config.local_pii_key_file.read_text()
    prepare_keys(config)
    assert config.local_pii_key_file.read_text() == key and len(key) == 64
    assert secret_variables(config) == {"DMP_PII_KEY_FILE": str(config.local_pii_key_file)}


def test_values_become_private_files(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMP_PII_KEY", "value of the key")
    monkeypatch.setenv("DMP_ELASTICSEARCH_USER", "writer")
    given = secret_variables(config)
    store(given, tmp_path)
    handed_on = as_files(given, tmp_path)
    assert handed_on.keys() == {"DMP_PII_KEY_FILE", "DMP_ELASTICSEARCH_USER"}
    file = Path(handed_on["DMP_PII_KEY_FILE"])
    assert file.read_text() == "value of the key" and stat.S_IMODE(file.stat().st_mode) == 0o600
    prepare_keys(config)
    assert not config.local_pii_key_file.exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DMP_PII_KEY": "x", "DMP_PII_KEY_FILE": "/x"}, "both DMP_PII_KEY and DMP_PII_KEY_FILE are set"),
        ({"DMP_PII_KEY_FILE": "/nowhere"}, "cannot read /nowhere"),
        ({"DMP_VAULT_KEY": "short"}, "vault key"),
    ],
)
def test_unusable_keys_are_refused_before_anything_starts(
    config: Config, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=expected):
        prepare_keys(config)
