"""What every job is made of: an environment, the shared tables, views and inserts written in SQL."""

from __future__ import annotations

import hashlib
import json
import re
from argparse import ArgumentParser
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Optional

from pyflink.table import EnvironmentSettings, PlanReference, TableEnvironment, TableResult
from pyflink.table.udf import UserDefinedScalarFunctionWrapper

from connectors.kafka.messages import MAX_EVENT_BYTES
from dmp.config import Config, load_config
from dmp.jobs import notes_folder, packaged_files
from jobs import plans
from schemas.tables import create_table
from schemas.topics import Topic

# Settings that the results depend on; those of the cluster stand in flink-conf/config.yaml.
SETTINGS = {
    # One updating path for punctual and late events: changes are folded before they go on. A checkpoint ends each batch
    # and nothing is published before, so the time says how long one may be where checkpoints are rare. More rows were
    # no faster, and the batches of all operators must fit into the heap together (docs/decisions.md).
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "30 s",
    "table.exec.mini-batch.size": "20000",
    # A view that several sinks read is planned once, so that its Python function runs once for each event.
    "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
    # Results stay as long as their persons do; what may be forgotten says so by a STATE_TTL hint. Besides, state with a
    # TTL costs several times the processor time.
    "table.exec.state.ttl": "0 s",
    # SQL operators never keep or change the rows that they pass on.
    "pipeline.object-reuse": "true",
    # Options that an INSERT has of its own would be lost to those of its table when the plan is loaded.
    "table.plan.restore.catalog-objects": "ALL_ENFORCED",
    # Operator uids come from the plan, so that a savepoint fits the same job submitted again.
    "table.exec.uid.generation": "ALWAYS",
    "table.local-time-zone": "UTC",
}

VIEW = re.compile(r"CREATE TEMPORARY VIEW (?P<name>\w+) AS\s")
_INSERT = re.compile(r"INSERT INTO (?P<table>\w+)\s")


class Job:
    """One Flink job under construction; `submit` sends it as a single statement set.

    `create_table` gives the DDL of a topic: Kafka's by default, files in a replay. With `sinks`, inserts into other
    tables are left out. `count_ttl`, such as "24 h", is how long a running count, COUNT(*) OVER, remembers a key;
    without it, for ever.
    """

    count_ttl: Optional[str] = None

    def __init__(
        self,
        name: str,
        config: Config,
        create_table: Optional[Callable[[Topic], str]] = None,
        sinks: Optional[Collection[Topic]] = None,
        batch: bool = False,
    ) -> None:
        self.name = name
        self.config = config
        mode = EnvironmentSettings.in_batch_mode() if batch else EnvironmentSettings.in_streaming_mode()
        self.environment = self._create_environment(mode)
        self.set("pipeline.name", f"dmp-{name}")
        for key, value in SETTINGS.items():
            self.set(key, value)
        self.statements = self.environment.create_statement_set()
        self._create_table = create_table or self._create_kafka_table
        self._sinks = None if sinks is None else {topic.table for topic in sinks}
        self._said: list[str] = []

    @staticmethod
    def _create_environment(mode: EnvironmentSettings) -> TableEnvironment:
        return TableEnvironment.create(mode)

    def set(self, key: str, value: str) -> None:
        """Set one of Flink's options for this job."""
        self.environment.get_config().set(key, value)

    def table(self, *topics: Topic) -> None:
        """Register the tables of topics, for reading and writing; those that are there already stay."""
        for topic in topics:
            if topic.table not in self.environment.list_tables():
                self.sql(self._create_table(topic))

    def _create_kafka_table(self, topic: Topic) -> str:
        return create_table(topic, self.config.kafka, self.name)

    def columns(self, topic: Topic) -> list[str]:
        """The columns of a registered table that are written, so without computed ones."""
        schema = self.environment.from_path(topic.table).get_resolved_schema()
        return [column.get_name() for column in schema.get_columns() if column.is_physical()]

    def sql(self, statement: str) -> None:
        """Execute one statement of DDL."""
        self._said.append(statement)
        self.environment.execute_sql(statement)

    def function(self, name: str, function: UserDefinedScalarFunctionWrapper) -> None:
        """Register a Python function for the views."""
        self.environment.create_temporary_system_function(name, function)

    def script(self, file_name: str, **parameters: str) -> None:
        """Run a file of this package, of views and inserts: views are created, inserts join the statement set.

        `${name}` stands for a parameter; the job's name, those of the windows, and `kept_bytes`, what a dead letter
        keeps of `value`, are always there.
        """
        windows = self.config.windows
        parameters.update(
            job=self.name,
            window_ms=str(windows.seconds * 1000),
            window_seconds=str(windows.seconds),
            horizon=f"{windows.horizon_hours} h",
            kept_bytes=f"CAST(`value` AS VARBINARY({MAX_EVENT_BYTES}))",
        )
        text = files("jobs").joinpath(file_name).read_text(encoding="utf-8")
        for statement in statements(Template(text).substitute(parameters)):
            view = VIEW.match(statement)
            if view:
                self.view(view["name"], statement[view.end() :])
            elif self._sinks is None or _INSERT.match(statement)["table"] in self._sinks:
                self.insert(statement)

    def view(self, name: str, query: str) -> None:
        """Register a view.

        As a Table: a view that is registered by CREATE VIEW is parsed and expanded again, with all those below it, by
        each view above it; with the forty views of identity that takes minutes.
        """
        self._said += [name, query]
        self.environment.create_temporary_view(name, self.environment.sql_query(query))

    def insert(self, statement: str) -> None:
        """Add an INSERT to the statement set."""
        self._said.append(statement)
        self.statements.add_insert_sql(statement)

    def plan(self) -> str:
        """The compiled plan of the statement set, JSON: what `submit` runs."""
        return self._adapted(self._compile())

    def _compile(self) -> str:
        return str(self.statements.compile_plan().as_json_string())

    def _adapted(self, compiled: str) -> str:
        plan = json.loads(compiled)
        _read_where_written(plan)
        _number_from_one(plan)
        _join_row_by_row(plan)
        if self.count_ttl:
            _forget_counts(plan, self.count_ttl)
        return json.dumps(plan)

    def submit(self, kept_plan: Optional[Path] = None) -> TableResult:
        """Send the job to the cluster of `flink run`; by the compiled plan that this file keeps, if it still fits."""
        compiled = plans.kept(kept_plan, self._made_of(), self._compile) if kept_plan else self._compile()
        plan = self.environment.load_plan(PlanReference.from_json_string(self._adapted(compiled)))
        # CompiledPlan.execute of PyFlink 2.3 calls a method that is not there.
        return TableResult(plan._j_compiled_plan.execute())

    def _made_of(self) -> str:
        """A digest of what decides the compiled plan: Flink's version, its options for tables, what has been said in
        SQL, and our code, which says what functions return and has the versions of the connectors."""
        config = self.environment._j_tenv.getConfig()
        options = {**config.getRootConfiguration().toMap(), **config.getConfiguration().toMap()}
        for_tables = sorted((key, value) for key, value in options.items() if key.startswith("table."))
        digest = hashlib.sha256(repr((version("apache-flink"), for_tables, self._said)).encode())
        for file in packaged_files():
            digest.update(file.read_bytes())
        return digest.hexdigest()


