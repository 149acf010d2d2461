"""What identity costs beside windows, over files: `python -m bench identity [--events N] [--rounds R] ...`.

Each stage is a bounded streaming job over the same files, in a process and JVM of its own, where it first runs over a
few events, so that Flink's code is compiled. It counts from submission to end, without planning; there are no
checkpoints. The stages take turns, R times, so that whatever else the machine does hits all of them, and medians count:
events per second, and processor seconds, which say more on a machine that does other work.

windows  counts events and subjects in windows by built-in functions, without persons
identity the job `identity` with one, two or three hops
results  the jobs `metrics` and `profiles` with persons, over the final identities (as `dmp replay` runs them; in one
         job with identity they would need the plan that `Job.plan` makes for Kafka)

The mixes are those of workload.py. Every reader has one file with events of all moments, like a partition of Kafka:
with more files than readers time would begin again half-way, and links seen before would get an earlier first sighting.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Callable, NamedTuple

import orjson
import psutil

from bench import report
from bench.workload import MIXES, Mix, make_events
from dmp.config import IdentitySection, load_config
from dmp.jobs import PROJECT
from dmp.stack.java import java_home

EVENTS_FOR_WARMING = 30_000
STRINGS = """event, type, channel, campaign, campaign_source, campaign_medium, user_id, email, phone, device_id,
anonymous_id, previous_id, subject_type, subject_id, email_masked, phone_masked, device_kind"""
EVENTS = f"""CREATE TEMPORARY TABLE events (
  event_ms BIGINT, revenue_micros BIGINT, late BOOLEAN, consent_analytics BOOLEAN, consent_marketing BOOLEAN,
  traits MAP<STRING, STRING>, {", ".join(f"{name.strip()} STRING" for name in STRINGS.split(","))}
) WITH ('connector' = 'filesystem', 'path' = '{{}}', 'format' = 'json')"""
COMMANDS = """CREATE TEMPORARY TABLE commands (
  command_ms BIGINT, op STRING, a_type STRING, a_id STRING, b_type STRING, b_id STRING
) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json')"""
ERASED = "SELECT DISTINCT a_type AS type, a_id AS id FROM commands WHERE op = 'erase'"
PERSONS = """CREATE TEMPORARY TABLE persons (type STRING, id STRING, profile_id STRING)
WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json')"""
WINDOWS = """SELECT
  event_ms - MOD(event_ms, 10000) AS window_start, channel, event,
  COUNT(*) AS events, COUNT(DISTINCT subject_id) AS subjects, SUM(revenue_micros) AS revenue_micros
FROM events
GROUP BY event_ms - MOD(event_ms, 10000), channel, event"""
WINDOWS_SINK = """CREATE TEMPORARY TABLE windows (
  window_start BIGINT, channel STRING, event STRING, events BIGINT, subjects BIGINT, revenue_micros BIGINT
) WITH ('connector' = 'blackhole')"""


class Stage(NamedTuple):
    """A job to measure: `build` adds its inserts to a `jobs.job.Job` that has the input of `folder`."""

    build: Callable[[Any, Path], None]
    hops: int = 3


class Run(NamedTuple):
    cpu_seconds: float
    seconds: float


class Measure(NamedTuple):
    mix: str
    stage: str
    events: int
    identifiers: int
    cpu_seconds: float
    seconds: float
    runs: list[Run]


def windows(job: Any, folder: Path) -> None:
    job.sql(WINDOWS_SINK)
    job.insert(f"INSERT INTO windows {WINDOWS}")


def identity(job: Any, folder: Path) -> None:
    from jobs import identity

    identity.build(job)


def results(job: Any, folder: Path) -> None:
    from jobs import metrics, profiles

    job.sql(PERSONS.format(folder / "persons"))
    job.view("erased", ERASED)
    metrics.build(job)
    profiles.build(job)


