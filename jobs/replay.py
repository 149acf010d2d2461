"""The pipeline over files: bounded, without Kafka and Elasticsearch. `dmp replay` prepares its folder and runs it.

The jobs run one after the other, each reading the files that the ones before wrote, as they would read their topics.
The folder has one subfolder for each table.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Optional

import orjson

from connectors.changelog import Row, final_rows
from dmp.config import Config, load_config
from dmp.segments import load_rules
from jobs import clean, clock, commands, identity, metrics, profiles, recommend, segments, upstream
from jobs.job import Job
from schemas.tables import create_file_table
from schemas.topics import (
    COMMANDS_REJECTED,
    EVENTS_CLEAN,
    EVENTS_REJECTED,
    IDENTITIES,
    METRICS,
    PROFILES,
    RECOMMENDATIONS,
    REFUSED,
    RELATED_ITEMS,
    SEGMENTS,
    Topic,
)

SETTINGS = {
    "restart-strategy.type": "none",
    "state.backend.type": "hashmap",
    # A mini-cluster's defaults are for toys.
    "taskmanager.memory.managed.size": "1g",
    "taskmanager.memory.network.min": "256m",
    "taskmanager.memory.network.max": "256m",
}


class Replay:
    """Runs the jobs in a folder, all in one mode. Segments are those at `at_ms`, else at the time of the last event; so
    are recommendations, if wanted."""

    def __init__(
        self, config: Config, folder: Path, batch: bool, parallelism: int, at_ms: Optional[int], recommends: bool
    ) -> None:
        self._config = config
        self._folder = folder
        self._batch = batch
        self._parallelism = parallelism
        self._at_ms = at_ms
        self._recommends = recommends

    def run(self) -> None:
        """Run all jobs; an exception of the first that fails."""
        self._clean()
        self._identity()
        self._write_final(IDENTITIES, _undated)
        self._results()
        self._write_final(PROFILES, dict)
        self._segments()
        if self._recommends:
            self._recommend(recommend.relate, RELATED_ITEMS)
            self._write_final(RELATED_ITEMS, _undated)
            self._recommend(recommend.recommend, RECOMMENDATIONS)

    def _clean(self) -> None:
        job = self._job("clean", (EVENTS_CLEAN, EVENTS_REJECTED))
        # Mini-batches would put the clock in place of the watermark, which here is a number of lines.
        job.set("table.exec.mini-batch.enabled", "false")
        clean.build(job)
        job.statements.execute().wait()

    def _identity(self) -> None:
        job = self._job("identity", (IDENTITIES, REFUSED, COMMANDS_REJECTED))
        upstream.events(job)
        commands.build(job)
        commands.build_rejects(job)
        identity.build(job)
        job.statements.execute().wait()

    def _write_final(self, topic: Topic, shape: Callable[[Row], Row]) -> None:
        """A result without its history, where the jobs behind read it."""
        target = self._final / topic.table
        target.mkdir(parents=True)
        with (target / "part-0").open("wb") as file:
            for row in final_rows(self._folder / topic.table, shape):
                file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def _results(self) -> None:
        job = self._job("results", (METRICS, PROFILES))
        job.sql(create_file_table(IDENTITIES, self._final))
        upstream.events(job)
        upstream.persons(job)
        commands.build(job)
        metrics.build(job)
        profiles.build(job)
        job.statements.execute().wait()

    def _segments(self) -> None:
        job = self._job("segments", (SEGMENTS,))
        for topic in (IDENTITIES, PROFILES):
            job.sql(create_file_table(topic, self._final))
        job.table(SEGMENTS)
        upstream.events(job)
        upstream.persons(job)
        clock.stopped(job, self._at_ms)
        rules = load_rules(self._config)
        segments.judge(job, rules)
        job.script("segments_replayed.sql", names=segments.names(rules))
        job.statements.execute().wait()

    def _recommend(self, half: Callable[[Job], None], result: Topic) -> None:
        job = self._job(result.table, (result,))
        for topic in (IDENTITIES, RELATED_ITEMS):
            if (self._final / topic.table).exists():
                job.sql(create_file_table(topic, self._final))
        upstream.events(job)
        upstream.persons(job)
        clock.stopped(job, self._at_ms)
        recommend.items(job)
        half(job)
        job.statements.execute().wait()

    @property
    def _final(self) -> Path:
        return self._folder / "final"

    def _job(self, name: str, sinks: Collection[Topic]) -> Job:
        create = partial(create_file_table, folder=self._folder, changelog=not self._batch)
        job = Job(f"replay-{name}", self._config, create, sinks, self._batch)
        for key, value in SETTINGS.items():
            job.set(key, value)
        job.set("parallelism.default", str(self._parallelism))
        return job


def _undated(row: Row) -> Row:
    """The row without the one thing in it that is not deterministic."""
    return {**row, "decided_at": "1970-01-01T00:00:00Z"}


def main() -> None:
    parser = ArgumentParser(prog="jobs/replay.py")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--mode", choices=("batch", "streaming"), required=True)
    parser.add_argument("--parallelism", type=int, required=True)
    parser.add_argument("--at-ms", type=int)
    parser.add_argument("--recommend", action="store_true")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    batch = arguments.mode == "batch"
    Replay(config, arguments.folder, batch, arguments.parallelism, arguments.at_ms, arguments.recommend).run()


if __name__ == "__main__":
    main()
