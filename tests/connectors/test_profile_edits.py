"""Many writers of one document in the real Elasticsearch: no update is lost, beside an index job that never stops."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import orjson
import pytest
from elasticsearch import ConflictError, Elasticsearch

from connectors.elasticsearch import BulkWriter, Write, connect
from connectors.profile_edits import edit, edits_of, forget
from dmp.config import ElasticsearchSection
from dmp.core.edits import Change, Fields, apply_changes
from dmp.errors import UserError
from schemas.topics import Topic
from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack

WRITERS, UPDATES, PERSONS = 8, 1000, 3
ANN = ("user_id", "ann")


@pytest.fixture
def server(stack: StackUnderTest) -> Iterator[Elasticsearch]:
    with connect(stack.config.elasticsearch) as client:
        yield client


@pytest.fixture
def alias(server: Elasticsearch) -> Iterator[str]:
    """An empty index behind an alias."""
    name = f"test-edits-{uuid.uuid4().hex}"
    server.indices.create(
        index=f"{name}-1", aliases={name: {"is_write_index": True}}, settings={"number_of_replicas": 0},
        mappings={"dynamic": False},
    )  # fmt: skip
    yield name
    server.indices.delete(index=f"{name}-1")


def add(client: Elasticsearch, alias: str, identifier: tuple[str, str], field: str, number: int = 1) -> Fields:
    def change(fields: Fields) -> Fields:
        return apply_changes(fields, [Change(field, "add", number)], "2026-01-31T08:00:00Z", "test")

    return edit(client, identifier, change, alias)


def write_many(section: ElasticsearchSection, alias: str, writer: int) -> None:
    """UPDATES additions to one field that all writers share, and to one of this writer's own."""
    with connect(section) as client:
        for number in range(UPDATES):
            both = [Change("shared", "add", 1), Change(f"of_{writer}", "add", number)]
            edit(client, ANN, partial(apply_changes, changes=both, at="2026-01-31T08:00:00Z", by="test"), alias)


class Indexer(threading.Thread):
    """The index job's own function, writing one row of each person after the other until it is stopped."""

    def __init__(self, section: ElasticsearchSection, alias: str) -> None:
        super().__init__()
        self._section, self._alias = section, alias
        self.rounds = 0
        self.stopped = threading.Event()
        self.problems: list[Any] = []

    def run(self) -> None:
        import pandas as pd  # here, because the writers' processes import this module, too

        from udfs.indexing import IndexDocumentFunction

        function = IndexDocumentFunction(self._section, [Topic("t", "t", "upsert", ("profile_id",), self._alias)])
        function.open(None)  # type: ignore[arg-type]
        while not self.stopped.is_set():
            first = self.rounds * PERSONS
            rows = [
                (
                    "t",
                    0,
                    first + person,
                    orjson.dumps({"profile_id": f"p{person}"}),
                    orjson.dumps({"events": self.rounds}),
                )
                for person in range(PERSONS)
            ]
            answers = function.eval(*(pd.Series(column) for column in zip(*rows)))
            self.problems += answers["reason"].dropna().tolist()
            self.rounds += 1
        function.close()


