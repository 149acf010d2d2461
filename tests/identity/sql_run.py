"""Runs identity.sql over files, bounded, in the JVM of the tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dmp.config import Config
from jobs import identity
from jobs.job import Job
from tests.identity.model import Command, Event

Mode = Literal["batch", "streaming"]
Row = tuple[str, ...]

EVENT_COLUMNS = "event_ms BIGINT, " + ", ".join(
    f"{name} STRING" for name in ("user_id", "email", "phone", "device_id", "anonymous_id", "previous_id")
)
COMMAND_COLUMNS = "command_ms BIGINT, op STRING, a_type STRING, a_id STRING, b_type STRING, b_id STRING"
RESULTS = {
    "stitched": ("type", "id", "profile_id"),
    "refused_links": ("a_type", "a_id", "b_type", "b_id", "reason"),
}
# Several splits of the input, so that every task reads some of it.
FILES = 4


class Results(NamedTuple):
    persons: list[Row]
    refused_links: list[Row]


class Run(NamedTuple):
    """How the job is run. Small mini-batches fold few changes, so that many corrections flow through the views."""

    mode: Mode
    parallelism: int
    mini_batch: int = 20000


def run(how: Run, events: Iterable[Event], commands: Iterable[Command], config: Config, folder: Path) -> Results:
    """The final rows of each view, sorted. Rows that are there twice or less than never are an error."""
    _write(folder / "events", map(event_row, events))
    _write(folder / "commands", map(command_row, commands))
    job_over_files(how, config, folder).statements.execute().wait()
    return Results(*(_final_rows(folder / view) for view in RESULTS))


def job_over_files(how: Run, config: Config, folder: Path) -> Job:
    job = Job("identity", config, batch=how.mode == "batch")
    job.sql(_table("events", EVENT_COLUMNS, folder / "events", "json"))
    job.sql(_table("commands", COMMAND_COLUMNS, folder / "commands", "json"))
    identity.stitch(job)
    job.set("parallelism.default", str(how.parallelism))
    job.set("table.exec.mini-batch.size", str(how.mini_batch))
    for view, columns in RESULTS.items():
        # Only a change log tells whether every row that was replaced has been taken back.
        file_format = "json" if how.mode == "batch" else "debezium-json"
        job.sql(_table(f"{view}_file", ", ".join(f"{name} STRING" for name in columns), folder / view, file_format))
        job.insert(f"INSERT INTO {view}_file SELECT {', '.join(columns)} FROM {view}")
    return job


def _table(name: str, columns: str, folder: Path, file_format: str) -> str:
    return (
        f"CREATE TEMPORARY TABLE {name} ({columns}) "
        f"WITH ('connector' = 'filesystem', 'path' = '{folder}', 'format' = '{file_format}')"
    )


def _write(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True)
    lines = [json.dumps(row) + "\n" for row in rows]
    for number in range(FILES):
        (folder / f"{number}.json").write_text("".join(lines[number::FILES]), encoding="utf-8")


def event_row(event: Event) -> dict[str, Any]:
    previous_id = event.previous[0][1] if event.previous else None
    return {"event_ms": event.at, **dict(event.identifiers), "previous_id": previous_id}


def command_row(command: Command) -> dict[str, Any]:
    a_type, a_id = command.a
    b_type, b_id = command.b or (None, None)
    pair = {"a_type": a_type, "a_id": a_id, "b_type": b_type, "b_id": b_id}
    return {"command_ms": command.at, "op": command.op, **pair}


def _final_rows(folder: Path) -> list[Row]:
    counts: Counter[Row] = Counter()
    # Flink's names of files that it had no checkpoint to finish begin with a dot.
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        for line in file.read_text(encoding="utf-8").splitlines():
            change = json.loads(line)
            if "op" not in change:
                counts[tuple(change.values())] += 1
            elif change["op"] == "d":
                counts[tuple(change["before"].values())] -= 1
            else:
                counts[tuple(change["after"].values())] += 1
    wrong = {row: count for row, count in counts.items() if count not in (0, 1)}
    assert not wrong, f"{len(wrong)} rows with wrong counts in {folder.name}, among them {list(wrong.items())[:3]}"
    return sorted(row for row, count in counts.items() if count)
