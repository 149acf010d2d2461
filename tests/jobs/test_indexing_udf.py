"""What job `index` makes of a message before Elasticsearch gets it."""

from __future__ import annotations

import re
from typing import Any, Optional

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import EVENTS_REJECTED, METRICS, PROFILES
from udfs.indexing import indexed

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
OBJECTS = st.dictionaries(TEXTS, st.recursive(st.none() | st.booleans() | TEXTS, st.lists, max_leaves=4))


def as_flink_writes(document: dict[str, Any], escaped: bool) -> bytes:
    """Without spaces, as Flink's JSON is; letters beyond ASCII may be escaped or not."""
    text = orjson.dumps(document).decode()
    return re.sub(r"[^\x00-\xff]", lambda found: escape(found[0]), text).encode() if escaped else text.encode()


def escape(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


@given(OBJECTS, OBJECTS, st.booleans())
def test_traits_are_an_object_and_all_else_stays(fields: dict[str, Any], traits: dict[str, Any], escaped: bool) -> None:
    row = {**fields, "profile_id": "p1", "traits": orjson.dumps(traits).decode(), "sessions": 2}
    found = indexed(as_flink_writes(row, escaped), PROFILES)
    assert found is not None
    assert orjson.loads(found) == {**row, "traits": traits}


def test_a_text_that_looks_like_the_field_is_none() -> None:
    traits = '{"plan":"\\"traits\\":\\"{}\\""}'
    row = {',"traits': "{}", "email": '"traits":"{}"', "channel": 'x","traits":"{\\"a\\":1}', "traits": traits}
    found = indexed(orjson.dumps(row), PROFILES)
    assert found is not None
    assert orjson.loads(found) == {**row, "traits": {"plan": '"traits":"{}"'}}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b'{"profile_id":"p1","traits":null}',
        b'{"profile_id":"p1"}',
        b'{"profile_id":"p1","traits":""}',
        b'{"profile_id":"p1","traits":"{"}',
        b'{"profile_id":"p1","traits":"{},\\"more\\":1"}',
        b'{"profile_id":"p1","traits":"\\ud800"}',
        b'{"profile_id":"p1","traits":"{',
        b"[]",
        b"no JSON",
    ],
)
def test_what_has_no_json_there_is_left_to_elasticsearch(value: Optional[bytes]) -> None:
    assert indexed(value, PROFILES) == value


def test_what_may_hold_personal_data_stays_in_kafka() -> None:
    found = indexed(b'{"reason":"malformed","raw":"mail me: a@b.example","line":3}', EVENTS_REJECTED)
    assert found == b'{"reason":"malformed","line":3}'


def test_other_documents_are_the_bytes_of_kafka() -> None:
    value = b'{"window_start" : 1.50, "window_start": 2}'
    assert indexed(value, METRICS) is value
