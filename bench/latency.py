"""From an event to what a search finds of it, and from a merge to the corrected window, under load.

Needs the local stack with its jobs (`dmp up && dmp submit all`). First a backlog tells how many messages a second all
jobs take, until everything is in Elasticsearch. Then `dmp generate` sends traffic at half that rate, while probes go
into the same topic: two events of two new persons in a campaign of their own, whose window must come to two persons;
then a login that both share, which must make it one. Elasticsearch is asked for what is pending many times a second, so
a latency is what somebody sees who searches at the right moment, Kafka's transactions and Elasticsearch's refresh
included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import numpy as np
import orjson
from elasticsearch import Elasticsearch

from bench import report
from bench.processes import Watch
from bench.whole import send, settle
from connectors.elasticsearch import connect
from connectors.kafka.producers import Producer
from dmp.config import Config, load_config
from dmp.jobs import Cluster
from dmp.stack import Stack
from schemas.topics import EVENTS_RAW, METRICS

POLL_SECONDS = 0.05
LOAD = 0.5
"""The share of what all jobs take that comes while latency is measured."""

PATIENCE_SECONDS = 120
"""A probe that has not been answered so long after the last one was sent counts as unanswered."""


@dataclass
class Probe:
    """Moments, in seconds of the monotonic clock: when its events and its login were sent, and when they were seen."""

    campaign: str
    at: str
    sent: float
    seen: Optional[float] = None
    merged: Optional[float] = None
    corrected: Optional[float] = None


class Probes:
    """Sends probes, and looks for what has become of them."""

    def __init__(self, config: Config, client: Elasticsearch) -> None:
        self._client = client
        self._producer = Producer(config.kafka, [EVENTS_RAW.name])
        self._run = f"probe-{time.time_ns():x}"
        self.all: list[Probe] = []
        self._pending: dict[str, Probe] = {}

    def send(self) -> None:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        probe = Probe(f"{self._run}-{len(self.all)}", at, time.monotonic())
        for cookie in ("a", "b"):
            self._event(probe, cookie, context={"channel": "web", "campaign": {"name": probe.campaign}})
        self.all.append(probe)
        self._pending[probe.campaign] = probe

    def look(self) -> bool:
        """Ask for all that is pending; whether anything still is."""
        if not self._pending:
            return False
        query = {"terms": {"campaign": list(self._pending)}}
        found = self._client.search(index=METRICS.index, query=query, size=10_000)["hits"]["hits"]
        now = time.monotonic()
        for row in (hit["_source"] for hit in found if hit["_source"]["event"] == "page"):
            self._follow(self._pending[row["campaign"]], row, now)
        return bool(self._pending)

    def _follow(self, probe: Probe, row: dict[str, Any], now: float) -> None:
        if probe.seen is None and (row["events"], row["persons"]) == (2, 2):
            probe.seen = probe.merged = now
            for cookie in ("a", "b"):
                self._event(probe, cookie, type="identify", userId=probe.campaign)
        elif probe.seen is not None and row["persons"] == 1:
            probe.corrected = now
            del self._pending[probe.campaign]

    def _event(self, probe: Probe, cookie: str, **fields: Any) -> None:
        event = {"type": "page", "anonymousId": f"{probe.campaign}-{cookie}", "timestamp": probe.at, **fields}
        self._producer.send(EVENTS_RAW.name, orjson.dumps(event))
        self._producer.flush()


def capacity(config: Config, warm_up: int, backlog: int) -> float:
    """Messages a second that all jobs take of a backlog, the last result included."""
    send(config, warm_up, seed=1)
    settle(config)
    begin = time.monotonic()
    send(config, backlog, seed=2)
    return backlog / (settle(config) - begin)


def measure(config: Config, rate: float, seconds: float, probes_a_second: float) -> tuple[list[Probe], Watch]:
    """Probes under load, after a tenth of the time without any."""
    servers = {name: server["pid"] for name, server in Stack(config).status().items() if server["pid"]}
    command = [str(Path(sys.executable).with_name("dmp")), "generate", "--events", str(round(rate * seconds))]
    command += ["--rate", str(rate), "--seed", str(time.time_ns() % 1_000_000)]
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with connect(config.elasticsearch) as client, Watch(servers) as watch:
            probes, begin = Probes(config, client), time.monotonic()
            end = begin + seconds
            while (now := time.monotonic()) < end:
                if now > begin + seconds / 10 + len(probes.all) / probes_a_second:
                    probes.send()
                probes.look()
                time.sleep(POLL_SECONDS)
            while probes.look() and time.monotonic() < end + PATIENCE_SECONDS:
                time.sleep(POLL_SECONDS)
            return probes.all, watch
    finally:
        load.terminate()
        load.wait()


def percentiles(name: str, latencies: list[Optional[float]]) -> dict[str, Any]:
    """Of the answered ones, in seconds."""
    answered = [latency for latency in latencies if latency is not None]
    figures = np.percentile(answered, [50, 95, 99, 100]).round(2).tolist() if answered else [None] * 4
    p50, p95, p99, most = figures
    lost = len(latencies) - len(answered)
    return {"what": name, "probes": len(latencies), "unanswered": lost, "p50": p50, "p95": p95, "p99": p99, "max": most}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, help="messages a second besides probes (default: half of what is taken)")
    parser.add_argument("--warm-up", type=int, default=200_000,
                        help="messages before the backlog, while Java compiles (default: 200,000)")  # fmt: skip
    parser.add_argument("--backlog", type=int, default=60_000, help="which tells what is taken (default: 60,000)")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--probes", type=float, default=2, help="a second")
    parser.add_argument("--out", type=Path, help="folder for latency.json and latency.md")
    args = parser.parse_args()
    config = load_config()
    if not {"pipeline", "index"} <= Cluster(config).running().keys():
        raise SystemExit("the jobs pipeline and index do not run: dmp submit all")
    before = report.machine()
    taken = capacity(config, args.warm_up, args.backlog) if args.rate is None else None
    rate = args.rate if taken is None else LOAD * taken
    probes, watch = measure(config, rate, args.seconds, args.probes)
    results = [
        percentiles("event to window", [one.seen - one.sent if one.seen else None for one in probes]),
        percentiles("merge to corrected window",
                    [one.corrected - one.merged if one.corrected and one.merged else None for one in probes]),
    ]  # fmt: skip
    about = {**before, "load_at_the_end": report.machine()["load"], "taken": taken and round(taken),
             "rate": round(rate), "seconds": args.seconds, **config.flink.model_dump()}  # fmt: skip
    columns = list(results[0])
    table = report.table([f"{name}, s" if name.startswith(("p5", "p9", "max")) else name for name in columns],
                         [[str(one[name]) for name in columns] for one in results])  # fmt: skip
    peaks = dict(watch.peak_mib)
    text = "\n".join([table, report.memory({f"{rate:,.0f} events/s": peaks}), report.facts(about)])
    report.write(args.out, "latency", {"about": about, "peak_mib": peaks, "results": results}, text)


if __name__ == "__main__":
    main()
