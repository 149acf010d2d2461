"""What a load takes: a model of the platform that gives every figure with its formula and where that comes from.

Three stations serve every event: Kafka's brokers, Flink's slots and Elasticsearch's nodes. What an event costs each of
them, and what it leaves behind, is measured (`Costs`); how full machines may be, and how large they are, is a rule
(`Rules`). All sizes in bytes, rates in a second, processor time in seconds of one core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, NamedTuple, Optional

from dmp.core.queueing import Queue, catch_up_seconds, mgc, mmc, split

MIB, GB, MB = 2**20, 10**9, 10**6
DAY = 86_400
TOPICS = 13
"""Topics of the platform, each with the same number of partitions."""

SOURCES = {
    "Rao 2015": "Jun Rao, How to choose the number of topics/partitions in a Kafka cluster?, Confluent, 2015",
    "Rao 2018": "Jun Rao, Apache Kafka supports 200K partitions per cluster, Apache Kafka blog, 2018",
    "Kafka": "Apache Kafka documentation: replication; log compaction (min.cleanable.dirty.ratio 0.5)",
    "Metzger": "Robert Metzger, How to size your Apache Flink cluster, 2017",
    "Flink slots": "Apache Flink documentation: Flink architecture, task slots and resources",
    "Flink memory": "Apache Flink documentation: Set up TaskManager memory; memory of RocksDB",
    "Flink state": "Apache Flink documentation: Tuning checkpoints and large state",
    "Elastic shards": "Elasticsearch guide: Size your shards, 10 to 50 GB and at most 200 million documents each",
    "Elastic disk": "Elasticsearch guide: disk-based shard allocation, low watermark of 85%",
    "Elastic size": "Elastic blog: Benchmarking and sizing your Elasticsearch cluster for logs and metrics, 2020",
    "measured": "bench/results/footprint.json, explained in docs/capacity.md",
    "sum": "arithmetic",
}
"""Where formulas come from, by the short names that figures have."""

CLEANING = 1 / 22_900
"""Seconds of one core that cleaning an event takes in Python, without any cache hit: bench/cleaning.py."""


@dataclass(frozen=True)
class Load:
    """What comes. `rate` is the mean over days and `peak` the highest rate that lasts, in events a second;
    `identifiers` counts cookies, devices, contacts and logins ever seen."""

    rate: float
    peak: float
    event_bytes: float
    retention_days: float
    identifiers: float
    window_seconds: float = 10
    window_days: float = 365
    """For so long rows of windows stay in Elasticsearch."""


@dataclass(frozen=True)
class Costs:
    """What one event costs and leaves behind.

    kafka, flink, elasticsearch: seconds of one core. raw_ratio: bytes of the raw topic on disk for one byte of event.
    clean_bytes: of the topic of clean events on disk for an event. result_bytes: written into all other topics for an
    event. documents: written into Elasticsearch for an event. dedup_state: bytes of state that remember one messageId.
    identifier_state, identifier_log, identifier_index: bytes of Flink's state, of compacted topics, and of indices, all
    divided by the number of identifiers. window_index: bytes in Elasticsearch of the rows of one window.
    """

    kafka: float
    flink: float
    elasticsearch: float
    raw_ratio: float
    clean_bytes: float
    result_bytes: float
    documents: float
    dedup_state: float
    identifier_state: float
    identifier_log: float
    identifier_index: float
    window_index: float


COSTS = Costs(
    kafka=103e-6,
    flink=792e-6,
    elasticsearch=126e-6,
    raw_ratio=0.262,
    clean_bytes=233,
    result_bytes=47.4,
    documents=0.758,
    dedup_state=45.7,
    identifier_state=3240,
    identifier_log=191,
    identifier_index=745,
    window_index=2670,
)
"""bench/results/footprint.json: the whole platform on 2 busy cores, one copy of everything."""


@dataclass(frozen=True)
class Rules:
    """How machines are, and how full they may be. `variation` is the standard deviation of service times divided by
    their mean; `hot_share` the part of the state that events touch again soon, which should fit into memory."""

    utilisation: float = 0.7
    replication: int = 3
    replicas: int = 1
    cores: int = 8
    disk: float = 2000 * GB
    fill: float = 0.75
    network: float = 1250 * MB
    partition_rate: float = 10 * MB
    partitions_per_broker: int = 4000
    slots_per_taskmanager: int = 4
    shard: float = 30 * GB
    shard_documents: float = 200e6
    watermark: float = 0.85
    hot_share: float = 0.1
    least_rocksdb: float = 128 * MIB
    checkpoint_seconds: float = 2
    outage_seconds: float = 60
    variation: float = 1.0


@dataclass(frozen=True)
class Have:
    """Numbers that are given instead of planned, to see what a system that is there would do."""

    partitions: Optional[int] = None
    brokers: Optional[int] = None
    slots: Optional[int] = None
    nodes: Optional[int] = None


class Figure(NamedTuple):
    """One number of the plan. `formula` names inputs and other figures, `source` is one of SOURCES."""

    part: str
    name: str
    value: float
    unit: str
    formula: str
    source: str


class Station(NamedTuple):
    """Servers in parallel: cores of brokers and nodes, slots of Flink; `service_rate` in events a second of one.

    at_rate, at_peak: M/M/c; general: M/G/c at the peak; keyed: M/G/1 for each server at the peak, because events of a
    key must meet the same server.
    """

    name: str
    servers: int
    service_rate: float
    at_rate: Queue
    at_peak: Queue
    general: Queue
    keyed: Queue


class Limit(NamedTuple):
    """How much of its load something can take when it is busy all the time, or full: 1.25 is 25% of headroom, below 1
    it cannot keep up."""

    name: str
    times_the_load: float


class Plan(NamedTuple):
    """The answer: figures in order, stations, and limits with the least first, which is the first bottleneck."""

    figures: list[Figure]
    stations: list[Station]
    limits: list[Limit]
    catch_up_seconds: float


def plan(load: Load, costs: Costs, rules: Rules, have: Have) -> Plan:
    """What the load takes, and how what is planned (or given by `have`) stands up to it.

    ValueError for a load that is none: a rate or size that is not positive, or a peak below the rate.
    """
    _check(load)
    slots = have.slots or ceil(load.peak * costs.flink / rules.utilisation)
    kafka = _kafka(load, costs, rules, have, slots)
    elasticsearch = _elasticsearch(load, costs, rules, have)
    figures = [*kafka, *_flink(load, costs, rules, have, slots), *elasticsearch, *_network(load, costs, rules)]
    value = {figure.name: figure.value for figure in figures}
    brokers, nodes = int(value["brokers"]), int(value["data nodes"])
    stations = [
        _station("kafka", brokers * rules.cores, costs.kafka * rules.replication, load, rules),
        _station("flink", slots, costs.flink, load, rules),
        _station("elasticsearch", nodes * rules.cores, costs.elasticsearch * (1 + rules.replicas), load, rules),
    ]
    partitions = value["partitions"] * rules.partition_rate / (load.peak * load.event_bytes)
    limits = [
        *(Limit(f"{station.name}: processors", 1 / station.at_peak.utilisation) for station in stations),
        Limit("kafka: throughput of partitions", partitions),
        Limit("kafka: network", brokers * rules.network / value["broker traffic"]),
        Limit("kafka: disks", brokers * rules.disk / value["disk of Kafka"]),
        Limit("elasticsearch: disks", nodes * rules.disk / value["disk of Elasticsearch"]),
    ]
    catching_up = catch_up_seconds(rules.outage_seconds, load.rate, slots / costs.flink)
    return Plan(figures, stations, sorted(limits, key=lambda limit: limit.times_the_load), catching_up)


def _check(load: Load) -> None:
    for name in ("rate", "event_bytes", "retention_days", "identifiers", "window_seconds", "window_days"):
        if not 0 < getattr(load, name) < float("inf"):
            raise ValueError(f"{name.replace('_', ' ')} must be more than 0")
    if not load.rate <= load.peak < float("inf"):
        raise ValueError(f"the peak, {load.peak:g} events/s, is below the mean rate of {load.rate:g}")


def _station(name: str, servers: int, cost: float, load: Load, rules: Rules) -> Station:
    rate = 1 / cost
    return Station(
        name,
        servers,
        rate,
        mmc(load.rate, rate, servers),
        mmc(load.peak, rate, servers),
        mgc(load.peak, rate, servers, rules.variation),
        split(load.peak, rate, servers, rules.variation),
    )


def _kafka(load: Load, costs: Costs, rules: Rules, have: Have, slots: int) -> list[Figure]:
    by_rate = ceil(load.peak * load.event_bytes / rules.partition_rate / rules.utilisation)
    partitions = have.partitions or ceil(max(by_rate, slots) / slots) * slots
    raw = load.rate * load.event_bytes * costs.raw_ratio * load.retention_days * DAY
    clean = load.rate * costs.clean_bytes * load.retention_days * DAY
    compacted = 2 * load.identifiers * costs.identifier_log
    disk = (raw + clean + compacted) * rules.replication
    topics = load.event_bytes * costs.raw_ratio, costs.clean_bytes + costs.result_bytes
    traffic = load.peak * (topics[0] * (2 * rules.replication) + topics[1] * (2 * rules.replication + 1))
    by_disk = ceil(disk / (rules.disk * rules.fill))
    by_network = ceil(traffic / (rules.network * rules.utilisation))
    by_processors = ceil(load.peak * costs.kafka * rules.replication / rules.cores / rules.utilisation)
    by_partitions = ceil(partitions * rules.replication * TOPICS / rules.partitions_per_broker)
    brokers = have.brokers or max(rules.replication, by_disk, by_network, by_processors, by_partitions)
    return [
        _figure(
            "Kafka: partitions",
            partitions,
            "a topic",
            "max(peak × event bytes ÷ partition rate ÷ utilisation, slots), to a multiple of slots",
            "Rao 2015",
            have.partitions,
        ),
        _figure("Kafka: raw events", raw, "bytes", "rate × event bytes × compression × retention", "measured"),
        _figure("Kafka: clean events", clean, "bytes", "rate × bytes of a clean event × retention", "measured"),
        _figure(
            "Kafka: compacted topics",
            compacted,
            "bytes",
            "identifiers × bytes of one × 2: half of a log may be outdated",
            "Kafka",
        ),
        _figure("Kafka: disk of Kafka", disk, "bytes", "(raw + clean + compacted) × replication", "Kafka"),
        _figure(
            "Kafka: broker traffic",
            traffic,
            "bytes/s",
            "peak × (raw × 2 replication + (clean + results) × (2 replication + 1)): in, to followers, to readers",
            "sum",
        ),
        _figure(
            "Kafka: brokers",
            brokers,
            "",
            f"max(replication, by disk {by_disk}, network {by_network}, processors {by_processors}, "
            f"partitions {by_partitions})",
            "Rao 2018",
            have.brokers,
        ),
    ]


def _flink(load: Load, costs: Costs, rules: Rules, have: Have, slots: int) -> list[Figure]:
    dedup = load.rate * DAY * costs.dedup_state
    persons = load.identifiers * costs.identifier_state
    state = dedup + persons
    rocksdb = max(slots * rules.least_rocksdb, rules.hot_share * state)
    touched = min(load.peak * rules.checkpoint_seconds, load.identifiers)
    increment = load.peak * rules.checkpoint_seconds * costs.dedup_state + touched * costs.identifier_state
    taskmanagers = ceil(slots / rules.slots_per_taskmanager)
    return [
        _figure(
            "Flink: slots",
            slots,
            "one core each",
            "peak × processor time of an event ÷ utilisation",
            "Metzger",
            have.slots,
        ),
        _figure("Flink: TaskManagers", taskmanagers, "", "slots ÷ slots of one", "Flink slots"),
        _figure("Flink: state of deduplication", dedup, "bytes", "rate × 24 h × bytes of a messageId", "measured"),
        _figure("Flink: state of persons", persons, "bytes", "identifiers × bytes of one", "measured"),
        _figure(
            "Flink: memory for RocksDB",
            rocksdb,
            "bytes",
            "max(slots × least of one, hot share × state), of all TaskManagers",
            "Flink memory",
        ),
        _figure("Flink: checkpoint, all of it", state, "bytes", "state", "Flink state"),
        _figure(
            "Flink: checkpoint, increment",
            increment,
            "bytes",
            "interval × peak × (bytes of a messageId + of an identifier, at most all)",
            "Flink state",
        ),
        _figure(
            "Flink: disk of TaskManagers", 2 * state, "bytes", "state × 2, as compaction rewrites files", "Flink state"
        ),
    ]


def _elasticsearch(load: Load, costs: Costs, rules: Rules, have: Have) -> list[Figure]:
    windows = load.window_days * DAY / load.window_seconds * costs.window_index
    persons = load.identifiers * costs.identifier_index
    disk = (windows + persons) * (1 + rules.replicas)
    by_size = ceil((windows + persons) / rules.shard)
    by_documents = ceil(load.identifiers / rules.shard_documents)
    by_disk = ceil(disk / (rules.disk * rules.watermark))
    by_processors = ceil(load.peak * costs.elasticsearch * (1 + rules.replicas) / rules.cores / rules.utilisation)
    nodes = have.nodes or max(1 + rules.replicas, by_disk, by_processors)
    return [
        _figure(
            "Elasticsearch: writes",
            load.peak * costs.documents,
            "documents/s",
            "peak × writes for an event",
            "measured",
        ),
        _figure("Elasticsearch: windows", windows, "bytes", "days kept ÷ window × bytes of its rows", "measured"),
        _figure("Elasticsearch: persons", persons, "bytes", "identifiers × bytes of one", "measured"),
        _figure(
            "Elasticsearch: disk of Elasticsearch",
            disk,
            "bytes",
            "(windows + persons) × (1 + replicas)",
            "Elastic size",
        ),
        _figure(
            "Elasticsearch: primary shards",
            max(by_size, by_documents),
            "",
            f"max(by bytes {by_size}, by documents {by_documents})",
            "Elastic shards",
        ),
        _figure(
            "Elasticsearch: data nodes",
            nodes,
            "",
            f"max(1 + replicas, by disk {by_disk}, processors {by_processors})",
            "Elastic disk",
            have.nodes,
        ),
    ]


def _network(load: Load, costs: Costs, rules: Rules) -> list[Figure]:
    into_elasticsearch = load.peak * costs.result_bytes * (1 + rules.replicas)
    touched = min(load.peak, load.identifiers / rules.checkpoint_seconds)
    checkpoints = load.peak * costs.dedup_state + touched * costs.identifier_state
    return [
        _figure("Network: events in", load.peak * load.event_bytes, "bytes/s", "peak × event bytes", "sum"),
        _figure("Network: into Elasticsearch", into_elasticsearch, "bytes/s", "peak × results × (1 + replicas)", "sum"),
        _figure("Network: checkpoints", checkpoints, "bytes/s", "increment ÷ interval", "Flink state"),
    ]


def _figure(name: str, value: float, unit: str, formula: str, source: str, given: Optional[int] = None) -> Figure:
    part, _, short = name.partition(": ")
    return Figure(part, short, value, unit, "given" if given else formula, source)


def measured_costs(costs: Costs, found: Mapping[str, Any]) -> Costs:
    """`costs` with what a bench has measured in their place; ValueError when `found` is of none that is known.

    `found` is the JSON of bench/footprint.py, with `costs`, or that of bench/identity.py: then Flink's processor time
    is that of identity and results, of the dearest mix, and of cleaning, but without Kafka, JSON and indexing.
    """
    if isinstance(found.get("costs"), dict):
        numbers = {name: _number(name, value) for name, value in found["costs"].items()}
        return replace(costs, **numbers)
    rows = [row for row in found.get("measures", ()) if row.get("stage") == "identity, 3 hops + results"]
    if not rows:
        raise ValueError("it has no costs, nor measures of 'identity, 3 hops + results'")
    dearest = max(_number("cpu_seconds", row["cpu_seconds"]) / _number("events", row["events"]) for row in rows)
    return replace(costs, flink=CLEANING + dearest)


def _number(name: str, value: object) -> float:
    if name not in (*Costs.__dataclass_fields__, "events", "cpu_seconds"):
        raise ValueError(f"{name} is none of the costs")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError(f"{name} is no number above 0")
    return float(value)
