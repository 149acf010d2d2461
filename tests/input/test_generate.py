"""The generator against the pure cleaner, and against the statistics it promises."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Union

import numpy as np
import pytest

from connectors.generate import Tally, Traffic
from connectors.generate.catalogue import messy_email, messy_phone, messy_user_id
from connectors.generate.faults import FAULTS
from connectors.generate.people import ZIPF_EXPONENT, People
from connectors.generate.stream import ACCEPTED, DUPLICATE, Block, _spans, blocks, make_block
from connectors.keys import message_key
from dmp.core.cleaning import REJECT_REASONS, Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules, normalise, normalise_email, normalise_phone
from dmp.core.privacy import PrivacyKeys

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
Results = list[Union[CleanEvent, Reject]]
TRAFFIC = Traffic(events=40_000, rate=500.0, seed=7, start_us=START_US)


@pytest.fixture(scope="module")
def stream() -> list[Block]:
    return [make_block(TRAFFIC, number, *span) for number, span in enumerate(_spans(TRAFFIC))]


def messages(stream: list[Block]) -> Iterator[tuple[int, bytes, Any, str, bool]]:
    for block in stream:
        yield from zip(block.arrivals_us, block.values, block.keys, block.outcomes, block.old)


@pytest.fixture(scope="module")
def results(stream: list[Block]) -> Results:
    """What cleaning makes of each message."""
    cleaner = Cleaner(CleaningRules(), PrivacyKeys(b"test"))
    return [cleaner.clean(value) for _, value, *_ in messages(stream)]


def well_formed(stream: list[Block]) -> Iterator[dict[str, Any]]:
    for _, value, _, outcome, _ in messages(stream):
        if outcome == ACCEPTED:
            yield json.loads(value)


def test_cleaning_makes_of_each_message_what_the_generator_says(stream: list[Block], results: Results) -> None:
    seen: set[str] = set()
    for (_, value, _, expected, _), result in zip(messages(stream), results):
        if isinstance(result, Reject):
            outcome = result.reason
        else:
            outcome = DUPLICATE if result.message_id in seen else ACCEPTED
            seen.add(result.message_id)
        assert outcome == expected, value[:400]


def test_events_happened_just_before_their_arrival_and_old_ones_minutes_before(
    stream: list[Block], results: Results
) -> None:
    for (arrival_us, _, _, outcome, old), event in zip(messages(stream), results):
        if outcome == ACCEPTED:
            assert isinstance(event, CleanEvent)
            age_ms = arrival_us // 1000 - event.event_ms
            assert (60_000 <= age_ms <= 3_600_000) if old else (0 <= age_ms <= 2_001)


def test_sent_is_accepted_plus_duplicates_plus_rejected(stream: list[Block]) -> None:
    tally = Tally()
    for block in stream:
        tally.add(block.outcomes, block.old)
    totals = tally.as_dict()
    assert totals["sent"] == TRAFFIC.events
    assert totals["sent"] == totals["accepted"] + totals["duplicates"] + sum(totals["rejected"].values())


def test_shares_are_those_asked_for(stream: list[Block]) -> None:
    outcomes = Counter(outcome for *_, outcome, _ in messages(stream))
    old = sum(old for *_, old in messages(stream))
    malformed = sum(outcomes[reason] for reason in REJECT_REASONS)
    for count, share in ((outcomes[DUPLICATE], 0.02), (malformed, 0.01), (old, 0.02)):
        deviation = (TRAFFIC.events * share * (1 - share)) ** 0.5
        assert abs(count - TRAFFIC.events * share) < 5 * deviation


def test_every_reject_reason_and_every_fault_comes_up(stream: list[Block]) -> None:
    assert {fault.reason for fault in FAULTS} == set(REJECT_REASONS)
    outcomes = Counter(outcome for *_, outcome, _ in messages(stream))
    assert set(REJECT_REASONS) <= set(outcomes)
    assert sum(outcomes[reason] for reason in REJECT_REASONS) > len(FAULTS)


def test_without_shares_every_event_is_accepted_once() -> None:
    traffic = TRAFFIC._replace(events=3000, duplicates=0.0, malformed=0.0, old=0.0)
    (block,) = blocks(traffic)
    assert set(block.outcomes) == {ACCEPTED}
    assert not any(block.old)


def test_extreme_shares() -> None:
    def outcomes(duplicates: float, malformed: float) -> set[str]:
        (block,) = blocks(TRAFFIC._replace(events=500, duplicates=duplicates, malformed=malformed))
        assert len(block.values) == len(block.keys) == 500
        return set(block.outcomes)

    assert outcomes(1, 0) == {ACCEPTED, DUPLICATE}
    assert outcomes(0, 1) == outcomes(1, 1) == set(REJECT_REASONS)


def test_a_single_event() -> None:
    (block,) = blocks(TRAFFIC._replace(events=1))
    assert len(block.values) == 1


def test_same_seed_and_settings_give_the_same_bytes_in_any_process(stream: list[Block]) -> None:
    assert list(blocks(TRAFFIC)) == stream  # made by other processes


def test_another_seed_gives_other_events_and_another_start_other_message_ids(stream: list[Block]) -> None:
    ids = {event.get("messageId") for event in well_formed(stream)} - {None}
    for other in (TRAFFIC._replace(seed=8), TRAFFIC._replace(start_us=START_US + 1)):
        block = make_block(other, 0, *_spans(other)[0])
        assert ids.isdisjoint(event.get("messageId") for event in well_formed([block]))


def test_arrivals_are_a_poisson_process(stream: list[Block]) -> None:
    arrivals = np.array([arrival for block in stream for arrival in block.arrivals_us])
    gaps = np.diff(arrivals) / 1e6 * TRAFFIC.rate
    assert (gaps > 0).all()
    # Exponential gaps: mean and standard deviation 1, a share of 1/e above the mean, none predicts the next.
    assert gaps.mean() == pytest.approx(1, abs=0.03)
    assert gaps.std() == pytest.approx(1, abs=0.05)
    assert (gaps > 1).mean() == pytest.approx(np.exp(-1), abs=0.02)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03
    # Counts in fixed intervals: the variance equals the mean, over short and over long intervals.
    for seconds in (0.2, 2.0):
        counts = np.histogram(arrivals, bins=np.arange(arrivals[0], arrivals[-1], seconds * 1e6))[0]
        assert counts.var() / counts.mean() == pytest.approx(1, abs=6 * (2 / len(counts)) ** 0.5)


def test_visitors_follow_zipf() -> None:
    people = People(1000, seed=1)
    visits = np.bincount(people.draw(np.random.default_rng(5).random(200_000)).astype(int), minlength=1000)
    ranks = np.arange(1, 101)
    slope = np.polyfit(np.log(ranks), np.log(visits[:100]), 1)[0]
    assert slope == pytest.approx(-ZIPF_EXPONENT, abs=0.05)


def test_all_event_types_channels_and_ids_come_up(results: Results) -> None:
    events = [event for event in results if isinstance(event, CleanEvent)]
    assert {event.type for event in events} == {"track", "identify", "page", "screen", "group", "alias"}
    assert {event.channel for event in events} == {"web", "app", "social", "store", "iot"}
    assert {event.subject_type for event in events} == {
        "user_id", "email", "phone", "device_id", "anonymous_id", None,
    }  # fmt: skip
    assert {True, False} == {event.bot for event in events}
    for choices in ({event.consent_marketing for event in events}, {event.consent_analytics for event in events}):
        assert choices == {None, True, False}
    flags = {flag for event in events for flag in event.flags}
    assert {"blocked_identifier", "invalid_email", "invalid_phone", "invalid_revenue", "no_consent"} <= flags
    assert len({event.campaign for event in events}) == 7
    assert any(event.revenue_micros for event in events)


def test_sessions_go_from_the_first_page_to_the_order() -> None:
    names: dict[str, list[str]] = defaultdict(list)
    for event in well_formed(list(blocks(TRAFFIC._replace(events=20_000, malformed=0.0)))):
        if event["type"] in ("page", "screen", "track"):
            names[event.get("anonymousId", "")].append(event.get("event", event["type"]))
    with_order = [steps for cookie, steps in names.items() if cookie and "Order Completed" in steps]
    assert len(with_order) > 50
    for steps in with_order:
        before = steps[: steps.index("Order Completed")]
        assert {"Product Viewed", "Product Added", "Checkout Started"} <= set(before)


def test_some_devices_have_several_logins_and_log_ins_reveal_contacts(stream: list[Block]) -> None:
    logins: dict[str, set[str]] = defaultdict(set)
    revealed: set[str] = set()
    for event in well_formed(stream):
        device = event["context"].get("device", {}).get("id")
        if device and "userId" in event:
            logins[device].add(event["userId"].strip())
        if event["type"] == "identify":
            revealed |= {"userId", "anonymousId", *event["traits"]} & {"userId", "anonymousId", "email", "phone"}
    assert revealed == {"userId", "anonymousId", "email", "phone"}
    assert any(len(users) > 1 for users in logins.values())


def test_keys_are_the_strongest_identifier_of_the_event(stream: list[Block]) -> None:
    for _, value, key, outcome, _ in messages(stream):
        if outcome not in ("malformed_json", "not_an_object"):
            assert key == message_key(json.loads(value)), value
        else:
            assert key is None


def test_typical_size(stream: list[Block]) -> None:
    sizes = [len(value) for _, value, _, outcome, _ in messages(stream) if outcome == ACCEPTED]
    assert 350 < np.percentile(sizes, 10) < np.percentile(sizes, 90) < 800


def test_all_messy_forms_mean_the_same() -> None:
    for choice in range(20):
        assert normalise_email(normalise(messy_email("li.wei7@example.com", choice))) == "li.wei7@example.com"
        assert normalise_phone(normalise(messy_phone("13812345678", choice)), "CN") == "+8613812345678"
        assert normalise(messy_user_id("u000042", choice)) == "u000042"
