"""What Flink's SQL client and SQL gateway start with: every topic as a table, the Python functions, settings.

Two databases hold the same tables. `default_database` has them as the jobs see them: a query goes on with every new
event. `snapshot` has them as far as they reach when a query starts: a query ends, and its answer can be sorted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from dmp.config import KafkaSection
from schemas.tables import create_archive_table, create_finite_tables, create_table
from schemas.topics import TOPICS

SNAPSHOT = "snapshot"

SETTINGS = {
    # The client prints rows as they come, without a full-screen viewer.
    "sql-client.execution.result-mode": "tableau",
    "sql-client.display.max-column-width": "60",
    # For who enables mini-batches, which fold updates of a moment. By default they are not: a join of mini-batches that
    # fails or is cancelled while it starts ends the TaskManager with all jobs, see `_join_row_by_row` in jobs/job.py.
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "20000",
}

FUNCTIONS = ("clean_event", "parse_command")
"""Python functions of the jobs, by their names in SQL and in `udfs.adhoc`."""

USE_SNAPSHOT = (f"USE {SNAPSHOT}", "SET 'execution.runtime-mode' = 'batch'")
"""Statements that turn a session to questions that end."""


def init_statements(kafka: KafkaSection, archive: str, python_files: Optional[Path] = None) -> list[str]:
    """The statements of the initialisation script. `archive` is the URI of the Parquet files,
    `python_files` a zip of this project for the Python workers."""
    settings = {**SETTINGS, **({"python.files": str(python_files)} if python_files else {})}
    statements = [f"SET '{key}' = '{value}'" for key, value in settings.items()]
    statements += [create_table(topic, kafka, "sql") for topic in TOPICS]
    statements += [f"CREATE DATABASE {SNAPSHOT}"]
    statements += [s for topic in TOPICS for s in create_finite_tables(topic, kafka, SNAPSHOT)]
    databases = ("default_database", SNAPSHOT)
    statements += [create_archive_table(archive, database) for database in databases]
    statements += [
        f"CREATE FUNCTION {database}.{name} AS 'udfs.adhoc.{name}' LANGUAGE PYTHON"
        for database in databases
        for name in FUNCTIONS
    ]
    return statements


def init_script(kafka: KafkaSection, archive: str, python_files: Optional[Path] = None) -> str:
    """The same as a script for `sql-client.sh -i`."""
    return "".join(f"{statement};\n" for statement in init_statements(kafka, archive, python_files))
