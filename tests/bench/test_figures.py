"""What a bench makes of what it has seen."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest

from bench.engines.plain import count
from bench.growth import STRANGERS
from bench.processes import Watch
from bench.progress import Sample, rate_between, steady_rate
from bench.throughput import Difference, difference
from bench.topics import Windows
from bench.workload import MIXES, make_events, raw_event, raw_messages

WINDOW_MS = 10_000


def test_the_steady_rate_leaves_out_start_and_end() -> None:
    # Nothing for ten seconds, then 100 a second for ten, then a wait for the last checkpoint.
    samples = [Sample(10, 0), *(Sample(10 + second, 100 * second) for second in range(1, 11)), Sample(40, 1000)]
    assert steady_rate(samples, 1000) == pytest.approx(100)


def test_the_first_message_is_read_after_the_last_sample_without_any() -> None:
    samples = [Sample(0, 0), Sample(10, 0), Sample(11, 100), Sample(12, 200)]
    assert rate_between(samples, 0, 200) == pytest.approx(100)


def test_between_two_samples_the_rate_is_that_of_a_straight_line() -> None:
    samples = [Sample(0, 0), Sample(5, 500), Sample(6, 600), Sample(8, 700), Sample(14, 1000)]
    assert steady_rate(samples, 1000) == pytest.approx(600 / (10 - 2))


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [Sample(1, 0)],
        [Sample(1, 0), Sample(2, 300), Sample(3, 400), Sample(4, 500)],
        [Sample(180, 0), Sample(190, 1000)],
        [Sample(1, 0), Sample(2, 300), Sample(3, 600), Sample(4, 900)],
    ],
    ids=["none", "nothing read", "not all read", "all at once", "hardly any between"],
)
def test_without_a_middle_there_is_no_rate(samples: list[Sample]) -> None:
    assert steady_rate(samples, 1000) is None


def test_a_mix_knows_how_many_identifiers_there_are() -> None:
    events, mix = 20_000, MIXES["all-new"]
    made = list(make_events(Random(1), events, mix))
    for many in (2_000, 20_000):
        kinds = ("user_id", "device_id", "anonymous_id")
        found = {(kind, event[kind]) for event in made[:many] for kind in kinds if kind in event}
        assert mix.identifiers(many, events) == pytest.approx(len(found), rel=0.02)


def test_strangers_keep_coming() -> None:
    events = 200_000
    seen: set[str] = set()
    reached = []
    for number, event in enumerate(make_events(Random(1), events, STRANGERS), 1):
        seen |= {event[kind] for kind in ("user_id", "device_id", "anonymous_id") if kind in event}
        if number % (events // 10) == 0:
            reached.append(len(seen))
    new = [after - before for before, after in zip(reached[1:], reached[2:])]
    expected = STRANGERS.identifiers(1_000_000, 1_000_000) / 1_000_000 * events / 10
    assert new == pytest.approx([expected] * 8, rel=0.03)


def test_differences_are_told_by_kind() -> None:
    a, b, c = ((start, "web", "page", "") for start in (0, 10_000, 20_000))
    expected: Windows = {a: (5, 2, 0), b: (5, 2, 100), c: (1, 1, 0)}
    assert difference(expected, expected) == Difference(0, 0, 0)
    assert difference({a: (5, 3, 0), b: (5, 2, 101)}, expected) == Difference(lost=1, counts=2, persons=2)


def test_a_watch_sees_what_this_process_does() -> None:
    with Watch({"me": os.getpid()}) as watch:
        used = sum(number * number for number in range(3_000_000))
    assert used and watch.cpu_seconds["me"] > 0 and watch.peak_mib["me"] > 10


def test_raw_events_are_cleaned_into_what_they_were_made_of() -> None:
    events = list(make_events(Random(1), 500, MIXES["all-new"]))
    counted = count([raw_event(event, number) for number, event in enumerate(events)], WINDOW_MS)
    assert sum(total for total, _, _ in counted.values()) == 500
    by_key = Counter((event["channel"], event["event"], event.get("campaign", "")) for event in events)
    assert Counter({key[1:]: total for key, (total, _, _) in counted.items()}) == by_key
    assert sum(micros for _, _, micros in counted.values()) == sum(event.get("revenue_micros", 0) for event in events)
    subjects = {key[1:]: persons for key, (_, persons, _) in counted.items()}
    for key in by_key:
        same = [one for one in events if (one["channel"], one["event"], one.get("campaign", "")) == key]
        assert subjects[key] == len({one["subject_id"] for one in same})


def test_some_messages_are_repeats_some_are_cut_off_and_some_late() -> None:
    messages = [value for _, value in raw_messages(MIXES["all-new"], 5_000)]
    counted = count(messages, WINDOW_MS)
    repeats = len(messages) - len(set(messages))
    cut_off = sum(not value.endswith(b"}}") for value in messages)
    assert 50 < repeats < 150 and 20 < cut_off < 80
    assert sum(total for total, _, _ in counted.values()) == len(messages) - repeats - cut_off
    assert len({key[0] for key in counted}) > 3  # 5,000 events are one second
    assert list(raw_messages(MIXES["all-new"], 100)) == list(raw_messages(MIXES["all-new"], 100))
