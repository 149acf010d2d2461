"""How rate, state and checkpoints grow with identifiers, links, keys of a window, and subtasks.

Needs the local stack (`dmp up`), with no jobs beside it: `python -m bench growth [--series NAME...]`. The stages and
the topics are those of `python -m bench throughput`.

identifiers  one long run of `identity`, an identifier for each message, told in tenths: at the end state is ten times
             as large
links        `identity`; persons with ever more devices, each link being seen twice on average
keys         `metrics`; ever more campaigns, so ever more keys in a window
subtasks     `identity` over the mix steady, with a parallelism of 1, 2 and 4
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from bench import report
from bench.engines.flink import Flink
from bench.progress import Checkpoint, Run, rate_between, reached
from bench.throughput import of_engine
from bench.topics import delete
from bench.workload import MIXES, Mix, RawTopic, send
from dmp.config import Config, load_config

PARTS = 10
KEYS_OF_A_CAMPAIGN = 12  # channels by kinds of events
STRANGERS = Mix(2, devices=1, recent=10_000)
"""Persons of two events on average, with one device and one cookie, who keep coming."""


class Point(NamedTuple):
    """A line of the table. `state_mib` and the rest: of the largest checkpoint that began to be seen meanwhile."""

    series: str
    value: str
    rate: Optional[float]
    cpu_seconds: Optional[float]  # for a million messages
    state_mib: Optional[float]
    written_mib: Optional[float]
    checkpoint_seconds: Optional[float]
    peak_mib: dict[str, int]  # by kind of process

    @property
    def name(self) -> str:
        return f"{self.series}: {self.value}"


class Bench:
    """Runs on topics of its own, each deleted after its run."""

    def __init__(self, config: Config, events: int, identifiers: int) -> None:
        self._config, self._flink = config, Flink(config)
        self._events, self._identifiers = events, identifiers

    def identifiers(self) -> Iterator[Point]:
        total = round(self._identifiers / STRANGERS.identifiers(1_000_000, 1_000_000) * 1_000_000)
        run = self._run("identity", "growth", STRANGERS, total)
        yield self._point("identifiers", f"{self._identifiers:,} in all", run, total)
        for part in range(PARTS):
            first, last = total * part // PARTS, total * (part + 1) // PARTS
            seen = [one for one in run.checkpoints if _between(run, one.seconds, first, last)]
            largest = _largest(seen)
            value = f"to {self._identifiers * (part + 1) // PARTS:,}"
            yield Point("identifiers", value, rate_between(run.samples, first, last), None, *largest, {})

    def links(self) -> Iterator[Point]:
        for devices in (1, 3, 6, 9):
            links = Mix(1, devices).links
            mix = Mix(2 * links, devices)
            run = self._run("identity", f"links-{links}", mix, self._events)
            yield self._point("links", f"{links} links a person", run, self._events)

    def keys(self) -> Iterator[Point]:
        for keys in (12, 120, 1_200, 12_000, 240_000):
            mix = Mix(MIXES["steady"].events_per_person, campaigns=keys // KEYS_OF_A_CAMPAIGN)
            run = self._run("metrics", f"keys-{keys}", mix, self._events)
            found = len(run.windows) / len({key[0] for key in run.windows})
            yield self._point("keys", f"{keys:,} keys, {found:,.0f} in a window", run, self._events)

    def subtasks(self) -> Iterator[Point]:
        for parallelism in (1, 2, 4):
            run = self._run("identity", f"subtasks-{parallelism}", MIXES["steady"], self._events, parallelism)
            yield self._point("subtasks", str(parallelism), run, self._events)

    def _run(self, stage: str, name: str, mix: Mix, events: int, parallelism: Optional[int] = None) -> Run:
        raw: RawTopic = send(self._config.kafka, name, mix, events)
        try:
            return self._flink.run(stage, raw, parallelism)
        finally:
            delete(self._config.kafka, [raw.name])

    @staticmethod
    def _point(series: str, value: str, run: Run, events: int) -> Point:
        cpu = of_engine(run.cpu_seconds) / events * 1e6
        return Point(series, value, run.steady_rate, cpu, *_largest(run.checkpoints), run.peak_mib)


def _between(run: Run, seconds: float, first: int, last: int) -> bool:
    begin, end = reached(run.samples, first), reached(run.samples, last)
    return begin is not None and end is not None and begin <= seconds <= end


def _largest(checkpoints: Any) -> tuple[Optional[float], Optional[float], Optional[float]]:
    if not checkpoints:
        return None, None, None
    largest: Checkpoint = max(checkpoints, key=lambda one: one.state_mib)
    return largest.state_mib, largest.written_mib, largest.took_seconds


SERIES: dict[str, Callable[[Bench], Iterator[Point]]] = {
    "identifiers": Bench.identifiers, "links": Bench.links, "keys": Bench.keys, "subtasks": Bench.subtasks,
}  # fmt: skip


def as_table(points: list[Point]) -> str:
    columns = ["series", "steady, events/s", "CPU-s per million", "state, MiB", "of it written", "checkpoint, s"]
    rows = []
    for point in points:
        figures = zip(point[2:7], (0, 1, 1, 1, 1))
        cells = ["" if figure is None else f"{figure:,.{digits}f}" for figure, digits in figures]
        rows.append([point.name, *cells])
    return report.table(columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES))
    parser.add_argument("--events", type=int, default=300_000, help="messages of each run but that of identifiers")
    parser.add_argument("--identifiers", type=int, default=500_000, help="how many the run of identifiers ends with")
    parser.add_argument("--out", type=Path, help="folder for growth.json and growth.md")
    args = parser.parse_args()
    config, before = load_config(), report.machine()
    bench = Bench(config, args.events, args.identifiers)
    points: list[Point] = []
    with report.until_stopped():
        for name in args.series:
            for point in SERIES[name](bench):
                points.append(point)
                print(as_table([point]).splitlines()[-1], flush=True)
    about = {**before, "load_at_the_end": report.machine()["load"], "messages": args.events,
             **config.flink.model_dump(), **config.memory.model_dump()}  # fmt: skip
    rows = [point._asdict() for point in points]
    memory = report.memory({point.name: point.peak_mib for point in points if point.peak_mib})
    text = "\n".join([as_table(points), memory, report.facts(about)])
    report.write(args.out, "growth", {"about": about, "points": rows}, text)
    if args.out:
        series = dict.fromkeys(one.series for one in points)
        rates = {name: {one.value: one.rate for one in points if one.series == name} for name in series}
        report.bars(args.out / "growth.png", "How the steady rate grows", "events/s", rates)


if __name__ == "__main__":
    main()
