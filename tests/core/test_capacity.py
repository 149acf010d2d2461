"""The model of capacity: every figure by hand once, how figures depend on each other, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import identity
from dmp.core.capacity import CLEANING, COSTS, GB, MIB, SOURCES, Costs, Have, Load, Rules, measured_costs, plan
from dmp.core.queueing import mgc, mmc, split

FOOTPRINT = Path(__file__).parents[2] / "bench" / "results" / "footprint.json"
LOAD = Load(
    rate=1000, peak=4000, event_bytes=500, retention_days=7, identifiers=1e6, window_seconds=10, window_days=100
)
ROUND = Costs(
    kafka=100e-6, flink=700e-6, elasticsearch=140e-6, raw_ratio=0.5, clean_bytes=1000, result_bytes=100, documents=0.5,
    dedup_state=50, identifier_state=1000, identifier_log=500, identifier_index=2000, window_index=5000,
)  # fmt: skip
RULES, NOTHING = Rules(), Have()

loads = st.builds(
    Load, rate=st.floats(1, 1e5), peak=st.just(0.0), event_bytes=st.floats(50, 30_000),
    retention_days=st.floats(0.1, 400), identifiers=st.floats(1, 1e10), window_seconds=st.floats(1, 86_400),
    window_days=st.floats(1, 4000),
).flatmap(lambda load: st.floats(1, 20).map(lambda times: replace(load, peak=load.rate * times)))  # fmt: skip


def figures(load: Load, have: Have = NOTHING, rules: Rules = RULES) -> dict[str, float]:
    return {figure.name: figure.value for figure in plan(load, ROUND, rules, have).figures}


def test_every_figure_by_hand() -> None:
    assert figures(LOAD) == {
        "partitions": 4,  # as many as slots; 4,000 × 500 B ÷ 10 MB/s ÷ 0.7 would be 1
        "raw events": 1000 * 500 * 0.5 * 7 * 86_400,
        "clean events": 1000 * 1000 * 7 * 86_400,
        "compacted topics": 2 * 1e6 * 500,
        "disk of Kafka": 3 * (1000 * 1250 * 7 * 86_400 + 1e9),
        "broker traffic": 4000 * (250 * 6 + 1100 * 7),
        "brokers": 3,
        "slots": 4,  # 4,000 × 0.0007 s ÷ 0.7
        "TaskManagers": 1,
        "state of deduplication": 1000 * 86_400 * 50,
        "state of persons": 1e9,
        "memory for RocksDB": 4 * 128 * MIB,  # a tenth of the state is less
        "checkpoint, all of it": 1000 * 86_400 * 50 + 1e9,
        "checkpoint, increment": 4000 * 2 * (50 + 1000),
        "disk of TaskManagers": 2 * (1000 * 86_400 * 50 + 1e9),
        "writes": 2000,
        "windows": 100 * 8640 * 5000,
        "persons": 2e9,
        "disk of Elasticsearch": 2 * (100 * 8640 * 5000 + 2e9),
        "primary shards": 1,
        "data nodes": 2,
        "events in": 2_000_000,
        "into Elasticsearch": 4000 * 100 * 2,
        "checkpoints": 4000 * 1050,
    }


@pytest.mark.parametrize(
    ("load", "name", "expected"),
    [
        (replace(LOAD, peak=400_000), "slots", 400),
        (replace(LOAD, peak=400_000), "TaskManagers", 100),
        (replace(LOAD, peak=400_000), "brokers", 22),  # 400,000 × 0.0003 s ÷ 8 cores ÷ 0.7
        (replace(LOAD, peak=400_000), "data nodes", 20),
        (replace(LOAD, peak=400_000, event_bytes=30_000), "partitions", 2000),  # 1,715 by throughput
        (replace(LOAD, peak=400_000, event_bytes=30_000), "brokers", 45),  # by network
        (replace(LOAD, retention_days=70), "brokers", 16),  # by disk
        (replace(LOAD, identifiers=1e9), "primary shards", 67),
        (replace(LOAD, identifiers=1e10), "data nodes", 24),
        (replace(LOAD, rate=1, peak=1, identifiers=1), "memory for RocksDB", 128 * MIB),
        (replace(LOAD, identifiers=1e9), "memory for RocksDB", 0.1 * (1000 * 86_400 * 50 + 1e12)),
        (replace(LOAD, identifiers=10), "checkpoint, increment", 4000 * 2 * 50 + 10 * 1000),
    ],
)
def test_what_decides_when_the_load_is_another(load: Load, name: str, expected: float) -> None:
    assert figures(load)[name] == expected


def test_every_figure_has_a_formula_and_a_known_source() -> None:
    found = plan(LOAD, ROUND, RULES, NOTHING).figures
    assert all(figure.formula and figure.source in SOURCES for figure in found)
    assert {figure.source for figure in found} == set(SOURCES)
    assert len({figure.name for figure in found}) == len(found)


@given(load=loads)
def test_what_is_planned_holds_at_the_peak_with_the_headroom_asked_for(load: Load) -> None:
    made = plan(load, ROUND, RULES, NOTHING)
    assert all(limit.times_the_load >= 1 - 1e-9 for limit in made.limits)
    for station in made.stations:
        assert station.at_peak.utilisation <= RULES.utilisation + 1e-9
        assert station.at_rate.utilisation <= station.at_peak.utilisation
    assert [limit.times_the_load for limit in made.limits] == sorted(limit.times_the_load for limit in made.limits)
    assert 0 < made.catch_up_seconds < float("inf")


@given(load=loads, times=st.floats(1, 10))
def test_more_load_never_takes_less(load: Load, times: float) -> None:
    more = replace(load, rate=load.rate * times, peak=load.peak * times, identifiers=load.identifiers * times)
    after = figures(more)
    assert all(after[name] >= value * (1 - 1e-9) for name, value in figures(load).items())


def test_stations_are_queues() -> None:
    kafka, flink, elasticsearch = plan(LOAD, ROUND, Rules(variation=2.0), NOTHING).stations
    assert (kafka.name, kafka.servers, kafka.service_rate) == ("kafka", 24, pytest.approx(1 / 0.0003))
    assert (elasticsearch.servers, elasticsearch.service_rate) == (16, pytest.approx(1 / 0.00028))
    assert flink.at_rate == mmc(1000, 1 / 0.0007, 4)
    assert flink.at_peak == mmc(4000, 1 / 0.0007, 4)
    assert flink.general == mgc(4000, 1 / 0.0007, 4, 2.0)
    assert flink.keyed == split(4000, 1 / 0.0007, 4, 2.0)


def test_a_system_that_is_there_shows_what_gives_way_first() -> None:
    enough = plan(LOAD, ROUND, RULES, Have(slots=10))
    assert enough.limits[-1].times_the_load > enough.limits[0].times_the_load > 1
    few = plan(LOAD, ROUND, RULES, Have(slots=2, brokers=5, nodes=4, partitions=6))
    assert few.limits[0] == ("flink: processors", pytest.approx(2 / 2.8))
    assert [station.servers for station in few.stations] == [40, 2, 32]
    assert few.stations[1].at_peak.wait == float("inf")
    given_ = {figure.name: figure.value for figure in few.figures if figure.formula == "given"}
    assert given_ == {"partitions": 6, "brokers": 5, "slots": 2, "data nodes": 4}
    assert plan(LOAD, ROUND, RULES, Have(slots=1)).catch_up_seconds == pytest.approx(60 * 1000 / (1 / 0.0007 - 1000))
    small = plan(LOAD, ROUND, replace(RULES, disk=10 * GB), Have(brokers=3))
    assert small.limits[0].name == "kafka: disks"


@pytest.mark.parametrize(
    ("load", "problem"),
    [
        (replace(LOAD, rate=0), "rate must be more than 0"),
        (replace(LOAD, event_bytes=-1), "event bytes must be more than 0"),
        (replace(LOAD, identifiers=float("nan")), "identifiers must be more than 0"),
        (replace(LOAD, peak=999), "below the mean rate"),
        (replace(LOAD, peak=float("nan")), "below the mean rate"),
    ],
)
def test_what_is_no_load_is_refused(load: Load, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        plan(load, COSTS, RULES, NOTHING)


def test_the_defaults_are_what_the_bench_measured() -> None:
    assert measured_costs(ROUND, json.loads(FOOTPRINT.read_text(encoding="utf-8"))) == COSTS


def test_measured_costs_replace_those_that_are_measured() -> None:
    assert measured_costs(ROUND, {"costs": {"flink": 0.001}}) == replace(ROUND, flink=0.001)
    assert measured_costs(ROUND, {"costs": asdict(COSTS)}) == COSTS


def test_the_bench_of_identity_gives_flinks_processor_time_by_the_dearest_mix() -> None:
    rows = [
        identity.Measure(mix, stage, 1000, 100, cpu_seconds, 1.0, [])._asdict()
        for mix, stage, cpu_seconds in (
            ("steady", identity.TOGETHER, 0.5),
            ("all-new", identity.TOGETHER, 0.7),
            ("all-new", identity.BASELINE, 90.0),
        )
    ]
    assert measured_costs(ROUND, {"measures": rows}) == replace(ROUND, flink=CLEANING + 0.0007)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({}, "no costs"),
        ({"measures": [{"stage": "windows", "events": 1, "cpu_seconds": 1}]}, "no costs"),
        ({"costs": {"flinc": 1}}, "flinc is none of the costs"),
        ({"costs": {"flink": 0}}, "no number above 0"),
        ({"costs": {"flink": "1"}}, "no number above 0"),
        ({"costs": {"flink": True}}, "no number above 0"),
        ({"measures": [{"stage": "identity, 3 hops + results", "events": 0, "cpu_seconds": 1}]}, "no number above 0"),
    ],
)
def test_what_no_bench_wrote_is_refused(found: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        measured_costs(ROUND, found)
