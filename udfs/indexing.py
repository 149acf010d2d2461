"""`index_document`: writes result messages into Elasticsearch, a bulk for each batch of Arrow.

Flink ends the open batch before it takes a checkpoint, so every message behind a checkpoint is in Elasticsearch.
After a restart some are written again: their version, the offset, makes the repetition harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import orjson
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from connectors.elasticsearch import BulkWriter, Refusal, Write, connect, document_id
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
        writes = [self._to_write(*row) for row in rows]
        # Only the last write of each document: the earlier ones would be overwritten in the same request.
        last = {(write.index, write.document_id): i for i, write in enumerate(writes)}
        positions = sorted(last.values())
        refusals = dict(zip(positions, self._writer.write([writes[i] for i in positions])))
        results = [_result(write, refusals.get(i)) for i, write in enumerate(writes)]
        return to_frame(RESULT_TYPE.field_names(), results)

    def _to_write(self, topic: str, partition: int, offset: int, key: Optional[bytes], value: Optional[bytes]) -> Write:
        target = self._topics[topic]
        name = document_id(key) if target.kind == "upsert" else f"{partition}|{offset}"
        return Write(str(target.index), name, offset + 1, _indexed(value, target))


def _indexed(value: Optional[bytes], topic: Topic) -> Optional[bytes]:
    """The document: some fields of a topic are left out, and those that hold JSON text become objects."""
    if value is None or not (topic.not_indexed or topic.json_objects):
        return value
    try:
        document: dict[str, Any] = orjson.loads(value)
        document.update((name, orjson.loads(document[name])) for name in topic.json_objects if document.get(name))
    except (orjson.JSONDecodeError, AttributeError):
        return value  # Elasticsearch refuses it
    return orjson.dumps({name: field for name, field in document.items() if name not in topic.not_indexed})


def _result(write: Write, refusal: Optional[Refusal]) -> tuple[Any, ...]:
    if refusal is None:
        return (None, None, None, None)
    return (write.document_id, refusal.status, refusal.reason, refusal.detail)


def index_document(server: ElasticsearchSection, topics: Sequence[Topic]) -> UserDefinedScalarFunctionWrapper:
    """The function to register as `index_document`."""
    return udf(IndexDocumentFunction(server, topics), result_type=RESULT_TYPE, func_type="pandas")
