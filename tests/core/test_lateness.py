"""Which events count as late, by examples and against a naive recount."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dmp.core.lateness import Lateness

WINDOW_MS = 10_000
DELAY_MS = 5_000


def lates(*event_times: int, partition: int = 0) -> list[bool]:
    lateness = Lateness(WINDOW_MS, DELAY_MS)
    return [lateness.is_late(partition, event_ms) for event_ms in event_times]


def test_the_first_event_of_a_partition_is_punctual() -> None:
    assert lates(0) == [False]


def test_a_window_is_open_until_the_watermark_reaches_its_end() -> None:
    # The window of 9,999 ends at 10,000; the watermark is 5,000 behind the greatest event time.
    assert lates(14_999, 9_999) == [False, False]
    assert lates(15_000, 9_999) == [False, True]
    assert lates(15_000, 10_000) == [False, False]


def test_older_events_do_not_turn_the_watermark_back() -> None:
    assert lates(60_000, 20_000, 21_000, 60_001) == [False, True, True, False]


def test_partitions_have_watermarks_of_their_own() -> None:
    lateness = Lateness(WINDOW_MS, DELAY_MS)
    assert not lateness.is_late(0, 1_000_000)
    assert not lateness.is_late(1, 0)
    assert lateness.is_late(0, 0)


@given(
    window_ms=st.integers(1, 100),
    delay_ms=st.integers(0, 100),
    events=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 500))),
)
def test_equals_a_naive_recount(window_ms: int, delay_ms: int, events: list[tuple[int, int]]) -> None:
    lateness = Lateness(window_ms, delay_ms)
    for position, (partition, event_ms) in enumerate(events):
        before = [other_ms for other, other_ms in events[:position] if other == partition]
        window_end = (event_ms // window_ms + 1) * window_ms
        expected = bool(before) and max(before) - delay_ms >= window_end
        assert lateness.is_late(partition, event_ms) == expected