BASELINE, IDENTITY, RESULTS = "windows", "identity, 3 hops", "results"
TOGETHER = f"{IDENTITY} + {RESULTS}"
STAGES = {
    BASELINE: Stage(windows),
    "identity, 1 hop": Stage(identity, 1),
    "identity, 2 hops": Stage(identity, 2),
    IDENTITY: Stage(identity),
    RESULTS: Stage(results),
}

def write_input(folder: Path, count: int, mix: Mix, readers: int) -> int:
    """Writes the events, a file for each reader, and no commands. How many identifiers there are."""
    identifiers = set()
    (folder / "events").mkdir(parents=True)
    (folder / "commands").mkdir()
    (folder / "commands" / "0.json").touch()
    files = [(folder / "events" / f"{number}.json").open("wb") for number in range(readers)]
    for number, event in enumerate(make_events(Random(1), count, mix)):
        identifiers |= {(kind, event.get(kind)) for kind in ("user_id", "device_id", "anonymous_id")}
        files[number % readers].write(orjson.dumps(event) + b"\n")
    for file in files:
        file.close()
    return sum(id_ is not None for _, id_ in identifiers)


def new_job(folder: Path, hops: int, settings: dict[str, str], batch: bool = False) -> Any:
    """A job that has events and commands; all topics are blackholes, without dmp.quality, whose inserts have options of
    Kafka."""
    from jobs.job import Job
    from schemas.tables import columns, with_options
    from schemas.topics import QUALITY, TOPICS

    def blackhole(topic: Any) -> str:
        return with_options(columns(topic.table), {"connector": "blackhole"})

    config = load_config().model_copy(update={"identity": IdentitySection(hops=hops)})
    job = Job("bench", config, blackhole, [topic for topic in TOPICS if topic != QUALITY], batch)
    job.sql(EVENTS.format(folder / "events"))
    job.sql(COMMANDS.format(folder / "commands"))
    for key, value in settings.items():
        job.set(key, value)
    return job


def write_persons(folder: Path, settings: dict[str, str]) -> None:
    """Identity's results, for those that join them: in batch mode, so without corrections.

    Refused links are there as well: with a single sink the planner would copy views instead of sharing them.
    """
    from jobs import identity

    job = new_job(folder, 3, settings, batch=True)
    identity.stitch(job)
    job.sql(PERSONS.format(folder / "persons"))
    job.insert("INSERT INTO persons SELECT type, id, profile_id FROM stitched")
    job.sql("CREATE TEMPORARY TABLE refused (reason STRING) WITH ('connector' = 'blackhole')")
    job.insert("INSERT INTO refused SELECT reason FROM refused_links")
    job.statements.execute().wait()


def run_stage(stage: Stage, folder: Path, settings: dict[str, str]) -> Run:
    """Processor seconds and seconds of one job, in this process."""
    from pyflink.java_gateway import get_gateway

    job = new_job(folder, stage.hops, settings)
    stage.build(job, folder)
    (jvm,) = (child for child in psutil.Process().children() if "java" in child.name())
    get_gateway().jvm.System.gc()
    submitted = job.statements.execute()
    before, start = cpu_seconds(jvm), time.monotonic()
    submitted.wait()
    return Run(cpu_seconds(jvm) - before, time.monotonic() - start)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def in_a_process(*arguments: str) -> Any:
    """What this bench prints when it runs again with other arguments, and thus a JVM of its own."""
    command = [sys.executable, "-m", "bench", "identity", *sys.argv[1:], *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT)
    return json.loads(done.stdout.splitlines()[-1])


