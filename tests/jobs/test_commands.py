"""Commands in a Flink mini-cluster: `parse_command` through Arrow, and the views and the insert around it."""

from __future__ import annotations

import json
import re
from typing import Any, Optional

import pytest
from pyflink.table import DataTypes, ExplainDetail, Row

from dmp.config import Config
from dmp.core.cleaning import Reject
from dmp.core.commands import Command, CommandParser
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from jobs import commands
from jobs.job import Job
from udfs.commands import parse_command, result_type

pytestmark = pytest.mark.flink

PII_KEY = "a key of the tests"


def command(**fields: str) -> bytes:
    return json.dumps({"at": "2026-03-01T10:00:00.123Z", "op": "link", "a": "user_id:u1", **fields}).encode()


MESSAGES: list[Optional[bytes]] = [
    command(b="email:Ann@Example.com"),
    command(op="unlink", a="phone:13800138000", b="anonymous_id:語\N{GRINNING FACE}"),
    command(op="erase"),
    command(),
    b"no JSON \xff",
    None,
    command(op="erase", a="device_id:d1"),
]


@pytest.fixture(scope="module")
def job(config: Config, java: None, connector_jars: str) -> Job:
    """A job with the views, over the messages instead of the topic's."""
    under_test = Job("commands", config)
    under_test.environment.get_config().set("pipeline.jars", connector_jars)
    under_test.environment.get_config().set("parallelism.default", "1")  # so that the messages stay in their order
    elements = [(None if raw is None else bytearray(raw),) for raw in MESSAGES]
    row = DataTypes.ROW([DataTypes.FIELD("value", DataTypes.BYTES())])
    messages = under_test.environment.from_elements(elements, row)
    under_test.environment.create_temporary_view("commands_raw", messages)
    under_test.function("parse_command", parse_command(config.cleaning_rules()))
    under_test.script("commands.sql")
    return under_test


def collect(job: Job, query: str) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMP_PII_KEY", PII_KEY)  # a mini-cluster runs the functions in this process
        result = job.environment.execute_sql(query)
        names = result.get_table_schema().get_field_names()
        with result.collect() as found:
            return [dict(zip(names, row)) for row in found if isinstance(row, Row)]


def test_each_row_says_what_the_pure_parser_says(job: Job) -> None:
    rows = collect(job, "SELECT parsed_commands.c.* FROM parsed_commands")
    assert [list(row) for row in rows] == [result_type().field_names()] * len(MESSAGES)
    parser = CommandParser(CleaningRules(), PrivacyKeys(PII_KEY.encode()))
    for raw, row in zip(MESSAGES, rows):
        expected = parser.parse(raw or b"")
        given = Command(**{name: row[name] for name in Command._fields})
        if isinstance(expected, Reject):
            assert Reject(row["reason"], row["detail"]) == expected
            assert given == (None,) * len(given)
        else:
            assert (row["reason"], row["detail"]) == (None, None)
            assert given == expected
            assert type(given.command_ms) is int


def test_only_commands_come_through(job: Job) -> None:
    rows = collect(job, "SELECT * FROM commands")
    assert [list(row) for row in rows] == [list(Command._fields)] * 4
    assert [row["op"] for row in rows] == ["link", "unlink", "erase", "erase"]


def test_one_call_for_each_message_and_every_column_of_the_dead_letter(
    config: Config, java: None, connector_jars: str
) -> None:
    under_test = Job("commands", config)
    under_test.environment.get_config().set("pipeline.jars", connector_jars)
    commands.build(under_test)
    commands.build_rejects(under_test)
    under_test.sql(
        "CREATE TEMPORARY TABLE taken (command_ms BIGINT, op STRING, a_type STRING, a_id STRING, b_type STRING, "
        "b_id STRING) WITH ('connector' = 'blackhole')"
    )
    under_test.insert("INSERT INTO taken SELECT * FROM commands")
    plan = str(under_test.statements.explain(ExplainDetail.CHANGELOG_MODE))
    execution = plan[plan.index("== Optimized Execution Plan ==") :]
    assert re.findall(r"\b(parse_command)\(", execution) == ["parse_command"]
    assert re.findall(r"Sink\(table=\[[\w.]+\.(\w+)\]", execution) == ["commands_rejected", "taken"]