def _read_where_written(plan: dict[str, Any]) -> None:
    """Let a job read a table that it writes itself from the input of its sink; from Kafka it would come a checkpoint
    later.

    Flink cannot plan this, see jobs/pipeline.py. Such a table holds upserts, and the changes that go into the sink are
    those that come out of the topic. (Who wants each message of the log reads table `results`.)
    """
    writers = {edge["target"]: edge["source"] for edge in plan["edges"]}
    inputs = {_table(node): writers[node["id"]] for node in plan["nodes"] if "dynamicTableSink" in node}
    scans = {node["id"]: _table(node) for node in plan["nodes"] if "scanTableSource" in node and _table(node) in inputs}
    # What follows a scan assigns its rows to mini-batches, as those of the sink are already.
    assigners = {edge["target"]: scans[edge["source"]] for edge in plan["edges"] if edge["source"] in scans}
    gone = scans.keys() | assigners.keys()
    plan["nodes"] = [node for node in plan["nodes"] if node["id"] not in gone]
    plan["edges"] = [edge for edge in plan["edges"] if edge["target"] not in gone]
    for edge in plan["edges"]:
        if edge["source"] in assigners:
            edge["source"] = inputs[assigners[edge["source"]]]


def _table(node: dict[str, Any]) -> str:
    end = node.get("scanTableSource") or node["dynamicTableSink"]
    return str(end["table"]["identifier"])


def _number_from_one(plan: dict[str, Any]) -> None:
    """Number the nodes of a plan anew. Operators' uids are made of the numbers, which Flink counts on from those of the
    jobs that the same JVM has planned before."""
    numbers = {old: new for new, old in enumerate(sorted(node["id"] for node in plan["nodes"]), start=1)}
    for node in plan["nodes"]:
        node["id"] = numbers[node["id"]]
    for edge in plan["edges"]:
        edge["source"], edge["target"] = numbers[edge["source"]], numbers[edge["target"]]


def _join_row_by_row(plan: dict[str, Any]) -> None:
    """Let joins take each row as it comes.

    A mini-batch join of Flink 2.3 that ends before it has begun, because its job fails or is cancelled while it starts,
    ends the TaskManager with all other jobs (`MiniBatchStreamingJoinOperator.close`).
    """
    for node in plan["nodes"]:
        if node["type"].startswith("stream-exec-join"):
            node["configuration"] = {"table.exec.mini-batch.enabled": "false"}


def _forget_counts(plan: dict[str, Any], ttl: str) -> None:
    """Let running counts of a plan forget a key after `ttl`.

    SQL has no hint for the state of OVER, and a setting for the whole job would forget identities, too.
    """
    for node in plan["nodes"]:
        if node["type"].startswith("stream-exec-over-aggregate") and "COUNT(*)" in node["description"]:
            node["configuration"] = {"table.exec.state.ttl": ttl}


def program(name: str, build: Callable[[Any], None], kind: type[Job] = Job) -> Callable[..., None]:
    """The `main` of a job: builds and submits it, `--restore STATE` from there; `--explain` prints the plan instead."""

    def main(words: Optional[Sequence[str]] = None) -> None:
        parser = ArgumentParser(prog=f"jobs/{name}.py")
        parser.add_argument("--config", type=Path, help="dmp.toml (default: $DMP_CONFIG, ./dmp.toml or the defaults)")
        parser.add_argument("--explain", action="store_true", help="print the plan, JSON, and submit nothing")
        parser.add_argument("--restore", metavar="STATE", help="savepoint or checkpoint to start from")
        arguments = parser.parse_args(words)
        config = load_config(arguments.config)
        job = kind(name, config)
        if arguments.restore:
            job.set("execution.state-recovery.path", arguments.restore)
        build(job)
        if arguments.explain:
            print(job.plan())
        else:
            job.submit(notes_folder(config) / f"{name}.plan")

    return main


def statements(script: str) -> Iterator[str]:
    """The statements of a script without comments; each ends with `;` at the end of a line."""
    code = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("--"))
    return (part.strip() for part in (code + "\n").split(";\n") if part.strip())
