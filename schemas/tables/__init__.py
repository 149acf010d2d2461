"""Flink DDL of every topic: columns stand in `<table>.sql`, the connection to Kafka is the same for each kind."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from dmp.config import KafkaSection
from schemas.topics import Topic

# Kafka brokers accept at most 15 minutes (transaction.max.timeout.ms). A job that is down for longer than this
# cannot commit what its last checkpoint had prepared.
TRANSACTION_TIMEOUT_MS = 15 * 60 * 1000

CLIENTS = "org.apache.flink.kafka.shaded.org.apache.kafka"
"""Where Flink's connector has Kafka's clients."""

LOGIN_MODULES = {
    "PLAIN": f"{CLIENTS}.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": f"{CLIENTS}.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": f"{CLIENTS}.common.security.scram.ScramLoginModule",
}

ISO_JSON = {
    "timestamp-format.standard": "ISO-8601",
    "encode.decimal-as-plain-number": "true",
}

# Of the changes of a key within a moment only the last is written.
FOLD = {
    "sink.buffer-flush.max-rows": "10000",
    "sink.buffer-flush.interval": "100 ms",
}

# In place of the primary key: where a row of an upsert topic stands.
_PLACE = """message_key BYTES,
  partition_id INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  offset_id BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL"""


def jaas(mechanism: str, user: str, password: str) -> str:
    """The login that `_connection` points to, in Kafka's form. Secret."""
    name, proof = (json.dumps(value, ensure_ascii=False) for value in (user, password))  # JAAS quotes as JSON does
    return f"{LOGIN_MODULES[mechanism]} required username={name} password={proof};"


def create_table(topic: Topic, kafka: KafkaSection, job: str) -> str:
    """`CREATE TABLE` of one topic, readable and writable, as the job `job` sees it.

    Reading starts at the earliest event unless a savepoint says otherwise: results are computed from the whole
    topic, so a start in the middle would overwrite complete windows with partial ones.
    """
    return with_options(columns(topic.table), _options(topic, kafka, job))


def create_results_table(topics: Sequence[Topic], kafka: KafkaSection, job: str) -> str:
    """`CREATE TABLE results`: the messages of several topics as bytes, with topic, partition, offset and time."""
    return with_options(columns("results"), _results_options(topics, kafka, job))


def create_messages_table(topic: Topic, kafka: KafkaSection, job: str) -> str:
    """`CREATE TABLE <table>_messages`: the messages of an upsert topic as bytes, for a job that writes whole messages;
    one without value deletes."""
    statement = _named(columns("results"), f"{topic.table}_messages")
    return with_options(statement, {**_results_options((topic,), kafka, job), **_transactional_sink(topic, job)})


def create_archive_table(path: str, database: str) -> str:
    """`CREATE TABLE archive`: Parquet files under the URI `path`, with the columns of the same database's events."""
    options = {"connector": "filesystem", "path": path, "format": "parquet"}
    statement = with_options(_named(columns("archive"), f"{database}.archive"), options)
    return f"{statement} LIKE {database}.events_clean (EXCLUDING ALL)"


def create_finite_tables(topic: Topic, kafka: KafkaSection, database: str) -> list[str]:
    """Statements that make the topic, as far as it reaches when a query starts, a table of a database for batch mode.

    Batch mode takes no updates. So of an upsert topic there are all rows ever written (`<table>_versions`) and all
    messages, those that delete included (`<table>_messages`); a view holds the last row of each key that no later
    message deletes. The two may end at slightly different moments: a row is then as old as its table, but none is
    missing.
    """
    bounded = {"scan.bounded.mode": "latest-offset"}
    if topic.kind != "upsert":
        options = {k: v for k, v in _options(topic, kafka, "sql").items() if not k.startswith("sink.")}
        statement = _timeless(_named(columns(topic.table), f"{database}.{topic.table}"))
        return [with_options(statement, {**options, **bounded})]
    versions, messages = f"{database}.{topic.table}_versions", f"{database}.{topic.table}_messages"
    rows = re.sub(r"PRIMARY KEY \([^)]*\) NOT ENFORCED", _PLACE, columns(topic.table))
    options = {**_results_options((topic,), kafka, "sql"), **bounded}
    values = {k: v for k, v in options.items() if k != "value.format"}
    return [
        with_options(_named(rows, versions), {**values, "key.fields": "message_key", **_json("value")}),
        with_options(_timeless(_named(columns("results"), messages)), options),
        f"""CREATE VIEW {database}.{topic.table} AS
SELECT {", ".join(f"version.`{name}`" for name in column_names(topic))}
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY message_key ORDER BY offset_id DESC) AS nth FROM {versions}
) AS version
LEFT JOIN (
  SELECT `key`, MAX(offset_id) AS deleted_at FROM {messages} WHERE `value` IS NULL GROUP BY `key`
) AS deletion ON version.message_key = deletion.`key`
WHERE version.nth = 1 AND (deletion.deleted_at IS NULL OR deletion.deleted_at < version.offset_id)""",
    ]


