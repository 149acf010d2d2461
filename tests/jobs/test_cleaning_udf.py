"""`clean_event` in a Flink mini-cluster: the columns and types that come back through Arrow."""

from __future__ import annotations

import json
import time
from typing import Any, Optional

import pytest
from pyflink.table import DataTypes, EnvironmentSettings, Row, TableEnvironment

from dmp.core.cleaning import Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from udfs.cleaning import clean_event, members, result_type

pytestmark = pytest.mark.flink

PII_KEY = "a key of the tests"
RECEIVED_MS = 1_772_359_200_123  # 2026-03-01T10:00:00.123Z


def event(**fields: Any) -> bytes:
    return json.dumps({"type": "page", "timestamp": "2026-03-01T10:00:00.007Z", **fields}).encode()


RICH = event(
    messageId="rich",
    type="track",
    event="Order Completed 語\N{GRINNING FACE}",
    userId="u1",
    anonymousId="c1",
    properties={"revenue": 999_999_999_999.25, "currency": "eur", "email": "nobody", "phone": "12"},
    context={
        "channel": "web",
        "ip": "203.0.113.7",
        "userAgent": "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "traits": {"name": "J"},
        "consent": {"categoryPreferences": {"analytics": True, "marketing": False}},
    },
)
PLAIN = event(messageId="plain", anonymousId="c2")
OLD = event(messageId="old", timestamp="2026-03-01T09:00:00Z", properties={"revenue": -1})
EVENTS: list[Optional[bytes]] = [
    RICH, PLAIN, OLD, b"no JSON \xff", None, event(type="purchase"), event(timestamp="9999-12-31T23:59:59.999Z"),
]  # fmt: skip


@pytest.fixture(scope="module")
def rows(java: None) -> list[dict[str, Any]]:
    """What the function makes of EVENTS, all of one partition."""
    environment = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    environment.get_config().set("parallelism.default", "1")  # so that the events stay in their order
    environment.create_temporary_system_function("clean_event", clean_event(CleaningRules(), 10_000, None))
    columns = [
        DataTypes.FIELD("message", DataTypes.BYTES()),
        DataTypes.FIELD("received_ms", DataTypes.BIGINT()),
        DataTypes.FIELD("part", DataTypes.INT()),
    ]
    elements = [(None if raw is None else bytearray(raw), RECEIVED_MS, 3) for raw in EVENTS]
    messages = environment.from_elements(elements, DataTypes.ROW(columns))
    environment.create_temporary_view("messages", messages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMP_PII_KEY", PII_KEY)  # a mini-cluster runs the functions in this process
        result = environment.execute_sql(
            "SELECT c.* FROM "
            "(SELECT clean_event(message, TO_TIMESTAMP_LTZ(received_ms, 3), part) AS c FROM messages) AS cleaned"
        )
        names = result.get_table_schema().get_field_names()
        with result.collect() as found:
            return [dict(zip(names, row)) for row in found if isinstance(row, Row)]


def test_every_event_has_one_row_with_all_columns(rows: list[dict[str, Any]]) -> None:
    assert len(rows) == len(EVENTS)
    assert all(list(row) == result_type().field_names() for row in rows)


def test_each_row_says_what_the_pure_cleaner_says(rows: list[dict[str, Any]]) -> None:
    cleaner = Cleaner(CleaningRules(), PrivacyKeys(PII_KEY.encode()))
    for raw, row in zip(EVENTS, rows):
        expected = cleaner.clean(raw or b"")
        if isinstance(expected, CleanEvent):
            assert (row["reason"], row["detail"]) == (None, None)
            assert {name: row[name] for name in CleanEvent._fields} == {
                **expected._asdict(),
                "traits": None if expected.traits is None else members(expected.traits),
                "flags": list(expected.flags),
            }
        else:
            assert Reject(row["reason"], row["detail"]) == expected
            assert all(row[name] is None for name in (*CleanEvent._fields, "late"))


def test_types_survive_columns_with_gaps(rows: list[dict[str, Any]]) -> None:
    rich, plain = rows[0], rows[1]
    assert rich["revenue_micros"] == 999_999_999_999_250_000  # beyond the integers that a double can hold
    assert type(rich["revenue_micros"]) is int
    assert plain["revenue_micros"] is None
    assert (rich["bot"], rich["consent_analytics"], rich["consent_marketing"]) == (True, True, False)
    assert (plain["bot"], plain["consent_analytics"], plain["consent_marketing"]) == (False, None, None)
    assert rich["flags"] == ["invalid_email", "invalid_phone"]
    assert plain["flags"] == []


def test_only_accepted_events_are_late_or_not(rows: list[dict[str, Any]]) -> None:
    assert [row["late"] for row in rows] == [False, False, True, None, None, None, False]


def test_times_are_those_of_kafka_and_of_the_worker(rows: list[dict[str, Any]]) -> None:
    assert {row["received_ms"] for row in rows} == {RECEIVED_MS}
    assert all(abs(row["cleaned_ms"] - time.time() * 1000) < 600_000 for row in rows)
