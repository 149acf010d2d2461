"""Traffic that varies over time, and incidents planted in it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.generate import Incident, Traffic
from connectors.generate.intensity import DAY_S, PROFILES, during, warp
from connectors.generate.stream import ACCEPTED, Block, blocks

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
CLEAN = Traffic(events=20_000, rate=100.0, seed=3, start_us=START_US, duplicates=0, malformed=0, old=0)


def arrivals(traffic: Traffic) -> np.ndarray[Any, Any]:
    """Seconds since the beginning."""
    return (np.array([arrival for block in blocks(traffic) for arrival in block.arrivals_us]) - START_US) / 1e6


def events(found: list[Block]) -> list[tuple[float, dict[str, Any]]]:
    """Arrivals and contents of what is to be accepted."""
    return [
        ((arrival - START_US) / 1e6, json.loads(value))
        for block in found
        for arrival, value, outcome in zip(block.arrivals_us, block.values, block.outcomes)
        if outcome == ACCEPTED
    ]


def test_the_day_has_its_busiest_hour_in_the_evening_and_the_mean_stays() -> None:
    found = arrivals(CLEAN._replace(events=200_000, rate=1.0, profile="day"))
    whole_days = found[found < 2 * DAY_S]
    hours = np.bincount((whole_days / 3600).astype(int) % 24, minlength=24) / 2
    assert hours.mean() == pytest.approx(3600, rel=0.02)
    assert hours[19:21].mean() == pytest.approx(1.8 * 3600, rel=0.05)
    assert hours[7:9].mean() == pytest.approx(0.2 * 3600, rel=0.1)


def test_bursts_are_five_times_the_mean_which_stays() -> None:
    found = arrivals(CLEAN._replace(profile="bursts"))
    whole = found[found < 180]
    assert len(whole) / 180 == pytest.approx(100, rel=0.05)
    in_bursts = (whole % 60 < 6).sum() / 18
    assert in_bursts == pytest.approx(500, rel=0.05)


def test_arrivals_stay_a_poisson_process_of_the_varying_rate() -> None:
    """In the time of its own clock, gaps are exponential with mean 1."""
    found = arrivals(CLEAN._replace(events=20_000, profile="bursts"))
    seconds = np.floor(found)
    for second in (2, 62, 30, 90):  # in bursts and between
        gaps = np.diff(found[seconds == second])
        rate = 500 if second % 60 < 6 else 500 / 9
        assert gaps.mean() * rate == pytest.approx(1, abs=5 / len(gaps) ** 0.5)
        assert gaps.std() * rate == pytest.approx(1, abs=8 / len(gaps) ** 0.5)


def test_outage_and_surge_change_the_rate_while_they_last() -> None:
    found = arrivals(CLEAN._replace(incidents=(Incident("outage", 50, 20), Incident("surge", 100, 10))))
    rates = np.bincount((found / 10).astype(int))[:12] / 10
    assert rates[5] == rates[6] == 0
    assert rates[10] == pytest.approx(500, rel=0.1)
    assert rates[[0, 1, 2, 3, 4, 7, 8, 9]] == pytest.approx([100] * 8, rel=0.2)


def test_rejects_payments_and_slowness_happen_in_their_time_only() -> None:
    incidents = (Incident("rejects", 20, 20), Incident("payments", 60, 40), Incident("slow", 120, 40))
    found = list(blocks(CLEAN._replace(incidents=incidents, service="exponential")))
    bad = [((a - START_US) / 1e6, o != ACCEPTED) for b in found for a, o in zip(b.arrivals_us, b.outcomes)]
    assert np.mean([outcome for at, outcome in bad if 20 <= at < 40]) == pytest.approx(0.5, abs=0.05)
    assert not any(outcome for at, outcome in bad if not 20 <= at < 40)
    names = [(at, event.get("event")) for at, event in events(found)]
    assert {60 <= at < 100 for at, name in names if name == "Payment Failed"} == {True}
    assert not any(60 <= at < 100 for at, name in names if name == "Order Completed")
    times = [(at, e["properties"]["service_ms"]) for at, e in events(found) if "service_ms" in e.get("properties", {})]
    slow = np.mean([time for at, time in times if 120 <= at < 160])
    usual = np.mean([time for at, time in times if not 120 <= at < 160])
    assert usual == pytest.approx(100, rel=0.1) and slow == pytest.approx(1000, rel=0.15)


@pytest.mark.parametrize(("service", "spread"), [("exponential", 1.0), ("log-normal", (np.e - 1) ** 0.5)])
def test_service_times_have_their_distribution(service: str, spread: float) -> None:
    found = list(blocks(CLEAN._replace(events=60_000, service=service, service_ms=40)))
    times = np.array(
        [e["properties"]["service_ms"] for _, e in events(found) if "service_ms" in e.get("properties", {})]
    )
    assert len(times) > 10_000
    assert times.mean() == pytest.approx(40, rel=0.05)
    assert times.std() / times.mean() == pytest.approx(spread, rel=0.15)


def test_without_them_the_bytes_are_as_ever_and_service_times_change_nothing_else() -> None:
    plain, timed = (next(blocks(CLEAN._replace(service=service))) for service in ("", "exponential"))
    assert plain.arrivals_us == timed.arrivals_us and plain.keys == timed.keys
    for before, after in zip(plain.values[:500], timed.values[:500]):
        event = json.loads(after)
        event.get("properties", {}).pop("service_ms", None)
        assert event == json.loads(before)


@given(
    st.sampled_from(PROFILES),
    st.lists(
        st.builds(Incident, st.sampled_from(["outage", "surge"]), st.floats(0, 500), st.floats(1, 100)), max_size=3
    ),
    st.floats(0, 2e9),
    st.lists(st.floats(0, 2000), min_size=1, max_size=50),
)
def test_time_never_goes_backwards_and_stands_still_in_outages(
    profile: str, incidents: list[Incident], start_s: float, even: list[float]
) -> None:
    warped = warp(profile, tuple(incidents), start_s, np.sort(even))
    assert (np.diff(warped) >= 0).all() and (warped >= 0).all()
    # The very edges belong to either side.
    inner = tuple(i._replace(start_s=i.start_s + 1e-6, seconds=i.seconds - 2e-6) for i in incidents)
    assert not during(inner, "outage", warped).any()
