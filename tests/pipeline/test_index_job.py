"""The real index job, from a result topic to the documents: written, replaced, deleted, refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest
from confluent_kafka import Producer

from schemas.topics import INDEX_REJECTED, QUALITY
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

# A window that no event of any test falls into.
KEY = {"window_start": "1999-01-01T00:00:00Z", "measure": "test", "label": ""}
ID = "1999-01-01T00:00:00Z|test|"
Put = Callable[[Optional[dict[str, Any]]], int]


@pytest.fixture
def put(platform: Platform) -> Iterator[Put]:
    """Writes a value (None: a tombstone) under KEY and returns its offset; the document is gone at the end."""
    producer = Producer({"bootstrap.servers": platform.stack.config.kafka.bootstrap_servers, "acks": "all"})

    def put_(value: Optional[dict[str, Any]]) -> int:
        offsets: list[int] = []
        producer.produce(
            QUALITY.name,
            key=json.dumps(KEY).encode(),
            value=None if value is None else json.dumps(value).encode(),
            on_delivery=lambda _, message: offsets.append(message.offset()),
        )
        assert producer.flush(60) == 0
        return offsets[0]

    yield put_
    put_(None)
    wait_for("the end of the document", lambda: document(platform) is None)


def row(value: float, **more: object) -> dict[str, Any]:
    return {**KEY, "window_end": "1999-01-01T00:00:10Z", "value": value, **more}


def document(platform: Platform) -> Optional[dict[str, Any]]:
    """Source and version of the document; None when there is none."""
    found = platform.search.options(ignore_status=404).get(index=str(QUALITY.index), id=ID)
    return dict(found) if found["found"] else None


def test_a_row_becomes_a_document_is_replaced_and_deleted(platform: Platform, put: Put) -> None:
    offset = put(row(1.5))
    first = wait_for("the document", lambda: document(platform))
    assert first["_source"] == row(1.5)
    assert first["_version"] == offset + 1
    put(row(2.5))
    wait_for("the newer value", lambda: (found := document(platform)) and found["_source"] == row(2.5))
    put(None)
    wait_for("the end of the document", lambda: document(platform) is None)


def test_a_document_that_does_not_fit_is_a_dead_letter_and_holds_up_nobody(platform: Platform, put: Put) -> None:
    offset = put(row(3.5, surprise="a value of the document"))

    def dead_letter() -> Optional[dict[str, Any]]:
        rows = [json.loads(message.value) for message in platform.topic(INDEX_REJECTED.name)]
        ours = [row for row in rows if row["document_id"] == ID and row["source_offset"] == offset]
        return ours[0] if ours else None

    letter = wait_for("the dead letter", dead_letter)
    assert (letter["source_topic"], letter["status"]) == (QUALITY.name, 400)
    assert letter["reason"] == "strict_dynamic_mapping_exception"
    assert "[surprise]" in letter["detail"]
    assert "a value of the document" not in letter["detail"]
    assert document(platform) is None
    put(row(4.5))
    wait_for("the next value", lambda: (found := document(platform)) and found["_source"] == row(4.5))
