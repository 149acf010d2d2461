"""The stages of our jobs: submitted by `flink run` to the cluster of the configuration, with topics of their own.

As a script, which `flink run` calls, it builds and submits one job of a stage.

limit       the windows of `metrics` by built-in functions alone: Flink parses the JSON, subjects stand for persons
metrics     the jobs `clean` and `metrics`, windows alone to Kafka; each subject is a person of its own
identity    with the job `identity`: windows and who is who to Kafka
everything  the jobs `pipeline` and `segments`: all results to Kafka
index       the job `index` over documents instead of raw events, see bench/index.py
"""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from bench.processes import Watch
from bench.progress import Checkpoint, Run, Sample, measured
from bench.topics import committed, delete, ends, windows
from bench.workload import RawTopic
from connectors.kafka.topics import Topic as KafkaTopic
from connectors.kafka.topics import ensure_topics
from dmp.config import Config, load_config
from dmp.jobs import Cluster
from dmp.stack import Stack
from dmp.stack.server import get_json
from jobs.job import Job
from schemas.tables import consumer_group, create_results_table, with_options
from schemas.topics import EVENTS_RAW, IDENTITIES, INDEX_REJECTED, METRICS, PROFILES, REFUSED, TOPICS, Topic

POLL_SECONDS = 1
DOCUMENTS = "bench-documents"
"""The alias that stage `index` writes to."""

CHECKPOINTS = 3
"""So many must complete after the last result for a run to be over: what `segments` reads of `pipeline` takes two."""

PARSED = """CREATE TABLE parsed (
  type STRING, event STRING, messageId STRING, userId STRING, anonymousId STRING, `timestamp` TIMESTAMP_LTZ(3),
  properties ROW<revenue DECIMAL(18, 6)>,
  context ROW<channel STRING, campaign ROW<name STRING>, device ROW<id STRING>>,
  arrival AS PROCTIME()
)"""
# What is no JSON has no messageId. The same deduplication as in clean.sql.
LIMIT = """INSERT INTO metrics
SELECT
  window_start, TIMESTAMPADD(SECOND, {seconds}, window_start), channel, event, campaign,
  COUNT(*), COUNT(DISTINCT subject), CAST(SUM(revenue) AS DOUBLE), CAST(0 AS BIGINT)
FROM (
  SELECT
    TO_TIMESTAMP_LTZ(
      TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(0, 3), `timestamp`) / {seconds} * CAST({seconds}000 AS BIGINT), 3
    ) AS window_start,
    COALESCE(context.channel, '') AS channel,
    CASE WHEN type = 'track' THEN event ELSE type END AS event,
    COALESCE(context.campaign.name, '') AS campaign,
    COALESCE(userId, context.device.id, anonymousId) AS subject,
    COALESCE(properties.revenue, 0) AS revenue,
    COUNT(*) OVER (
      PARTITION BY messageId ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS nth
  FROM parsed
  WHERE messageId IS NOT NULL
)
WHERE nth = 1
GROUP BY window_start, channel, event, campaign"""


def limit(job: BenchJob) -> None:
    job.table(METRICS)
    kafka = {"connector": "kafka", "topic": EVENTS_RAW.name, "scan.startup.mode": "earliest-offset"}
    kafka["properties.bootstrap.servers"] = job.config.kafka.bootstrap_servers
    kafka["properties.group.id"] = consumer_group(job.name, "parsed")
    json = {"format": "json", "json.ignore-parse-errors": "true", "json.timestamp-format.standard": "ISO-8601"}
    job.sql(with_options(PARSED, {**kafka, **json}))
    job.insert(LIMIT.format(seconds=job.config.windows.seconds))


def metrics(job: BenchJob) -> None:
    from jobs import clean, metrics

    clean.build(job)
    job.view(
        "persons",
        "SELECT DISTINCT subject_type AS type, subject_id AS id, subject_id AS profile_id FROM events "
        "WHERE subject_id IS NOT NULL",
    )
    metrics.build(job)


def identity(job: BenchJob) -> None:
    from jobs import clean, commands, identity, metrics, upstream

    clean.build(job)
    commands.build(job)
    identity.build(job)
    upstream.persons(job)
    metrics.build(job)


def pipeline(job: BenchJob) -> None:
    from jobs import pipeline

    pipeline.build(job)


def segments(job: BenchJob) -> None:
    from jobs import segments

    segments.build(job)


def index(job: BenchJob) -> None:
    from udfs.indexing import index_document

    job.table(INDEX_REJECTED)
    job.sql(create_results_table((EVENTS_RAW,), job.config.kafka, job.name))
    documents = replace(PROFILES, name=job.raw, index=DOCUMENTS)
    job.function("index_document", index_document(job.config.elasticsearch, (documents,)))
    job.script("index.sql")


class Part(NamedTuple):
    """A job of a stage, the topics that it writes (None: all), and the table by which it reads the messages."""

    build: Callable[[BenchJob], None]
    sinks: Optional[Collection[Topic]] = None
    source: str = "events_raw"


STAGES: dict[str, dict[str, Part]] = {
    "limit": {"limit": Part(limit, source="parsed")},
    "metrics": {"metrics": Part(metrics, (METRICS,))},
    "identity": {"identity": Part(identity, (METRICS, IDENTITIES, REFUSED))},
    "everything": {"pipeline": Part(pipeline), "segments": Part(segments)},
    "index": {"index": Part(index, source="results")},
}
COUNTING = ("limit", "metrics", "identity", "everything")
"""The stages that count events into windows."""


