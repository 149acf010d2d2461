"""What Flink's planner makes of the jobs: one Python call for each event, aggregates that can take back what may be
taken back, state that is kept as long as it must be, and no hidden state before a sink."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import pytest

from dmp.config import Config
from jobs import clean, identity, index, metrics, pipeline, profiles, recommend, segments, vault
from jobs.job import Job
from schemas.topics import TOPICS

pytestmark = pytest.mark.flink

Node = dict[str, Any]

BUILDERS: dict[str, Callable[[Job], None]] = {
    "pipeline": pipeline.build,
    "clean": clean.build,
    "identity": identity.build_from_topic,
    "metrics": metrics.build_from_topic,
    "profiles": profiles.build_from_topic,
    "index": index.build,
    "segments": segments.build,
    "recommend": recommend.build,
    "vault": vault.build,
}
FUNCTIONS = {
    "pipeline": ["clean_event", "parse_command"],
    "clean": ["clean_event"],
    "identity": ["parse_command"],
    "metrics": ["parse_command"],
    "profiles": [],
    "index": ["index_document"],
    "segments": ["score_profile"],
    "recommend": ["relate_items", "recommend_items"],
    "vault": ["seal_contacts", "parse_command"],
}
KINDS = {topic.table: topic.kind for topic in TOPICS}
STITCHED = {"identities", "refused", "merges", "commands_rejected", "quality"}
SINKS = {
    "clean": {"events_clean", "events_rejected", "quality"},
    "identity": STITCHED,
    "metrics": {"metrics", "quality"},
    "profiles": {"profiles"},
    "index": {"index_rejected"},
    "segments": {"memberships", "segments", "segment_changes", "segment_sizes", "rfm", "clusters"},
    "recommend": {"related_items", "recommendations"},
    "vault": {"vault"},
}
SINKS["pipeline"] = {*SINKS["clean"], *STITCHED, *SINKS["metrics"], *SINKS["profiles"]}
WRITTEN_BY_COMMANDS = {"erasures", "cluster_models", "operations", "vault_reads"}
WRITTEN_BY_STREAMS = {"alerts"}  # a job with a DataStream has no compiled plan
AGGREGATES = ("group-aggregate", "global-group-aggregate")  # local ones, before a global one, keep nothing
# A MAX that cannot take back is right where a column only grows, and where a row comes once and goes once.
SIMPLE_MAX = ("groupBy=[slot]", "groupBy=[share]", "groupBy=[change]")
GROWING = {"segment_sizes"}  # counts of an append-only log: nothing is ever taken back
WHOLE_MESSAGES = {"vault"}  # the job itself writes the messages that delete
COUNTED_FOR: dict[str, set[Optional[str]]] = {"clean": {"24 h"}, "pipeline": {"24 h"}, "vault": {None}}
HORIZON, FOREVER = "2 d", "0 ms"
REMEMBERED = "112 d"  # baskets: twice as long as they count


class Plan:
    """A compiled plan: nodes by id, and their inputs."""

    def __init__(self, text: str) -> None:
        tree = json.loads(text)
        self.nodes: dict[int, Node] = {node["id"]: node for node in tree["nodes"]}
        self._inputs: dict[int, list[int]] = {number: [] for number in self.nodes}
        for edge in tree["edges"]:
            self._inputs[edge["target"]].append(edge["source"])

    def of_type(self, *kinds: str) -> list[Node]:
        return [node for node in self.nodes.values() if _kind(node) in kinds]

    def updates(self, number: int) -> bool:
        """Whether rows that a node sends may be changed or taken back later."""
        kind = _kind(self.nodes[number])
        if kind in ("over-aggregate", "table-source-scan"):
            return False
        if kind in (*AGGREGATES, "rank", "changelog-normalize", "deduplicate"):
            return True
        outer = kind == "join" and "LEFT" in self.nodes[number]["joinSpec"]["joinType"]
        return outer or any(map(self.updates, self._inputs[number]))

    def takes_updates(self, node: Node) -> bool:
        return any(map(self.updates, self._inputs[node["id"]]))


def _kind(node: Node) -> str:
    return str(node["type"])[len("stream-exec-") :].rsplit("_", 1)[0]


@pytest.fixture(scope="module", params=list(BUILDERS))
def job(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def plan(job: str, config: Config, java: None, connector_jars: str) -> Plan:
    under_test = Job(job, config)
    under_test.set("pipeline.jars", connector_jars)
    BUILDERS[job](under_test)
    return Plan(under_test.plan())


def test_python_functions_are_called_once_for_each_message(job: str, plan: Plan) -> None:
    calls = [node["description"] for node in plan.of_type("python-calc")]
    assert len(calls) == len(FUNCTIONS[job])
    for function in FUNCTIONS[job]:
        assert sum(call.count(f"{function}(") for call in calls) == 1


def test_no_job_reads_from_kafka_the_upserts_that_it_writes(plan: Plan) -> None:
    read = {node["scanTableSource"]["table"]["identifier"] for node in plan.of_type("table-source-scan")}
    written = {node["dynamicTableSink"]["table"]["identifier"] for node in plan.of_type("sink")}
    assert not read & written


def test_sinks_get_the_changes_that_their_topics_take(job: str, plan: Plan) -> None:
    """An append topic takes inserts alone. An upsert topic takes updates, and deletes when a group vanishes; the row
    before an update would be a deletion there, if its sink did not fold it with what follows."""
    found = {}
    for node in plan.of_type("sink"):
        table = node["dynamicTableSink"]["table"]["identifier"].split(".")[-1].strip("`").removesuffix("_messages")
        found[table] = set(node["inputChangelogMode"])
        assert not node.get("requireUpsertMaterialize"), f"{table}: the planner keeps a copy of every row"
    assert set(found) == SINKS[job]
    for table, modes in found.items():
        wanted = {"INSERT", "UPDATE_AFTER"} if table in GROWING else {"INSERT", "UPDATE_AFTER", "DELETE"}
        inserts_alone = KINDS[table] == "append" or table in WHOLE_MESSAGES
        assert modes == {"INSERT"} if inserts_alone else wanted <= modes, table


def test_each_sink_has_transactional_ids_of_its_own(plan: Plan) -> None:
    prefixes = [
        node["dynamicTableSink"]["table"]["resolvedTable"]["options"]["sink.transactional-id-prefix"]
        for node in plan.of_type("sink")
    ]
    assert len(set(prefixes)) == len(prefixes)


def test_what_may_be_taken_back_is_aggregated_by_functions_that_can(plan: Plan) -> None:
    """The planner of Flink 2.3 errs there, see erased_labels in identity.sql."""
    for node in plan.of_type(*AGGREGATES, "local-group-aggregate"):
        assert node["needRetraction"] == plan.takes_updates(node), node["description"]
        if not any(groups in node["description"] for groups in SIMPLE_MAX):
            assert all(node["aggCallNeedRetractions"]) or not node["needRetraction"], node["description"]


def test_state_lives_for_the_horizon_of_windows_or_of_baskets_or_forever(job: str, plan: Plan) -> None:
    horizon = REMEMBERED if job == "recommend" else HORIZON
    for node in plan.of_type(*AGGREGATES, "join"):
        ttls = {state["ttl"] for state in node["state"]}
        if _kind(node) == "join":
            assert ttls == ({horizon, FOREVER} if _passes(job, node) else {FOREVER}), node["description"]
        else:
            assert ttls <= {horizon, FOREVER}, node["description"]


def _passes(job: str, node: Node) -> bool:
    """Whether a node has something of windows or, in `recommend`, of subjects or persons at a time."""
    text = node["description"]
    if job == "recommend":
        return "subject_id" in text or "nth_period" in text
    return "window_start" in text and "event_delay" not in text


def test_deduplication_forgets_after_a_day_and_nothing_else_does(job: str, plan: Plan) -> None:
    settings = {
        node["description"]: node.get("configuration", {}).get("table.exec.state.ttl")
        for node in plan.of_type("over-aggregate")
    }
    counts = {ttl for description, ttl in settings.items() if "COUNT(*)" in description}
    others = {ttl for description, ttl in settings.items() if "COUNT(*)" not in description}
    assert counts == COUNTED_FOR.get(job, set())
    assert others <= {None}


def test_a_savepoint_fits_whatever_the_jvm_planned_before(plan: Plan) -> None:
    """Operators' uids are made of the numbers of nodes."""
    assert sorted(plan.nodes) == list(range(1, len(plan.nodes) + 1))


def test_together_the_jobs_write_every_topic_that_is_not_raw() -> None:
    written = set().union(*SINKS.values())
    assert written | WRITTEN_BY_COMMANDS | WRITTEN_BY_STREAMS == {
        topic.table for topic in TOPICS if topic.kind != "raw"
    }