def compare(args: argparse.Namespace) -> Iterator[Measure]:
    runs: dict[tuple[str, str], list[Run]] = {}
    with tempfile.TemporaryDirectory() as name:
        identifiers = {}
        for mix in args.mixes:
            for part, events in (("warming", EVENTS_FOR_WARMING), ("measured", args.events)):
                identifiers[mix] = write_input(Path(name) / mix / part, events, MIXES[mix], args.parallelism)
            if RESULTS in args.stages:
                in_a_process("--persons", str(Path(name) / mix))
        for mix, stage in [(mix, stage) for _ in range(args.rounds) for mix in args.mixes for stage in args.stages]:
            run = Run(*in_a_process("--stage", stage, "--input", str(Path(name) / mix)))
            print(f"{mix}, {stage}: {run.seconds:.1f} s, {run.cpu_seconds:.1f} CPU-s", flush=True)
            runs.setdefault((mix, stage), []).append(run)
    for mix in args.mixes:
        if {IDENTITY, RESULTS} <= {*args.stages}:
            both = zip(runs[mix, IDENTITY], runs[mix, RESULTS])
            runs[mix, TOGETHER] = [Run(*map(sum, zip(*pair))) for pair in both]
        for stage in (*args.stages, TOGETHER):
            if (mix, stage) in runs:
                medians = [statistics.median(figures) for figures in zip(*runs[mix, stage])]
                yield Measure(mix, stage, args.events, identifiers[mix], *medians, runs=runs[mix, stage])


def as_table(measures: list[Measure]) -> str:
    base = {one.mix: one for one in measures if one.stage == BASELINE}
    lines = [
        "| mix | stage | events | identifiers | events/s | rate to windows | CPU-s | rate to windows by CPU-s |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in measures:
        by_time, by_cpu = base[one.mix].seconds / one.seconds, base[one.mix].cpu_seconds / one.cpu_seconds
        lines.append(
            f"| {one.mix} | {one.stage} | {one.events:,} | {one.identifiers:,} "
            f"| {one.events / one.seconds:,.0f} | {by_time:.2f} | {one.cpu_seconds:.1f} | {by_cpu:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="of each mix (default: 1,000,000)")
    parser.add_argument("--mixes", nargs="+", choices=MIXES, default=list(MIXES))
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parallelism", type=int, default=2)
    parser.add_argument("--state", choices=("hashmap", "rocksdb"), default="rocksdb")
    parser.add_argument("--heap", default="3g", help="of Java; with hashmap all state has to fit, some 8g for all-new")
    parser.add_argument("--managed", default="2g", help="memory of rocksdb, and of batch jobs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Flink, to try it")
    parser.add_argument("--out", type=Path, help="folder for identity.json and identity.md")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--persons", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    settings = {
        "parallelism.default": str(args.parallelism),
        "restart-strategy.type": "none",
        "state.backend.type": args.state,
        "taskmanager.memory.managed.size": args.managed,
        "taskmanager.memory.network.min": "256m",
        "taskmanager.memory.network.max": "256m",
        **dict(setting.split("=", 1) for setting in args.set),
    }
    home = str(java_home(load_config()))
    os.environ.update(JAVA_HOME=home, JAVA_TOOL_OPTIONS=f"-Xmx{args.heap} -Xms{args.heap} -XX:+UseParallelGC")
    if args.persons:
        for folder in (args.persons / "warming", args.persons / "measured"):
            write_persons(folder, settings)
        print("null")
    elif args.stage:
        run_stage(STAGES[args.stage], args.input / "warming", settings)
        print(json.dumps(run_stage(STAGES[args.stage], args.input / "measured", settings)))
    else:
        compare_stages(args, settings)


def compare_stages(args: argparse.Namespace, settings: dict[str, str]) -> None:
    args.stages = [BASELINE, *(stage for stage in args.stages if stage != BASELINE)]
    about = {"machine": report.machine(), "rounds": args.rounds, "heap": args.heap, "settings": settings}
    measures = list(compare(args))
    about["load_at_the_end"] = round(psutil.getloadavg()[0], 1)
    table = as_table(measures)
    note = f"Medians of {args.rounds} rounds; `{TOGETHER}` is the sum of two jobs, one after the other."
    facts = {**about["machine"], **{key: value for key, value in about.items() if key != "machine"}}
    rows = [{**one._asdict(), "runs": [run._asdict() for run in one.runs]} for one in measures]
    report.write(args.out, "identity", {**about, "measures": rows}, f"{table}\n{note}\n\n{report.facts(facts)}")


if __name__ == "__main__":
    main()
