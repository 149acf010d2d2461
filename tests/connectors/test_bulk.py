"""Bulk writes into the real Elasticsearch: what is repeated, reordered, refused, or has to wait."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from elasticsearch import Elasticsearch

from connectors.elasticsearch import BULK_BYTES, BulkWriter, Refusal, Write, connect, document_id
from dmp.config import ElasticsearchSection
from schemas.setup import template
from schemas.topics import METRICS
from tests.stacks import StackUnderTest

ALIAS = f"test-bulk-{uuid.uuid4().hex}"
INDEX = f"{ALIAS}-000001"
MAPPINGS = {
    "dynamic": "strict",
    "properties": {"number": {"type": "integer"}, "text": {"type": "text", "index": False}},
}


@pytest.fixture(scope="module")
def server(stack: StackUnderTest) -> Iterator[Elasticsearch]:
    with connect(stack.config.elasticsearch) as client:
        yield client


@pytest.fixture
def client(server: Elasticsearch) -> Iterator[Elasticsearch]:
    """The server with an empty strict index behind ALIAS."""
    server.indices.create(
        index=INDEX, mappings=MAPPINGS, aliases={ALIAS: {"is_write_index": True}}, settings={"number_of_replicas": 0}
    )
    yield server
    server.indices.delete(index=INDEX)


def write(version: int, source: Optional[dict[str, Any]], name: str = "d") -> Write:
    return Write(ALIAS, name, version, None if source is None else json.dumps(source).encode())


def stored(client: Elasticsearch) -> dict[str, Any]:
    """The documents behind the alias by id."""
    client.indices.refresh(index=ALIAS)
    hits = client.search(index=ALIAS, size=1000)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


@pytest.mark.stack
def test_only_writes_that_are_not_older_change_a_document(client: Elasticsearch) -> None:
    writer = BulkWriter(client)
    for version, number, expected in ((5, 1, 1), (4, 2, 1), (5, 3, 3), (6, 4, 4)):
        assert writer.write([write(version, {"number": number})]) == [None]
        assert stored(client) == {"d": {"number": expected}}


@pytest.mark.stack
def test_a_write_without_source_deletes_unless_it_is_older(client: Elasticsearch) -> None:
    writer = BulkWriter(client)
    assert writer.write([write(5, {"number": 1}), write(5, {"number": 2}, "other")]) == [None, None]
    assert writer.write([write(4, None)]) == [None]
    assert stored(client) == {"d": {"number": 1}, "other": {"number": 2}}
    assert writer.write([write(6, None)]) == [None]
    assert writer.write([write(6, None), write(1, None, "never there")]) == [None, None]
    assert writer.write([write(5, {"number": 1})]) == [None]
    assert stored(client) == {"other": {"number": 2}}


@pytest.mark.stack
@pytest.mark.parametrize(
    ("source", "reason", "named"),
    [
        (b'{"secret-name": 1, "number": 2}', "strict_dynamic_mapping_exception", "[secret-name]"),
        (b'{"number": "secret"}', "document_parsing_exception", "[number]"),
        (b'{"number": {"a": "secret"}}', "document_parsing_exception", "[number]"),
        (b'{"number": 1} secret', "document_parsing_exception", "[1:"),
        (b'{"number": 1', "document_parsing_exception", "[1:"),
        (b"", "document_parsing_exception", "empty"),
        (b"secret", "not_x_content_exception", ""),
        (b'["secret"]', "not_x_content_exception", ""),
    ],
)
def test_a_refused_document_has_a_reason_without_its_values(
    client: Elasticsearch, source: bytes, reason: str, named: str
) -> None:
    good, bad = write(1, {"number": 1}, "good"), Write(ALIAS, "bad", 1, source)
    results = BulkWriter(client, patience_seconds=5).write([bad, good])
    refusal = results[0]
    assert isinstance(refusal, Refusal)
    assert results[1] is None
    assert refusal.reason == reason
    assert named in refusal.detail
    assert "secret" not in refusal.detail.replace("secret-name", "")
    assert stored(client) == {"good": {"number": 1}}


@pytest.mark.stack
def test_a_term_that_is_too_long_shows_none_of_it(client: Elasticsearch) -> None:
    client.indices.put_mapping(index=ALIAS, properties={"word": {"type": "keyword"}})
    (refusal,) = BulkWriter(client).write([write(1, {"word": "x" * 40_000})])
    assert refusal is not None
    assert "[word]" in refusal.detail
    assert "120, 120" not in refusal.detail  # Lucene's reason has the bytes of x


@pytest.mark.stack
def test_the_longest_names_fit_into_the_template(server: Elasticsearch) -> None:
    mappings = template(METRICS)["template"]["mappings"]
    server.indices.create(index=INDEX, mappings=mappings, aliases={ALIAS: {"is_write_index": True}})
    try:
        row = {"window_start": "2026-01-01T00:00:00Z", "event": "\N{GRINNING FACE}" * 9_000, "campaign": "語" * 33_000}
        assert BulkWriter(server).write([write(1, row)]) == [None]
    finally:
        server.indices.delete(index=INDEX)


@pytest.mark.stack
def test_line_ends_in_a_document_do_not_break_the_request(client: Elasticsearch) -> None:
    writes = [Write(ALIAS, "d", 1, b'{\n  "number": 1\r\n}\n'), write(1, {"number": 2}, "next")]
    assert BulkWriter(client).write(writes) == [None, None]
    assert stored(client) == {"d": {"number": 1}, "next": {"number": 2}}


@pytest.mark.stack
@pytest.mark.parametrize("source", [{"number": 1}, None], ids=["index", "delete"])
def test_a_missing_alias_is_an_error_that_tells_what_to_do(
    server: Elasticsearch, source: Optional[dict[str, Any]]
) -> None:
    with pytest.raises(RuntimeError, match=r"no alias for the document .*run 'dmp up' again"):
        BulkWriter(server).write([write(1, source)])
    assert not server.indices.exists(index=ALIAS), "Elasticsearch made an index of its own"


@pytest.mark.stack
@pytest.mark.parametrize("block", ["index.blocks.write", "index.blocks.read_only_allow_delete"])
def test_an_index_that_takes_no_writes_is_waited_for(client: Elasticsearch, block: str) -> None:
    client.indices.put_settings(index=INDEX, settings={block: True})
    release = threading.Timer(1, lambda: client.indices.put_settings(index=INDEX, settings={block: None}))
    release.start()
    try:
        assert BulkWriter(client, patience_seconds=60).write([write(1, {"number": 1})]) == [None]
    finally:
        release.join()
    assert stored(client) == {"d": {"number": 1}}


@pytest.mark.stack
def test_a_batch_larger_than_a_request_is_split_in_order(client: Elasticsearch) -> None:
    requests = Requests(client)
    filler = "x" * (BULK_BYTES // 4)
    writes = [write(version, {"text": filler, "number": version}, f"d{version % 5}") for version in range(1, 11)]
    writes.insert(3, write(1, {"unknown": 1}, "bad"))
    results = BulkWriter(requests).write(writes)
    assert [result is None for result in results] == [i != 3 for i in range(11)]
    assert {name: source["number"] for name, source in stored(client).items()} == {f"d{i % 5}": i for i in range(6, 11)}
    assert len(requests.sizes) > 1
    assert max(requests.sizes) <= BULK_BYTES


class Requests(Elasticsearch):
    """A client of the same server that notes the size of each bulk request."""

    def __init__(self, client: Elasticsearch) -> None:
        super().__init__(_transport=client.transport)
        self.sizes: list[int] = []

    def bulk(self, **parameters: Any) -> Any:
        self.sizes.append(sum(map(len, parameters["operations"])))
        return super().bulk(**parameters)


def test_an_address_where_nobody_listens_is_an_error_when_patience_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = ElasticsearchSection(url=f"http://127.0.0.1:{closed.getsockname()[1]}")
    began = time.monotonic()
    with connect(away) as client, pytest.raises(RuntimeError, match="took no writes for 1 s"):
        BulkWriter(client, patience_seconds=1).write([write(1, {"number": 1})])
    assert time.monotonic() - began > 0.4


def test_a_server_that_never_answers_is_an_error_when_patience_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server = ElasticsearchSection(url=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with connect(server, 0.3) as client, pytest.raises(RuntimeError, match="took no writes for 1 s"):
            BulkWriter(client, patience_seconds=1).write([write(1, {"number": 1})])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b'{"window_start":"2026-01-01T00:00:00Z","measure":"late","label":""}', "2026-01-01T00:00:00Z|late|"),
        (b'{"number":7,"nothing":null}', "7|"),
        ('{"name":"語"}'.encode(), "語"),
        (b'{"name":"' + b"x" * 512 + b'"}', "x" * 512),
    ],
)
def test_the_id_of_a_document_reads_like_its_key(key: bytes, expected: str) -> None:
    assert document_id(key) == expected


@pytest.mark.parametrize("key", ['{"name":"' + "x" * 513 + '"}', '{"name":"' + "語" * 171 + '"}', "no JSON", "[1]"])
def test_a_key_that_is_too_long_or_no_object_is_hashed(key: str) -> None:
    name = document_id(key.encode())
    assert len(name) == 64
    assert int(name, 16)
    assert document_id(key.encode()) == name != document_id(key.replace("x", "y").replace("語", "言").encode() + b" ")


def test_values_with_the_separator_do_not_share_an_id() -> None:
    keys = [b'{"event":"a|b","campaign":"c"}', b'{"event":"a","campaign":"b|c"}', b'{"event":"a","campaign":"b"}']
    assert len({document_id(key) for key in keys}) == 3