def test_eight_writers_and_the_index_job_lose_nothing(stack: StackUnderTest, server: Elasticsearch, alias: str) -> None:
    section = stack.config.elasticsearch
    indexer = Indexer(section, alias)
    indexer.start()
    try:
        with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
            list(pool.map(write_many, [section] * WRITERS, [alias] * WRITERS, range(WRITERS)))
    finally:
        indexer.stopped.set()
        indexer.join()
    fields = edits_of(server, [ANN], alias)[ANN]
    assert fields["shared"]["value"] == WRITERS * UPDATES
    own = {f"of_{writer}": UPDATES * (UPDATES - 1) // 2 for writer in range(WRITERS)}
    assert {name: field["value"] for name, field in fields.items() if name != "shared"} == own
    assert indexer.rounds > 100 and indexer.problems == []
    for person in range(PERSONS):  # the last row of each is there, at the version of its offset
        found = server.get(index=alias, id=f"p{person}")
        assert found["_source"] == {"events": indexer.rounds - 1}
        assert found["_version"] == (indexer.rounds - 1) * PERSONS + person + 1


def test_why_the_job_s_own_document_is_none_to_edit(server: Elasticsearch, alias: str) -> None:
    """Two edits by compare-and-swap on it would make the job's next write an outdated one, the next but one theirs."""
    job = BulkWriter(server)
    job.write([Write(alias, "p", 5, b'{"events": 1}')])
    for _ in range(2):
        found = server.get(index=alias, id="p")
        condition = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
        server.index(index=alias, id="p", document={**found["_source"], "vip": True}, **condition)
    assert job.write([Write(alias, "p", 6, b'{"events": 2}')]) == [None]  # taken for outdated, not for lost
    assert server.get(index=alias, id="p")["_source"] == {"events": 1, "vip": True}
    job.write([Write(alias, "p", 7, b'{"events": 3}')])
    assert server.get(index=alias, id="p")["_source"] == {"events": 3}


def test_a_write_on_top_of_something_else_is_tried_again(server: Elasticsearch, alias: str) -> None:
    add(server, alias, ANN, "points", 5)
    seen: list[Fields] = []

    def slow(fields: Fields) -> Fields:
        if not seen:
            add(server, alias, ANN, "points", 10)  # between reading and writing
        seen.append(fields)
        return apply_changes(fields, [Change("vip", "set", True)], "2026-01-31T08:00:01Z", "test")

    fields = edit(server, ANN, slow, alias)
    assert [before["points"]["value"] for before in seen] == [5, 15]
    assert {name: field["value"] for name, field in fields.items()} == {"points": 15, "vip": True}
    assert edits_of(server, [ANN, ("user_id", "ben")], alias) == {ANN: fields}


def test_thirty_conflicts_one_after_the_other_are_no_reason_to_give_up(server: Elasticsearch, alias: str) -> None:
    """Whoever waits longer each time comes less often than the others, and loses again."""
    add(server, alias, ANN, "points")

    def late(fields: Fields) -> Fields:
        if fields["points"]["value"] <= 30:
            add(server, alias, ANN, "points")  # between reading and writing
        return apply_changes(fields, [Change("vip", "set", True)], "2026-01-31T08:00:00Z", "test")

    assert edit(server, ANN, late, alias)["points"]["value"] == 31


def test_two_first_edits_do_not_overwrite_each_other(server: Elasticsearch, alias: str) -> None:
    calls = 0

    def first(fields: Fields) -> Fields:
        nonlocal calls
        calls += 1
        if calls == 1:
            add(server, alias, ANN, "points", 3)
        return apply_changes(fields, [Change("points", "add", 4)], "2026-01-31T08:00:00Z", "test")

    assert edit(server, ANN, first, alias)["points"]["value"] == 7


def test_what_is_forgotten_can_begin_anew(server: Elasticsearch, alias: str) -> None:
    add(server, alias, ANN, "points", 3)
    forget(server, [ANN, ("user_id", "ben")], alias)
    assert edits_of(server, [ANN], alias) == {}
    assert add(server, alias, ANN, "points", 1)["points"]["value"] == 1


def test_a_missing_index_is_told_and_not_made(server: Elasticsearch) -> None:
    name = f"test-edits-{uuid.uuid4().hex}"
    for action in (lambda: add(server, name, ANN, "points"), lambda: forget(server, [ANN], name)):
        with pytest.raises(UserError, match=r"mend it|dmp up"):
            action()
    assert not server.indices.exists(index=name)


def test_one_writer_s_conflict_is_elasticsearch_s_doing(server: Elasticsearch, alias: str) -> None:
    """The refusal that all of this stands on."""
    server.index(index=alias, id="x", document={})
    with pytest.raises(ConflictError):
        server.index(index=alias, id="x", document={}, op_type="create")
    with pytest.raises(ConflictError):
        server.index(index=alias, id="x", document={}, if_seq_no=0, if_primary_term=9)
