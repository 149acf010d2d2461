"""Runs identity.sql in DuckDB: the same views, once and for all, without Flink. What is wrong here is wrong in SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from string import Template

import duckdb
import pyarrow as pa

from dmp.config import IdentitySection
from jobs import identity
from jobs.job import VIEW, statements
from tests.identity.model import STRENGTH, Command, Event
from tests.identity.sql_run import RESULTS, Results, command_row, event_row

EVENTS = pa.schema([("event_ms", pa.int64()), *((name, pa.string()) for name in (*STRENGTH, "previous_id"))])
COMMANDS = pa.schema(
    [("command_ms", pa.int64()), *((name, pa.string()) for name in ("op", "a_type", "a_id", "b_type", "b_id"))]
)
_ROWS = re.compile(r"UNNEST\(ARRAY\[(\s*ROW\(.*?)\]\)", re.DOTALL)


def run(events: Iterable[Event], commands: Iterable[Command], rules: IdentitySection) -> Results:
    """The rows of each view, sorted."""
    database = duckdb.connect()
    database.register("events", pa.Table.from_pylist([event_row(event) for event in events], EVENTS))
    database.register("commands", pa.Table.from_pylist([command_row(command) for command in commands], COMMANDS))
    script = Template(files("jobs").joinpath("identity.sql").read_text(encoding="utf-8"))
    for statement in statements(script.substitute(identity.parameters(rules))):
        view = VIEW.match(statement)
        assert view, statement
        # As tables, because a view that is read by many others would be computed again for each.
        database.execute(f"CREATE TABLE {view['name']} AS {_in_duckdb(statement[view.end() :])}")
    queries = [f"SELECT {', '.join(columns)} FROM {view}" for view, columns in RESULTS.items()]
    return Results(*(sorted(database.execute(query).fetchall()) for query in queries))


def _in_duckdb(query: str) -> str:
    """Flink's UNNEST makes columns of rows, DuckDB's does not."""
    return _ROWS.sub(lambda array: f"LATERAL (VALUES {array[1].replace('ROW(', '(')})", query)
