"""Timestamps: what is one, and which of an event's counts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.timestamps import event_time, parse_timestamp

TEN = 1_740_823_200_000  # 2025-03-01T10:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-03-01T10:00:00Z", TEN),
        ("2025-03-01t10:00:00z", TEN),
        ("2025-03-01 10:00:00Z", TEN),
        ("2025-03-01T18:00:00+08:00", TEN),
        ("2025-03-01T04:30:00-05:30", TEN),
        ("2025-03-01T10:00:00-00:00", TEN),
        ("2025-02-28T22:00:00-12:00", TEN),
        ("2025-03-01T10:00:00.5Z", TEN + 500),
        ("2025-03-01T10:00:00.123999999999Z", TEN + 123),
        ("2025-03-01T10:00:00.0009Z", TEN),
        (" 2025-03-01T10:00:00Z\n", TEN),
        ("1970-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
    ],
)
def test_rfc_3339_is_read_to_the_millisecond(text: str, expected: int) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-01T10:00:00",  # no offset
        "2025-03-01",
        "2025-03-01T10:00Z",
        "20250301T100000Z",
        "2025-3-1T10:00:00Z",
        "2025-02-29T00:00:00Z",
        "2025-04-31T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-03-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2025-03-01T24:00:00Z",
        "2025-03-01T10:60:00Z",
        "2025-03-01T10:00:61Z",
        "2025-03-01T10:00:00.Z",
        "2025-03-01T10:00:00,5Z",
        "2025-03-01T10:00:00+0800",
        "2025-03-01T10:00:00+08",
        "2025-03-01T10:00:00+24:00",
        "2025-03-01T10:00:00+08:60",
        "2025-03-01T10:00:00 Z",
        "2025-03-01_10:00:00Z",
        "２０２５-03-01T10:00:00Z",
        "+2025-03-01T10:00:00Z",
        "yesterday",
        "",
        " ",
    ],
)
def test_what_is_not_rfc_3339_with_an_offset_is_no_timestamp(text: str) -> None:
    assert parse_timestamp(text) is None


def test_a_leap_second_is_the_first_second_of_the_next_day() -> None:
    new_year = parse_timestamp("2017-01-01T00:00:00Z")
    assert parse_timestamp("2016-12-31T23:59:60Z") == new_year
    assert parse_timestamp("2017-01-01T07:59:60+08:00") == new_year
    assert parse_timestamp("2016-12-31T23:59:60.25Z") == (new_year or 0) + 250


@pytest.mark.parametrize(
    "text",
    ["2016-12-31T12:00:60Z", "2016-12-30T23:59:60Z", "2016-12-31T23:59:60+08:00", "9999-12-31T23:59:60Z"],
)
def test_a_second_60_is_refused_where_no_leap_second_can_be(text: str) -> None:
    assert parse_timestamp(text) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_740_823_200, TEN),
        (1_740_823_200_000, TEN),
        ("1740823200", TEN),
        ("1740823200000", TEN),
        (1_740_823_200.123, TEN + 123),
        ("1740823200.1239", TEN + 123),
        ("1740823200.99999999999999999999999999999999999999", TEN + 999),
        (1_740_823_200_000.9, TEN),
        ("1.7408232e9", TEN),
        (" 1740823200 ", TEN),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (-62_135_596_800, -62_135_596_800_000),  # year 1, where the calendar begins
        (-100_000_000_000, -100_000_000_000),
        (0, 0),
        ("1e-999", 0),
    ],
)
def test_numbers_are_seconds_below_1e11_and_milliseconds_from_there(value: object, expected: int) -> None:
    assert parse_timestamp(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        [1740823200],
        "NaN",
        "Infinity",
        float("nan"),
        float("inf"),
        1e300,
        10**30,
        "1e999",
        "1e99999999999",
        "0x10",
        "1_000",
        "1740823200s",
        "1,740,823,200",
        "--1",
        ".5",
        "253402300800000",
    ],
)
def test_everything_else_is_no_timestamp(value: object) -> None:
    assert parse_timestamp(value) is None


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)), st.integers(-1439, 1439))
def test_every_time_python_writes_with_an_offset_is_read_back(moment: datetime, minutes: int) -> None:
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    if moment.microsecond % 1000 and expected < 0:
        expected = parse_timestamp(moment.replace(microsecond=moment.microsecond // 1000 * 1000).isoformat()) or 0
    assert parse_timestamp(moment.isoformat()) == expected


@given(st.one_of(st.text(), st.integers(), st.floats(), st.from_regex(r"[0-9T:.Z+ -]{0,40}")))
def test_parsing_never_raises_and_stays_in_the_range_of_the_calendar(value: object) -> None:
    parsed = parse_timestamp(value)
    assert parsed is None or abs(parsed) <= 253_402_300_799_999 + 86_400_000


def test_timestamp_counts_before_original_timestamp_and_received_at() -> None:
    times = {"timestamp": 1_000_000_001, "originalTimestamp": 1_000_000_002, "receivedAt": 1_000_000_003}
    assert event_time(times) == 1_000_000_001_000
    del times["timestamp"]
    assert event_time(times) == 1_000_000_002_000
    del times["originalTimestamp"]
    assert event_time(times) == 1_000_000_003_000


def test_a_null_timestamp_is_absent() -> None:
    assert event_time({"timestamp": None, "receivedAt": TEN}) == TEN


def test_an_unreadable_timestamp_is_bad_although_another_one_could_be_read() -> None:
    with pytest.raises(ValueError, match="timestamp is neither"):
        event_time({"timestamp": "soon", "originalTimestamp": TEN, "receivedAt": TEN})


def test_clock_skew_is_taken_out_and_the_result_replaces_timestamp() -> None:
    # The sender's clock is one hour fast; the event waited 5 s before it was sent and 1 s on its way.
    event = {
        "timestamp": "garbage, not even looked at",
        "originalTimestamp": "2025-03-01T11:00:00Z",
        "sentAt": "2025-03-01T11:00:05Z",
        "receivedAt": "2025-03-01T10:00:06Z",
    }
    assert event_time(event) == TEN + 1000


@pytest.mark.parametrize("missing", ["originalTimestamp", "sentAt", "receivedAt"])
@pytest.mark.parametrize("broken", [None, "soon"])
def test_clock_skew_needs_all_three_times_readable(missing: str, broken: object) -> None:
    event = {"originalTimestamp": TEN, "sentAt": TEN + 5000, "receivedAt": TEN + 9000, missing: broken}
    assert event_time({**event, "timestamp": TEN + 1}) == TEN + 1


def test_the_year_2000_is_the_first_that_is_accepted() -> None:
    assert event_time({"timestamp": "2000-01-01T00:00:00Z"}) == 946_684_800_000
    with pytest.raises(ValueError, match="before the year 2000"):
        event_time({"timestamp": "1999-12-31T23:59:59.999Z"})
    with pytest.raises(ValueError, match="before the year 2000"):
        event_time({"timestamp": 20250301})


def test_exactly_one_day_ahead_of_its_receipt_is_accepted_and_a_millisecond_more_is_not() -> None:
    assert event_time({"timestamp": TEN + 86_400_000, "receivedAt": TEN}) == TEN + 86_400_000
    with pytest.raises(ValueError, match="ahead of receivedAt"):
        event_time({"timestamp": TEN + 86_400_001, "receivedAt": TEN})


@pytest.mark.parametrize("received", [None, "garbage"])
def test_without_a_readable_receipt_no_event_is_ahead(received: object) -> None:
    assert event_time({"timestamp": "2999-01-01T00:00:00Z", "receivedAt": received}) == 32_472_144_000_000


def test_skew_corrected_times_are_checked_too() -> None:
    with pytest.raises(ValueError, match="ahead of receivedAt"):
        event_time({"originalTimestamp": TEN + 10 * 86_400_000, "sentAt": TEN, "receivedAt": TEN})
    with pytest.raises(ValueError, match="before the year 2000"):
        event_time({"originalTimestamp": 0, "sentAt": TEN, "receivedAt": TEN})
    with pytest.raises(ValueError, match="after the year 9999"):
        far = "9999-12-31T23:59:59Z"
        event_time({"originalTimestamp": far, "sentAt": 0, "receivedAt": far})


def test_an_event_without_any_time_is_bad() -> None:
    with pytest.raises(ValueError, match="all missing"):
        event_time({"sentAt": TEN})


@pytest.mark.parametrize("value", [-99_999_999_999, "-62135596801", -62_135_596_800_001])
def test_numbers_before_the_year_1_are_no_timestamps(value: object) -> None:
    assert parse_timestamp(value) is None
