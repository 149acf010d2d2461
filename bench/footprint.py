"""What an event costs and leaves behind on the local stack: `python -m bench footprint --out FILE [--events N]`.

Start with a fresh stack: `dmp down --purge && dmp up && dmp submit all`. Generated events go through the whole
platform, first some that warm it up, then those that are measured. The JSON has the processor seconds of each server
(Flink with its Python workers: pipeline and index together), bytes of each topic on Kafka's disk, documents and bytes
of each index, how many messages each topic got for an event, and Flink's state by operator.
`dmp plan --measured FILE` reads it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import psutil

from bench.whole import messages, send, settle
from connectors.elasticsearch import session
from dmp.config import Config, load_config
from dmp.jobs import Cluster
from dmp.stack import Stack
from dmp.stack.server import get_json
from schemas.topics import (
    EVENTS_CLEAN,
    EVENTS_RAW,
    IDENTITIES,
    INDEXED,
    MERGES,
    METRICS,
    PROFILES,
    QUALITY,
    REFUSED,
    TOPICS,
    Topic,
)


def cpu_seconds(config: Config) -> dict[str, float]:
    """Processor seconds of each server so far, with its child processes."""
    used = {}
    for name, server in Stack(config).status().items():
        processes = [psutil.Process(server["pid"])]
        processes += processes[0].children(recursive=True)
        used[name] = sum(process.cpu_times().user + process.cpu_times().system for process in processes)
    return used


def topic_bytes(config: Config) -> dict[str, int]:
    """Bytes of the logs of each topic on the broker's disk."""
    root = config.stack.data_dir / "kafka" / "data"
    return {
        topic.name: sum(file.stat().st_size for file in root.glob(f"{topic.name}-[0-9]*/*.log")) for topic in TOPICS
    }


def indices(config: Config) -> dict[str, dict[str, int]]:
    """Documents and bytes of each index."""
    with session(config.elasticsearch) as client:
        names = ",".join(str(topic.index) for topic in INDEXED)
        client.indices.flush(index=names)
        found = client.indices.stats(index=names, metric=["docs", "store"])["indices"]
        return {
            name: {"documents": one["primaries"]["docs"]["count"], "bytes": one["primaries"]["store"]["size_in_bytes"]}
            for name, one in found.items()
        }


def windows(config: Config) -> int:
    """How many windows have rows."""
    with session(config.elasticsearch) as client:
        counted = {"windows": {"cardinality": {"field": "window_start", "precision_threshold": 40_000}}}
        return int(client.search(index=METRICS.index, size=0, aggs=counted)["aggregations"]["windows"]["value"])


def state_bytes(config: Config) -> dict[str, int]:
    """Size of the state of deduplication, and of all else, in the pipeline's last checkpoint."""
    cluster = Cluster(config)
    job = f"{cluster.rest}/jobs/{cluster.running()['pipeline']}"
    names = {vertex["id"]: vertex["name"] for vertex in get_json(job)["vertices"]}
    last = get_json(f"{job}/checkpoints")["latest"]["completed"]["id"]
    tasks = get_json(f"{job}/checkpoints/details/{last}")["tasks"]
    sizes = {"deduplication": 0, "all else": 0}
    for vertex, task in tasks.items():
        counts_repeats = names[vertex].startswith("OverAggregate") and "events_clean" in names[vertex]
        sizes["deduplication" if counts_repeats else "all else"] += task["state_size"]
    return sizes


def costs(measures: list[dict[str, Any]], found: dict[str, Any]) -> dict[str, float]:
    """What one event costs and leaves behind, as dmp.core.capacity.Costs has it."""
    events, sizes = found["events"], found["topic_bytes"]
    documents = {topic: found["indices"][f"{topic.index}-000001"] for topic in INDEXED}
    identifiers = documents[IDENTITIES]["documents"]
    results = [topic for topic in INDEXED if topic.kind == "upsert"]
    persons = [IDENTITIES, PROFILES, REFUSED, MERGES]

    def message_bytes(topic: Topic) -> float:
        return float(sizes[topic.name] / (found["messages_an_event"][topic.name] * events))

    log = sum(message_bytes(topic) * documents[topic]["documents"] for topic in persons)
    return {
        **{one["stage"]: one["cpu_seconds"] / one["events"] for one in measures},
        "raw_ratio": sizes[EVENTS_RAW.name] / (events * found["event_bytes"]),
        "clean_bytes": sizes[EVENTS_CLEAN.name] / events,
        "result_bytes": sum(sizes[topic.name] for topic in results) / events,
        "documents": sum(found["messages_an_event"][topic.name] for topic in INDEXED),
        "dedup_state": found["state_bytes"]["deduplication"] / events,
        "identifier_state": found["state_bytes"]["all else"] / identifiers,
        "identifier_log": log / identifiers,
        "identifier_index": sum(documents[topic]["bytes"] for topic in persons) / identifiers,
        "window_index": sum(documents[topic]["bytes"] for topic in (METRICS, QUALITY)) / found["windows"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--warm-up", type=int, default=20_000)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    config = load_config()
    sent_bytes = send(config, args.warm_up, seed=1)
    settle(config)
    before, cpu_before, began = messages(config), cpu_seconds(config), time.monotonic()
    sent_bytes += send(config, args.events, seed=2)
    seconds = settle(config) - began
    used = {name: seconds_ - cpu_before[name] for name, seconds_ in cpu_seconds(config).items()}
    stages = {"kafka": used["kafka"], "flink": used["flink_taskmanager"], "elasticsearch": used["elasticsearch"]}
    sent = {name: count - before[name] for name, count in messages(config).items()}
    measures = [
        {"mix": "generated", "stage": name, "events": args.events, "cpu_seconds": round(cpu, 2), "seconds": seconds}
        for name, cpu in stages.items()
    ]
    footprint: dict[str, Any] = {
        "events": args.events + args.warm_up,
        "event_bytes": round(sent_bytes / (args.events + args.warm_up), 1),
        "messages_an_event": {name: round(count / args.events, 4) for name, count in sorted(sent.items())},
        "topic_bytes": topic_bytes(config),
        "indices": indices(config),
        "windows": windows(config),
        "state_bytes": state_bytes(config),
    }
    everything = {
        "machine": {"processors": psutil.cpu_count(), "load": round(psutil.getloadavg()[0], 1)},
        "costs": {name: float(f"{value:.3g}") for name, value in costs(measures, footprint).items()},
        "measures": measures,
        "footprint": footprint,
    }
    args.out.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    print(args.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
