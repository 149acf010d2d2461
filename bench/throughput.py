"""Events a second from a backlog in Kafka, of each stage of our jobs and of peers that do the same work.

Needs the local stack (`dmp up`), with no jobs beside it. All read the same topic, whose partitions hold different
amounts, of messages some of which come again, are cut off, or come late. They take turns, R times, so that whatever
else the machine does hits all of them, and medians count. Before a rate counts, windows are compared with those of the
plain loop: what differs is in the table. The steady rate is that over the middle of a run, by messages read; "with
start" is from the command to the last result, without the checkpoints after it. docs/benchmarks.md explains more.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from bench import report
from bench.engines import peer
from bench.engines.flink import COUNTING, Flink
from bench.progress import Run
from bench.topics import Windows, delete
from bench.workload import MIXES, RawTopic, send
from dmp.config import load_config
from dmp.stack import Stack

LIMIT, PLAIN = "limit", "plain"
PEERS = (PLAIN, "bytewax", "spark")


class Difference(NamedTuple):
    """How windows differ from those of the plain loop: events that are missing in all, windows with other counts of
    events or revenue, and windows with other counts of persons."""

    lost: int
    counts: int
    persons: int


def difference(found: Windows, expected: Windows) -> Difference:
    keys = found.keys() | expected.keys()
    nothing = (0, 0, 0)
    pairs = [(found.get(key, nothing), expected.get(key, nothing)) for key in keys]
    return Difference(
        lost=sum(wanted[0] - got[0] for got, wanted in pairs),
        counts=sum((got[0], got[2]) != (wanted[0], wanted[2]) for got, wanted in pairs),
        persons=sum(got[1] != wanted[1] for got, wanted in pairs),
    )


def compare(engines: list[str], topics: dict[str, RawTopic], rounds: int) -> dict[tuple[str, str], list[Run]]:
    """All runs of each mix and engine, in turns."""
    config = load_config()
    flink, kafka_pid = Flink(config), Stack(config).status().get("kafka", {}).get("pid")
    runs: dict[tuple[str, str], list[Run]] = {}
    turns = [(mix, raw, engine) for mix, raw in topics.items() for engine in engines]
    with report.until_stopped():
        for mix, raw, engine in turns * rounds:
            run = flink.run(engine, raw) if engine in COUNTING else peer.measure(engine, raw, kafka_pid)
            runs.setdefault((mix, engine), []).append(run)
            print(f"{mix}, {engine}: {run.seconds:.1f} s, steady {run.steady_rate or 0:,.0f}/s", flush=True)
    return runs


def summary(mix: str, engine: str, runs: list[Run], expected: Windows) -> dict[str, Any]:
    """Medians of the runs of one mix and engine, and how their windows differ at most."""
    worst = max((difference(run.windows, expected) for run in runs), key=lambda found: (found.counts, found.persons))
    kinds = {kind for run in runs for kind in run.cpu_seconds}
    cpu = {kind: statistics.median(run.cpu_seconds.get(kind, 0.0) for run in runs) for kind in sorted(kinds)}
    steady = [run.steady_rate for run in runs if run.steady_rate]
    return {
        "mix": mix,
        "engine": engine,
        "steady_rate": round(statistics.median(steady)) if steady else None,
        "rate_with_start": round(statistics.median(run.rate for run in runs)),
        "seconds": round(statistics.median(run.seconds for run in runs), 1),
        "start_seconds": round(statistics.median(run.start_seconds for run in runs), 1),
        "cpu_seconds": cpu,
        "peak_mib": {kind: max(run.peak_mib.get(kind, 0) for run in runs) for kind in sorted(kinds)},
        "difference": worst._asdict(),
        "runs": [{key: value for key, value in run._asdict().items() if key != "windows"} for run in runs],
    }


def as_table(results: list[dict[str, Any]], messages: int) -> str:
    columns = ["mix, engine", "steady, events/s", "to limit", "with start, events/s", "start, s", "CPU-s per million",
               "of Kafka", "peak MiB", "events lost", "windows that differ: counts", "persons"]  # fmt: skip
    limits = {one["mix"]: one["steady_rate"] for one in results if one["engine"] == LIMIT}
    rows = []
    for one in results:
        steady, limit = one["steady_rate"], limits.get(one["mix"])
        kafka = one["cpu_seconds"].get("kafka", 0.0)
        rows.append([
            f"{one['mix']}, {one['engine']}",
            f"{steady:,}" if steady else "too short to tell",
            f"{steady / limit:.2f}" if steady and limit else "",
            f"{one['rate_with_start']:,}",
            f"{one['start_seconds']:.1f}",
            f"{of_engine(one['cpu_seconds']) / messages * 1e6:.1f}",
            f"{kafka / messages * 1e6:.1f}",
            f"{of_engine(one['peak_mib']):,.0f}",
            *(f"{number:,}" for number in one["difference"].values()),
        ])  # fmt: skip
    return report.table(columns, rows)


def of_engine(figures: dict[str, float]) -> float:
    """The sum over kinds of processes, without those of the servers that all engines share."""
    return sum(figure for kind, figure in figures.items() if not kind.startswith(("kafka", "elasticsearch")))


def label(result: dict[str, Any]) -> str:
    """The engine, and what its rate is worth."""
    lost = result["difference"]["lost"]
    return f"{result['engine']}, {lost:,} events lost" if lost else result["engine"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="messages of each mix (default: 200,000)")
    parser.add_argument("--mixes", nargs="+", choices=MIXES, default=list(MIXES))
    parser.add_argument("--engines", nargs="+", choices=[*COUNTING, *PEERS], default=[*COUNTING, *PEERS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for throughput.json, throughput.md and throughput.png")
    args = parser.parse_args()
    config = load_config()
    left_out = {name: why for name in args.engines if name in PEERS and (why := peer.wanting(name))}
    engines = [PLAIN, *(name for name in args.engines if name not in (PLAIN, *left_out))]
    before = report.machine()
    topics = {mix: send(config.kafka, mix, MIXES[mix], args.events) for mix in args.mixes}
    try:
        runs = compare(engines, topics, args.rounds)
    finally:
        delete(config.kafka, [topic.name for topic in topics.values()])
    results = [summary(*key, found, runs[key[0], PLAIN][0].windows) for key, found in runs.items()]
    settings = {**config.flink.model_dump(), **config.memory.model_dump()}
    about = {**before, "load_at_the_end": report.machine()["load"], "messages": args.events, "rounds": args.rounds,
             "left_out": left_out, **settings}  # fmt: skip
    memory = report.memory({f"{one['mix']}, {one['engine']}": one["peak_mib"] for one in results})
    text = "\n".join([as_table(results, args.events), memory, report.facts(about)])
    report.write(args.out, "throughput", {"about": about, "results": results}, text)
    if args.out:
        mixes = dict.fromkeys(one["mix"] for one in results)
        rates = {mix: {label(one): one["steady_rate"] for one in results if one["mix"] == mix} for mix in mixes}
        report.bars(args.out / "throughput.png", "Steady rate from Kafka", "events/s", rates)


if __name__ == "__main__":
    main()