class BenchJob(Job):
    """A job whose topics have a prefix of their own; raw events come from `raw`."""

    def __init__(self, name: str, prefix: str, raw: str, sinks: Optional[Collection[Topic]]) -> None:
        self._prefix, self.raw = prefix, raw
        super().__init__(name, load_config(), sinks=sinks)

    def sql(self, statement: str) -> None:
        super().sql(re.sub(r"(?<='topic' = ')[^']+", self._own, statement))

    def _own(self, topics: re.Match[str]) -> str:
        names = topics.group().split(";")
        return ";".join(self.raw if name == EVENTS_RAW.name else self._prefix + name for name in names)


class Flink:
    """Runs stages on the running stack of a configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._cluster = Cluster(config)
        self._stack = Stack(config)
        self._number = 0

    def run(self, stage: str, raw: RawTopic, parallelism: Optional[int] = None) -> Run:
        """By default with the parallelism of the configuration."""
        self._number += 1
        name = f"bench-{stage}-{self._number}-{time.time_ns() // 1_000_000_000}"
        own = [f"{name}.{topic.name}" for topic in TOPICS]
        ensure_topics(self._config.kafka, [KafkaTopic(name=topic, partitions=4, config={}) for topic in own])
        servers = {server: status["pid"] for server, status in self._stack.status().items() if status["pid"]}
        jobs: list[str] = []
        try:
            with Watch(servers) as watch:
                begin = time.monotonic()
                jobs += [self._submit(stage, part, name, raw, parallelism) for part in STAGES[stage]]
                part, first = next(iter(STAGES[stage].items()))
                group = consumer_group(f"{name}-{part}", first.source)
                samples, checkpoints, last = self._follow(jobs, group, own, raw, begin)
            found = windows(self._config.kafka, f"{name}.{METRICS.name}")
        finally:
            for job in jobs:
                self._cancel(job)
            delete(self._config.kafka, own)
        return measured(last, samples, raw.messages, watch, found, checkpoints)

    def _submit(self, stage: str, part: str, name: str, raw: RawTopic, parallelism: Optional[int]) -> str:
        command = [str(self._stack.flink_command()), "run", "--detached", "-pyfs", str(self._cluster.pack())]
        command += ["-p", str(parallelism or self._config.flink.parallelism)]
        command += ["-py", str(Path(__file__)), stage, part, name, raw.name]
        ((_, job),) = self._cluster.run([stage], command)
        return job

    def _follow(
        self, jobs: list[str], group: str, own: list[str], raw: RawTopic, begin: float
    ) -> tuple[list[Sample], list[Checkpoint], float]:
        """Until all is read and no result comes any more: messages read over time, checkpoints, and when the last
        result came. What is read is what checkpoints commit: to ask Flink's metrics twice a second takes a third of a
        core of the TaskManager."""
        samples: list[Sample] = []
        checkpoints: dict[int, Checkpoint] = {}
        reached, last, since = ends(self._config.kafka, own), 0.0, _completed(self._checkpoints(jobs))
        while True:
            time.sleep(POLL_SECONDS)
            now, seconds = ends(self._config.kafka, own), time.monotonic() - begin
            read = committed(self._config.kafka, group, [raw.name])[raw.name]
            if samples and not read:
                samples.pop()  # of the time before the first message, the end counts
            if not samples or read > samples[-1].messages:
                samples.append(Sample(seconds, read))
            told = self._checkpoints(jobs)
            checkpoints.update(_last_checkpoint(told[0], seconds))
            if now != reached or read < raw.messages:
                reached, last, since = now, seconds, _completed(told)
            elif all(many >= few + CHECKPOINTS for many, few in zip(_completed(told), since)):
                return samples, list(checkpoints.values()), last

    def _checkpoints(self, jobs: list[str]) -> list[Any]:
        """What Flink tells of each job's checkpoints; ends the bench when a job has failed."""
        for job in jobs:
            failures = get_json(f"{self._cluster.rest}/jobs/{job}/exceptions")
            if failures and failures["exceptionHistory"]["entries"]:
                raise SystemExit(f"a job of the bench fails: {self._cluster.failure(job)}")
        return [get_json(f"{self._cluster.rest}/jobs/{job}/checkpoints") for job in jobs]

    def _cancel(self, job: str) -> None:
        request = urllib.request.Request(f"{self._cluster.rest}/jobs/{job}?mode=cancel", method="PATCH")
        urllib.request.urlopen(request, timeout=60).close()
        while (state := get_json(f"{self._cluster.rest}/jobs/{job}")) and state["state"] not in ("CANCELED", "FAILED"):
            time.sleep(POLL_SECONDS)


def _completed(told: list[Any]) -> list[int]:
    return [answer["counts"]["completed"] if answer else 0 for answer in told]


def _last_checkpoint(answer: Any, seconds: float) -> dict[int, Checkpoint]:
    """The last one that is complete, by its number."""
    last = answer["latest"]["completed"] if answer else None
    if not last:
        return {}
    state, written = (round(last[size] / 2**20, 1) for size in ("state_size", "checkpointed_size"))
    return {last["id"]: Checkpoint(seconds, state, written, last["end_to_end_duration"] / 1000)}


def main() -> None:
    stage, part, run, raw = sys.argv[1:]
    chosen = STAGES[stage][part]
    job = BenchJob(f"{run}-{part}", f"{run}.", raw, chosen.sinks)
    chosen.build(job)
    job.submit()


if __name__ == "__main__":
    main()