def create_file_table(topic: Topic, folder: Path, changelog: bool = False) -> str:
    """`CREATE TABLE` of a topic whose rows are JSON lines in the subfolder of `folder` with the table's name.

    A raw topic is one of lines of files, see lines.sql. With `changelog`, the rows of an upsert topic say whether they
    are added or taken back.
    """
    options = {"connector": "filesystem", "path": (folder / topic.table).as_uri()}
    if topic.kind == "raw":
        statement = columns("lines").replace("TABLE lines", f"TABLE {topic.table}")
        return with_options(statement, {**options, "format": "json"})
    name = "debezium-json" if changelog and topic.kind == "upsert" else "json"
    settings = {f"{name}.{key}": value for key, value in ISO_JSON.items()}
    return with_options(columns(topic.table), {**options, "format": name, **settings})


def columns(table: str) -> str:
    """The `CREATE TABLE name (...)` part: names, types, keys and watermarks, without a connector."""
    return files(__name__).joinpath(f"{table}.sql").read_text(encoding="utf-8")


def column_names(topic: Topic) -> list[str]:
    """The columns of a topic that are written, in their order; a topic of bytes has no others."""
    if topic.kind == "raw":
        return ["value"]
    text = files("schemas").joinpath("json", f"{topic.table}.schema.json").read_text(encoding="utf-8")
    return list(json.loads(text)["properties"])


def _named(statement: str, table: str) -> str:
    """The `CREATE TABLE` under another name."""
    return re.sub(r"CREATE TABLE \w+", f"CREATE TABLE {table}", statement, count=1)


def _timeless(statement: str) -> str:
    """The `CREATE TABLE` without time attributes: batch mode can neither use nor select them."""
    return re.sub(r",\s*(WATERMARK FOR|\w+\s+AS PROCTIME\(\)).*", "", statement)


def with_options(statement: str, options: dict[str, str]) -> str:
    """`statement` with a WITH clause; quotes in values are escaped."""
    lines = ",\n".join(f"  '{key}' = '{value.replace(chr(39), chr(39) * 2)}'" for key, value in options.items())
    return f"{statement.rstrip()} WITH (\n{lines}\n)"


def _connection(kafka: KafkaSection) -> dict[str, str]:
    """How the Kafka clients within Flink get in.

    Options stand in plans, on Flink's page and in logs. So the login is not among them: Kafka's clients read it from a
    file on their machine when they are made.
    """
    options = {"properties.bootstrap.servers": kafka.bootstrap_servers}
    if kafka.security == "PLAINTEXT":
        return options
    assert kafka.jaas_file is not None
    return {
        **options,
        "properties.security.protocol": kafka.security,
        "properties.sasl.mechanism": kafka.mechanism,
        "properties.ssl.truststore.type": "PEM",
        "properties.ssl.truststore.location": str(kafka.ca_file),
        "properties.config.providers": "directory",
        "properties.config.providers.directory.class": f"{CLIENTS}.common.config.provider.DirectoryConfigProvider",
        "properties.config.providers.directory.param.allowed.paths": str(kafka.jaas_file.parent),
        "properties.sasl.jaas.config": f"${{directory:{kafka.jaas_file.parent}:{kafka.jaas_file.name}}}",
    }


def consumer_group(job: str, table: str) -> str:
    """That with which a job commits to Kafka how far it has read a table."""
    return f"dmp.{job}.{table}"


def _results_options(topics: Sequence[Topic], kafka: KafkaSection, job: str) -> dict[str, str]:
    return {
        "connector": "kafka",
        "topic": ";".join(topic.name for topic in topics),
        **_connection(kafka),
        "properties.group.id": consumer_group(job, "results"),
        "properties.isolation.level": "read_committed",
        "scan.startup.mode": "earliest-offset",
        "key.format": "raw",
        "key.fields": "key",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
    }


def _options(topic: Topic, kafka: KafkaSection, job: str) -> dict[str, str]:
    options = {
        "topic": topic.name,
        **_connection(kafka),
        "properties.group.id": consumer_group(job, topic.table),
        "properties.isolation.level": "read_committed",
    }
    if topic.kind == "upsert":
        sink = {**_transactional_sink(topic, job), **FOLD}
        return {"connector": "upsert-kafka", **options, **sink, **_json("key"), **_json("value")}
    options["scan.startup.mode"] = "earliest-offset"
    if topic.kind == "raw":
        return {"connector": "kafka", **options, "format": "raw"}
    key = {"key.format": "raw", "key.fields": ";".join(topic.key)} if topic.key else {}
    return {"connector": "kafka", **options, **_transactional_sink(topic, job), **key, **_json("value")}


def _transactional_sink(topic: Topic, job: str) -> dict[str, str]:
    # Upserts, too: what a job wrote after its last checkpoint may never be written again when it recovers, because
    # changes that fall into one mini-batch then are folded away. Without a transaction it would stay, a document of a
    # person who is none.
    return {
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": f"dmp.{job}.{topic.table}",
        # A few ids used again and again; a new one for each checkpoint is remembered by the broker for a week.
        "sink.transaction-naming-strategy": "POOLING",
        "properties.transaction.timeout.ms": str(TRANSACTION_TIMEOUT_MS),
        "properties.compression.type": "lz4",  # every row repeats the names of its fields
    }


def _json(part: str) -> dict[str, str]:
    return {f"{part}.format": "json", **{f"{part}.json.{key}": value for key, value in ISO_JSON.items()}}
