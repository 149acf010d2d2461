"""How the secrets of the caller's environment reach Flink's Python workers: as files, never as values.

Beam, which runs the workers, writes their whole environment into the TaskManager's log when one fails or ends. So each
secret given by value is put into a private file, and only the `_FILE` variable that names it is handed on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dmp.config import SECRET_VARIABLES, Config
from dmp.files import write_whole
from dmp.secrets import kafka_login, load_keys, load_vault_keys, read_secret
from schemas.tables import jaas

PRIVATE = 0o600


def secret_variables(config: Config) -> dict[str, str]:
    """The secrets as given in the environment; without a PII key among them, the file of the one that we make."""
    given = {name: os.environ[name] for name in SECRET_VARIABLES if os.environ.get(name)}
    if "DMP_PII_KEY" not in given and "DMP_PII_KEY_FILE" not in given:
        given["DMP_PII_KEY_FILE"] = str(config.local_pii_key_file)
    return given


def prepare_keys(config: Config) -> None:
    """Make a PII key unless one is given, once for the life of the data folder.

    Raises UserError when the keys cannot be used, so that one learns it here and not from a failing job.
    """
    given = secret_variables(config)
    own = config.local_pii_key_file
    if given.get("DMP_PII_KEY_FILE") == str(own) and not own.exists():
        write_whole(own, secrets.token_hex(32), PRIVATE)
    load_keys(given)
    load_vault_keys(given)
    if config.kafka.security == "SASL_SSL":
        kafka_login(given)


def as_files(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same secrets with every value replaced by the file that `store` puts it into."""
    return {
        **{name: value for name, value in variables.items() if not _has_file_variant(name)},
        **{f"{name}_FILE": str(_file_of(name, folder)) for name in variables if _has_file_variant(name)},
    }


def store(variables: Mapping[str, str], folder: Path, config: Config) -> None:
    """Put the secrets that are given by value into files of `folder`, and the jobs' login at Kafka into its own."""
    for name, value in variables.items():
        if _has_file_variant(name):
            write_whole(_file_of(name, folder), value, PRIVATE)
    if config.kafka.security == "SASL_SSL" and config.kafka.jaas_file == config.local_jaas_file:
        write_whole(config.local_jaas_file, jaas(config.kafka.mechanism, *kafka_login(variables)), PRIVATE)


def replace_vault_key(config: Config) -> None:
    """Give the vault key of the environment to workers that run already, if `dmp up` handed them one by value. A file
    that they were told of by name is its owner's to change."""
    handed_on = _file_of("DMP_VAULT_KEY", config.stack.data_dir / "secrets")
    key = read_secret(os.environ, "DMP_VAULT_KEY")
    if handed_on.exists() and key is not None:
        write_whole(handed_on, key.decode(), PRIVATE)


def _has_file_variant(name: str) -> bool:
    return f"{name}_FILE" in SECRET_VARIABLES


def _file_of(name: str, folder: Path) -> Path:
    return folder / f"given_{name.lower()}"
