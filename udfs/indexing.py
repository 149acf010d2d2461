"""`index_document`: writes result messages into Elasticsearch, bulks for each batch of Arrow.

Flink ends the open batch before it takes a checkpoint, so every message behind a checkpoint is in Elasticsearch.
After a restart some are written again: their version, the offset, makes the repetition harmless.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Optional

import orjson
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from connectors.elasticsearch import BulkWriter, Write, connect, document_id
from dmp.config import ElasticsearchSection
from schemas.topics import Topic
from udfs.frames import to_frame

RESULT_TYPE = DataTypes.ROW(
    [
        DataTypes.FIELD("document_id", DataTypes.STRING()),
        DataTypes.FIELD("status", DataTypes.INT()),
        DataTypes.FIELD("reason", DataTypes.STRING()),
        DataTypes.FIELD("detail", DataTypes.STRING()),
    ]
)


class IndexDocumentFunction(ScalarFunction):
    """Vectorised: (topic STRING, partition INT, offset BIGINT, key BYTES, value BYTES) -> RESULT_TYPE.

    `reason` is null for a document that Elasticsearch holds; the others belong to the dead letter.
    """

    def __init__(self, server: ElasticsearchSection, topics: Sequence[Topic]) -> None:
        self._server = server
        self._topics = {topic.name: topic for topic in topics}

    def open(self, function_context: FunctionContext) -> None:
        self._client = connect(self._server)
        self._writer = BulkWriter(self._client)

    def close(self) -> None:
        self._client.close()

    def is_deterministic(self) -> bool:
        # Its effect is outside: the planner must neither drop nor repeat a call.
        return False

    def eval(self, *columns: pd.Series) -> pd.DataFrame:
        rows = list(zip(*columns))
        positions = self._last_of_each_document(rows)
        refusals = self._writer.write(self._to_write(*rows[i]) for i in positions)
        results: list[tuple[Any, ...]] = [(None, None, None, None)] * len(rows)
        for i, refusal in zip(positions, refusals):
            if refusal is not None:
                results[i] = (self._document_id(*rows[i]), refusal.status, refusal.reason, refusal.detail)
        return to_frame(RESULT_TYPE.field_names(), results)

    def _last_of_each_document(self, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """Positions, in order; what comes before the last would be overwritten at once."""
        last = {
            (topic, key if self._topics[topic].kind == "upsert" else i): i
            for i, (topic, _, _, key, _) in enumerate(rows)
        }
        return sorted(last.values())

    def _document_id(self, topic: str, partition: int, offset: int, key: Optional[bytes], _: Optional[bytes]) -> str:
        return document_id(key) if self._topics[topic].kind == "upsert" else f"{partition}|{offset}"

    def _to_write(self, topic: str, partition: int, offset: int, key: Optional[bytes], value: Optional[bytes]) -> Write:
        target, name = self._topics[topic], self._document_id(topic, partition, offset, key, value)
        return Write(str(target.index), name, offset + 1, indexed(value, target))


def indexed(value: Optional[bytes], topic: Topic) -> Optional[bytes]:
    """The document of a message: some fields of a topic are left out, and those that hold JSON text become objects.

    What is no JSON stays as it is: Elasticsearch says why it refuses it.
    """
    if value is None:
        return None
    try:
        for name in topic.json_objects:
            value = _opened(value, name)
        return _without(value, topic.not_indexed) if topic.not_indexed else value
    except orjson.JSONDecodeError:
        return value


def _opened(document: bytes, name: str) -> bytes:
    """The JSON in place of its text, which is not empty, in the first field of this name."""
    found = _field_of_text(name).search(document)
    if not found:
        return document
    text = orjson.loads(found[1])
    orjson.loads(text)  # nothing but one whole value may come into the document
    return document[: found.start(1)] + text.encode() + document[found.end(1) :]


@lru_cache
def _field_of_text(name: str) -> re.Pattern[bytes]:
    # To take a whole profile apart, and put it together again, takes longer than all else that is done to it. Kafka's
    # JSON has no spaces, and within a string each quote has a backslash before it: this is a field, not part of a text.
    # (Looking back in the first place would cost the fast search for what a pattern begins with.)
    label = rb'"%s":' % re.escape(name).encode()
    return re.compile(rb'%s(?<=[{,]%s)("[^"\\]*(?:\\.[^"\\]*)*")' % (label, label))


def _without(document: bytes, names: Sequence[str]) -> bytes:
    fields = orjson.loads(document)
    if not isinstance(fields, dict):
        return document
    return orjson.dumps({name: content for name, content in fields.items() if name not in names})


def index_document(server: ElasticsearchSection, topics: Sequence[Topic]) -> UserDefinedScalarFunctionWrapper:
    """The function to register as `index_document`."""
    return udf(IndexDocumentFunction(server, topics), result_type=RESULT_TYPE, func_type="pandas")
