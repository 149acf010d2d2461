"""Bytewax: batches from Kafka through one Python function, then `fold_window`; two processes.

Its dataflow is this module's `flow()`, run by Bytewax's own launcher. Its clock follows each key, not each partition:
an event that is more than five seconds behind the newest of its key is late and lost to the window. Repeats are told
within their window, as each has the bytes of its original.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Optional

from bench.engines.peer import Peer, cleaner, main
from bench.topics import Windows
from dmp.core.cleaning import CleanEvent

if TYPE_CHECKING:
    from bytewax.connectors.kafka import KafkaSourceMessage
    from bytewax.dataflow import Dataflow

PROCESSES = 2
BATCH = 5_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATE_BY = timedelta(seconds=5)
TASK = "BENCH_TASK"


class Event(NamedTuple):
    message_id: str
    at: datetime
    subject: Optional[str]
    micros: int


class Count:
    """What a window adds up to."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.subjects: set[str] = set()
        self.micros = 0

    def add(self, event: Event) -> Count:
        if event.message_id not in self.seen:
            self.seen.add(event.message_id)
            self.micros += event.micros
            if event.subject:
                self.subjects.add(event.subject)
        return self

    def merge(self, other: Count) -> Count:
        self.seen |= other.seen
        self.subjects |= other.subjects
        self.micros += other.micros
        return self


def run(peer: Peer) -> Windows:
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
        task = json.dumps([peer.kafka.bootstrap_servers, peer.raw.name, peer.window_ms, file.name])
        command = [sys.executable, "-m", "bytewax.testing", "bench.engines.bytewax:flow()", "-p", str(PROCESSES)]
        subprocess.run(command, env={**os.environ, TASK: task}, check=True)
        rows = map(json.loads, Path(file.name).read_text(encoding="utf-8").splitlines())
        return {(start, *names): (events, persons, micros) for start, names, events, persons, micros in rows}


def flow() -> Dataflow:
    """The dataflow of the task in the environment."""
    import bytewax.operators as op
    from bytewax.connectors.files import FileSink
    from bytewax.connectors.kafka import KafkaSource
    from bytewax.dataflow import Dataflow
    from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window

    servers, topic, window_ms, file = json.loads(os.environ[TASK])
    clean = cleaner().clean

    def cleaned(batch: list[KafkaSourceMessage[bytes, bytes]]) -> list[tuple[str, Event]]:
        events = []
        for message in batch:
            event = clean(message.value)
            if type(event) is CleanEvent:
                key = json.dumps([event.channel or "", event.event, event.campaign or ""])
                at = EPOCH + timedelta(milliseconds=event.event_ms)
                events.append((key, Event(event.message_id, at, event.subject_id, event.revenue_micros or 0)))
        Peer.tell(len(batch))
        return events

    def line(item: tuple[str, tuple[int, Count]]) -> tuple[str, str]:
        key, (number, count) = item
        row = [number * window_ms, json.loads(key), len(count.seen), len(count.subjects), count.micros]
        return "", json.dumps(row)

    dataflow = Dataflow("windows")
    messages = op.input("messages", dataflow, KafkaSource([servers], [topic], tail=False, batch_size=BATCH))
    windows = fold_window(
        "windows",
        op.flat_map_batch("clean", messages, cleaned),
        EventClock(lambda event: event.at, LATE_BY),
        TumblingWindower(length=timedelta(milliseconds=window_ms), align_to=EPOCH),
        Count,
        Count.add,
        Count.merge,
        ordered=False,
    )
    op.output("lines", op.map("line", windows.down, line), FileSink(Path(file)))
    return dataflow


if __name__ == "__main__":
    main(run)
