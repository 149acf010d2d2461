"""Secrets on their way to Flink: files instead of values."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dmp.config import OUTSIDE_SECRETS, SECRET_VARIABLES, Config, load_config
from dmp.errors import UserError
from dmp.stack.artifacts import ArtifactCache
from dmp.stack.flink import FlinkHome
from dmp.stack.keys import as_files, prepare_keys, replace_vault_key, secret_variables, store
from dmp.stack.server import Surroundings


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name in (*SECRET_VARIABLES, *OUTSIDE_SECRETS):
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
    store(given, tmp_path, config)
    handed_on = as_files(given, tmp_path)
    assert handed_on.keys() == {"DMP_PII_KEY_FILE", "DMP_ELASTICSEARCH_USER"}
    file = Path(handed_on["DMP_PII_KEY_FILE"])
    assert file.read_text() == "value of the key" and stat.S_IMODE(file.stat().st_mode) == 0o600
    prepare_keys(config)
    assert not config.local_pii_key_file.exists()


def test_another_vault_key_reaches_workers_that_read_it_from_the_file_of_before(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DMP_VAULT_KEY", "the next one")
    replace_vault_key(config)  # Flink has none
    assert not list((tmp_path / "secrets").iterdir())
    store({"DMP_VAULT_KEY": "the first"}, tmp_path / "secrets", config)
    file = Path(as_files({"DMP_VAULT_KEY": "the first"}, tmp_path / "secrets")["DMP_VAULT_KEY_FILE"])
    replace_vault_key(config)
    assert file.read_text() == "the next one" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list((tmp_path / "secrets").iterdir()) == [file]


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


def test_flink_is_handed_no_secret_by_value(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [name for name in (*SECRET_VARIABLES, *OUTSIDE_SECRETS) if not name.endswith(("_FILE", "_USER", "_ID"))]
    for name in values:
        monkeypatch.setenv(name, f"planted {name}")
    handed_on = FlinkHome(Surroundings(config, ArtifactCache(tmp_path))).environment()
    assert len(values) > 8 and handed_on["DMP_KAFKA_PASSWORD_FILE"]
    assert not [name for name, value in handed_on.items() if "planted" in value]


def test_the_login_of_jobs_is_a_private_file(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    for name, value in (("SECURITY", "SASL_SSL"), ("CA_FILE", str(ca_file)), ("MECHANISM", "PLAIN")):
        monkeypatch.setenv(f"DMP_KAFKA__{name}", value)
    secured = load_config()
    with pytest.raises(UserError, match="DMP_KAFKA_USER, or DMP_KAFKA_PASSWORD or DMP_KAFKA_PASSWORD_FILE"):
        prepare_keys(secured)
    given = {"DMP_KAFKA_USER": "jobs", "DMP_KAFKA_PASSWORD": 'a "quoted" \\ password'}
    store(given, tmp_path / "secrets", secured)
    login = tmp_path / "secrets" / "kafka_jaas"
    assert login == secured.kafka.jaas_file and stat.S_IMODE(login.stat().st_mode) == 0o600
    assert login.read_text() == (
        "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="jobs" password="a \\"quoted\\" \\\\ password";'
    )
    login.unlink()
    elsewhere = secured.kafka.model_copy(update={"jaas_file": Path("/elsewhere/kafka_jaas")})
    store(given, tmp_path / "secrets", secured.model_copy(update={"kafka": elsewhere}))
    assert not login.exists()
