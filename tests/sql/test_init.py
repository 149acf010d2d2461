"""What every session of the SQL client starts with, given to Flink: a table that it cannot parse would end them all."""

from __future__ import annotations

import pytest
from pyflink.table import EnvironmentSettings, TableEnvironment

from dmp.config import KafkaSection
from schemas.sql_client import SNAPSHOT, USE_SNAPSHOT, init_statements
from schemas.topics import TOPICS

pytestmark = pytest.mark.flink


def test_flink_takes_every_statement(java: None, connector_jars: str) -> None:
    environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    environment.get_config().set("pipeline.jars", connector_jars)
    statements = init_statements(KafkaSection(bootstrap_servers="127.0.0.1:9"), "file:///archive")
    for statement in statements:
        if not statement.startswith("SET "):  # those are the client's, not the engine's
            environment.execute_sql(statement)
    assert {topic.table for topic in TOPICS} <= set(environment.list_tables())
    environment.execute_sql(USE_SNAPSHOT[0])
    assert {topic.table for topic in TOPICS} <= {*environment.list_tables(), *environment.list_views()}
    assert environment.get_current_database() == SNAPSHOT
