"""The configuration: where values come from, and one precise line for every mistake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmp.config import load_config
from dmp.errors import UserError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in os.environ:
        if name.startswith("DMP_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield


def test_defaults_need_no_file() -> None:
    config = load_config()
    assert (config.ports.kafka, config.windows.seconds, config.cleaning.phone_region) == (9092, 10, "CN")


def test_environment_wins_over_file_and_both_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dmp.toml").write_text("[ports]\nkafka = 1000\nelasticsearch = 2000\n")
    monkeypatch.setenv("DMP_PORTS__KAFKA", "3000")
    config = load_config()
    assert (config.ports.kafka, config.ports.elasticsearch, config.ports.flink_rest) == (3000, 2000, 8081)
    assert config.kafka.bootstrap_servers == "127.0.0.1:3000"
    assert config.elasticsearch.url == "http://127.0.0.1:2000"


def test_addresses_elsewhere_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMP_KAFKA__BOOTSTRAP_SERVERS", "broker:9092")
    assert load_config().kafka.bootstrap_servers == "broker:9092"


def test_option_comes_before_variable_before_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("dmp", 20), ("variable", 30), ("option", 40)):
        (tmp_path / f"{name}.toml").write_text(f"[windows]\nseconds = {seconds}\n")
    assert load_config().windows.seconds == 20
    monkeypatch.setenv("DMP_CONFIG", str(tmp_path / "variable.toml"))
    assert load_config().windows.seconds == 30
    assert load_config(tmp_path / "option.toml").windows.seconds == 40


def test_folders_of_root_and_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_config().stack.data_dir == Path("/var/lib/dmp-flink")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert load_config().stack.data_dir == Path("/home/someone/.local/state/dmp-flink")
    assert load_config().stack.cache_dir == Path("/elsewhere/dmp-flink")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense", "is not valid TOML"),
        ("[prots]\nkafka = 1", "unknown section or key prots; did you mean ports?"),
        ("seconds = 1", "unknown section or key seconds; known: stack, ports"),
        ("ports = 1", "[ports] = 1: must be a table"),
        ("[ports]\nkafak = 1", "[ports] kafak is no known key; did you mean kafka?; known: kafka, kafka_controller"),
        ('[ports]\nkafka = "a"', "[ports] kafka = 'a': input should be a valid integer"),
        ("[ports]\nkafka = 0", "[ports] kafka = 0: input should be greater than or equal to 1"),
        ("[ports]\nkafka = 70000", "[ports] kafka = 70000: input should be less than or equal to 65535"),
        ("[ports]\nkafka = 9200", "[ports]: kafka and elasticsearch are both 9200"),
        ("[ports]\nkafka = 9250", "[ports]: kafka and flink_metrics + 1 are both 9250"),
        ("[memory]\nkafka_heap = 1", "[memory] kafka_heap = 1: input should be greater"),
        ('[stack]\ndata_dir = "here"', "[stack] data_dir = 'here': must be an absolute path"),
        ('[stack]\njava = "17"', "[stack] java = '17': input should be 'bundled' or 'java_home'"),
        ('[stack]\nmaven_repository = "ftp://x"', "must be an http:// or https:// URL"),
        ('[flink]\nstate_backend = "forst"', "input should be 'rocksdb' or 'hashmap'"),
        ('[cleaning]\nphone_region = "cn"', "must be a two-letter ISO 3166 country code"),
        ('[cleaning]\nblock = ["("]', "'(' is no regular expression"),
        ('[cleaning]\nblock = ["(?!a)"]', "'(?!a)' is no regular expression: invalid perl operator"),
        ("_env_file = 'x'", "unknown section or key _env_file"),
        ("a = " + "[" * 3000, "is not valid TOML"),
        ('[stack]\ndata_dir = "~nobody-of-this-name/x"', "the home folder of a user who is not there"),
        ('[segments]\nrules = "/a\\u0000b"', "must not contain U+0000"),
        ('[cleaning]\nblock = "x"', "[cleaning] block = 'x': input should be a valid list"),
        ('[cleaning]\ngeo_database = "/nowhere.mmdb"', "cannot read /nowhere.mmdb"),
        ('[kafka]\nsecurity = "SSL"', "[kafka] security = 'SSL': input should be 'PLAINTEXT' or 'SASL_SSL'"),
        ('[kafka]\nsecurity = "SASL_SSL"', "[kafka]: security is SASL_SSL: set ca_file to the certificates"),
        ('[elasticsearch]\nca_file = "/nowhere.pem"', "[elasticsearch] ca_file = '/nowhere.pem': cannot read"),
        ("[identity]\nhops = 0", "[identity] hops = 0: input should be greater than or equal to 1"),
        ('[secrets]\npii_key = "x"', "[secrets] is not allowed in a file; use the variables DMP_PII_KEY"),
    ],
)
def test_mistake_in_the_file(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "given.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(file)
    message = str(caught.value)
    assert expected in message and str(file) in message and "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DMP_PORTS__KAFKA", "a", "environment variable DMP_PORTS__KAFKA = 'a': input should be a valid integer"),
        ("DMP_PORTS__KAFAK", "1", "unknown environment variable DMP_PORTS__KAFAK; did you mean DMP_PORTS__KAFKA?"),
        ("DMP_SOMETHING", "1", "unknown environment variable DMP_SOMETHING"),
        ("DMP_PORTS", '{"kafka": 1}', "unknown environment variable DMP_PORTS"),
        ("DMP_CLEANING__BLOCK", "x", "environment variable DMP_CLEANING__BLOCK is no JSON list"),
        ("DMP_CLEANING__BLOCK", '["("]', "environment variable DMP_CLEANING__BLOCK: '(' is no regular expression"),
        ("DMP_PORTS__KAFKA", "9200", "environment: [ports]: kafka and elasticsearch are both 9200"),
        ("DMP_CONFIG", "/nowhere.toml", "cannot read the configuration file /nowhere.toml: No such file"),
    ],
)
def test_mistake_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        load_config()
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_secrets_are_no_unknown_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMP_PII_KEY", "hidden-value")
    monkeypatch.setenv("DMP_VAULT_KEY_FILE", "/somewhere")
    assert "hidden-value" not in repr(load_config())


@pytest.mark.parametrize(
    "order",
    [
        ["email", "user_id", "phone", "device_id", "anonymous_id"],
        ["user_id", "email", "phone", "device_id"],
        ["user_id", "email", "phone", "device_id", "device_id"],
        ["user_id", "email", "phone", "device_id", "cookie"],
    ],
)
def test_an_order_of_identifiers_that_breaks_the_tiers_is_refused(order: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(f"[identity]\norder = {order}\n".replace("'", '"'), encoding="utf-8")
    with pytest.raises(UserError, match=r"\[identity\] order.*must name user_id"):
        load_config(tmp_path / "own.toml")


def test_contacts_and_devices_may_change_places(tmp_path: Path) -> None:
    order = ["user_id", "phone", "email", "anonymous_id", "device_id"]
    (tmp_path / "own.toml").write_text(f"[identity]\norder = {order}\n", encoding="utf-8")
    assert load_config(tmp_path / "own.toml").cleaning_rules().order == tuple(order)
