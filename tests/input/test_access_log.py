"""Lines of access logs as events."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.access_log import AccessLog, parse
from connectors.collect.files import Line, read_lines
from connectors.kafka.messages import Message
from dmp.core.cleaning import Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys

DEMO = Path(__file__).parents[2] / "dmp" / "demo_data" / "access.log"
LINE = (
    b'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a/b?utm_campaign=x&y=1 HTTP/1.1" 200 203023 '
    b'"http://example.com/from" "Mozilla/5.0 (X11)"'
)
CLEANER = Cleaner(CleaningRules(), PrivacyKeys(b"test"))


def demo_messages(pii_key: bytes = b"test") -> list[Message]:
    with DEMO.open("rb") as file:
        convert = AccessLog(pii_key).converter(file.readline())
        file.seek(0)
        return [convert(line) for line in read_lines(file, 0)]


def convert(line: bytes, offset: int = 0, first_line: bytes = LINE, pii_key: bytes = b"test") -> dict[str, Any]:
    message = AccessLog(pii_key).converter(first_line)(Line(offset, line, len(line) + 1))
    return json.loads(message.value)


def test_fields_of_a_line() -> None:
    assert parse(LINE) == {
        "type": "page",
        "timestamp": "2015-05-17T10:05:03+00:00",
        "properties": {
            "url": "/a/b?utm_campaign=x&y=1", "path": "/a/b", "search": "?utm_campaign=x&y=1",
            "referrer": "http://example.com/from", "method": "GET", "protocol": "HTTP/1.1", "status": 200,
            "bytes": 203023,
        },
        "context": {
            "ip": "203.0.113.9", "userAgent": "Mozilla/5.0 (X11)", "channel": "web",
            "page": {
                "url": "/a/b?utm_campaign=x&y=1", "path": "/a/b", "search": "?utm_campaign=x&y=1",
                "referrer": "http://example.com/from",
            },
            "library": {"name": "dmp-access-log", "version": "1"},
        },
    }  # fmt: skip


def test_cleaning_finds_campaign_referrer_and_address() -> None:
    event = CLEANER.clean(json.dumps(convert(LINE)).encode())
    assert isinstance(event, CleanEvent)
    assert (event.campaign, event.referrer_host, event.ip) == ("x", "example.com", "203.0.113.0")
    assert (event.type, event.channel, event.event_ms) == ("page", "web", 1431857103000)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (b"01/Jan/2024:00:00:00 -0330", "2024-01-01T00:00:00-03:30"),
        (b"29/Feb/2024:23:59:59 +0530", "2024-02-29T23:59:59+05:30"),
        (b"29/Feb/2023:23:59:59 +0000", None),
        (b"17/Mai/2015:10:05:03 +0000", None),
        (b"17/May/2015:24:05:03 +0000", None),
        (b"17/May/2015:10:05:03 +9999", None),
        (b"17/May/2015:10:05:03", None),
    ],
)
def test_times(time: bytes, expected: Optional[str]) -> None:
    event = parse(LINE.replace(b"17/May/2015:10:05:03 +0000", time))
    assert (event and event["timestamp"]) == expected


def test_missing_fields_are_absent() -> None:
    event = parse(b'::1 - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" ""')
    assert event is not None
    assert event["properties"] == {"status": 408, "bytes": 0}
    assert event["context"] == {
        "ip": "::1", "channel": "web", "page": {}, "library": {"name": "dmp-access-log", "version": "1"}
    }  # fmt: skip


def test_common_log_format_and_additional_fields() -> None:
    common = parse(LINE[: LINE.index(b' "http://example.com')])
    assert common is not None and "userAgent" not in common["context"]
    longer = parse(LINE + b' "198.51.100.1" 0.003')
    assert longer == parse(LINE)


def test_escaped_quotes_and_bytes_that_are_no_text() -> None:
    event = parse(LINE.replace(b"Mozilla/5.0 (X11)", rb"a \"b\" \\ \x16" + b"\xff"))
    assert event is not None and event["context"]["userAgent"] == r'a "b" \ \x16\xff'


def test_request_that_is_no_http_is_kept() -> None:
    event = parse(LINE.replace(b"GET /a/b?utm_campaign=x&y=1 HTTP/1.1", rb"\x16\x03\x01"))
    assert event is not None
    assert event["properties"]["request"] == r"\x16\x03\x01" and "path" not in event["properties"]


def test_authenticated_user_is_the_user_id_and_the_key() -> None:
    line = LINE.replace(b"- - [", b"- frank [")
    assert convert(line)["userId"] == "frank"
    assert AccessLog(b"test").converter(LINE)(Line(0, line, 1)).key == b"frank"


@pytest.mark.parametrize(
    "line",
    [b"hello", b"{}", LINE[:-1], LINE[1:].replace(b"[", b""), b'"' + LINE, LINE.replace(b"200", b"2OO"), b"\x00\xff"],
)
def test_other_lines_stay_as_they_are(line: bytes) -> None:
    assert AccessLog(b"test").converter(LINE)(Line(5, line, len(line))) == Message(line, None)


def test_visitor_is_keyed_and_changes_with_address_browser_and_day() -> None:
    visitor = convert(LINE)["anonymousId"]
    assert convert(LINE, offset=99)["anonymousId"] == visitor
    assert convert(LINE.replace(b"10:05:03 +0000", b"23:00:00 -0000"))["anonymousId"] == visitor
    others = [
        convert(LINE, pii_key=b"other"),
        convert(LINE.replace(b"113.9", b"113.8")),
        convert(LINE.replace(b"X11", b"X12")),
        convert(LINE.replace(b"10:05:03 +0000", b"23:00:00 -0200")),
    ]
    assert len({visitor, *(event["anonymousId"] for event in others)}) == 5


def test_message_id_is_of_log_position_and_line() -> None:
    message_id = convert(LINE)["messageId"]
    assert convert(LINE, first_line=LINE + b"\r\n")["messageId"] == message_id
    others = [convert(LINE, offset=1), convert(LINE, first_line=b"other"), convert(LINE.replace(b"200", b"201"))]
    assert len({message_id, *(event["messageId"] for event in others)}) == 4


def test_demo_log_is_6000_accepted_events_the_same_each_time() -> None:
    messages = demo_messages()
    results = [CLEANER.clean(message.value) for message in messages]
    assert Counter(type(result) for result in results) == {CleanEvent: 6000}
    assert len({result.message_id for result in results if isinstance(result, CleanEvent)}) == 6000
    assert messages == demo_messages()


def test_demo_log_agrees_with_counting_its_columns() -> None:
    """An independent look at the same lines: the columns that awk would take."""
    columns = [line.split(" ") for line in DEMO.read_text(encoding="utf-8").splitlines()]
    events = [json.loads(message.value) for message in demo_messages()]
    assert [event["context"]["ip"] for event in events] == [column[0] for column in columns]
    assert [event["properties"]["status"] for event in events] == [int(column[8]) for column in columns]
    assert [event["properties"]["url"] for event in events] == [column[6] for column in columns]
    assert sum(event["properties"]["bytes"] for event in events) == sum(int(c[9]) for c in columns if c[9] != "-")


@given(st.binary())
def test_any_bytes_give_an_event_or_stay_as_they_are(line: bytes) -> None:
    message = AccessLog(b"test").converter(LINE)(Line(0, line, len(line)))
    assert message.value == line or isinstance(CLEANER.clean(message.value), (CleanEvent, Reject))


@given(
    st.lists(
        st.sampled_from([LINE[i : i + 7] for i in range(0, len(LINE), 7)] + [b"\xff", b'"', b"\\", b"]"]), max_size=40
    )
)
def test_shuffled_parts_of_a_line_never_fail(parts: list[bytes]) -> None:
    line = LINE[:60] + b"".join(parts)
    message = AccessLog(b"test").converter(LINE)(Line(0, line, len(line)))
    assert message.value == line or json.loads(message.value)["type"] == "page"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("17/May/2015:10:05:03 +0000", "01/Jan/0001:00:00:00 +0200"),
        ("17/May/2015:10:05:03 +0000", "31/Dec/9999:23:00:00 -0200"),
        (" 203023 ", f" {'9' * 19} "),
        (" 203023 ", f" {'9' * 5000} "),
    ],
)
def test_numbers_and_times_beyond_all_bounds_do_not_stop_the_collector(old: str, new: str) -> None:
    line = '203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 203023 "-" "-"'
    odd = line.replace(old, new).encode()
    assert odd != line.encode()
    assert AccessLog(b"key").converter(b"")(Line(0, odd, len(odd))) == Message(odd)
