"""The Parquet archive: every clean event once, through a kill, readable by pandas, pyarrow, DuckDB and batch SQL."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pandas as pd
import pyarrow.dataset
import pytest

from tests.docs.blocks import blocks, documents
from tests.pipeline.platform import Platform, wait_for
from tests.pipeline.test_docs import run_block

pytestmark = pytest.mark.stack

DMP = str(Path(sys.executable).with_name("dmp"))
RUN = uuid.uuid4().hex[:12]
QUICK = {"DMP_ARCHIVE__ROLL_SECONDS": "2"}


@pytest.fixture(scope="module")
def archive(platform: Platform) -> Path:
    """The folder of the archive, with all clean events, written through a kill of the TaskManager."""
    folder = Path(urlsplit(platform.stack.config.archive.path).path)
    submit(platform)
    platform.dmp("generate", "--events", "2000", "--seed", "41", "--to", "kafka")
    wait_for("the first files", lambda: folder.exists() and message_ids(folder))
    platform.kill("flink_taskmanager")
    platform.dmp("generate", "--events", "2000", "--seed", "42", "--to", "kafka")
    platform.dmp("up")
    platform.assert_exact()
    expected = [json.loads(message.value)["message_id"] for message in platform.topic("dmp.events.clean")]
    wait_for("all events", lambda: len(message_ids(folder)) >= len(expected))
    assert Counter(message_ids(folder)) == Counter(expected)
    return folder


def submit(platform: Platform) -> subprocess.CompletedProcess[str]:
    command = [DMP, "submit", "archive"]
    return subprocess.run(command, env={**platform.stack.env, **QUICK}, capture_output=True, text=True, timeout=300)


def message_ids(folder: Path) -> list[str]:
    """Of the files that are finished; Flink hides the others behind a dot."""
    files = pyarrow.dataset.dataset(folder, partitioning="hive")
    return list(files.to_table(columns=["message_id"]).column("message_id").to_pylist()) if files.files else []


def test_batch_count_by_key_equals_the_streaming_windows(platform: Platform, archive: Path) -> None:
    shown = platform.dmp("sql", "-q", "archive_windows", "--csv")
    batch = {
        tuple(row[name] for name in ("window_start", "channel", "event", "campaign")): (
            int(row["events"]), float(row["revenue"]),
        )
        for row in csv.DictReader(io.StringIO(shown))
    }
    # What the windows do not count any more: events of who was erased in this session.
    suppressed = sum(platform.quality()["suppressed"].values())
    windows = {key: (events, revenue) for key, (events, _, revenue) in platform.windows().items()}
    assert sum(events for events, _ in batch.values()) == sum(events for events, _ in windows.values()) + suppressed
    different = {key for key in batch.keys() | windows.keys() if batch.get(key) != windows.get(key)}
    assert len(different) <= suppressed


def test_duckdb_and_pandas_read_the_same(archive: Path) -> None:
    pattern = f"{archive}/*/*/part-*"
    query = f"SELECT channel, count(*) FROM read_parquet('{pattern}', hive_partitioning = true) GROUP BY channel"
    by_duckdb = dict(duckdb.sql(query).fetchall())
    frame = pd.read_parquet(archive)
    assert by_duckdb == Counter(None if pd.isna(channel) else channel for channel in frame["channel"])
    times = pd.to_datetime(frame["event_ms"], unit="ms", utc=True)
    assert (times.dt.strftime("%Y-%m-%d") == frame["date"].astype(str)).all()
    assert (times.dt.hour == frame["hour"].astype(int)).all()


def test_documented_ways_to_read_it(platform: Platform, archive: Path, tmp_path: Path) -> None:
    (block,) = (block for document in documents() for block in blocks(document) if block.mark == "archive")
    local = replace(block, text=block.text.replace("/var/lib/dmp-flink/archive", str(archive)))
    assert local.text != block.text and "Product Viewed" in run_block(local, platform, tmp_path)


def test_stops_and_resumes_without_a_second_copy(platform: Platform, archive: Path) -> None:
    before = len(message_ids(archive))
    platform.dmp("stop", "archive")
    refused = platform.stack.dmp("submit", "archive", "--fresh")
    assert refused.returncode == 2 and "move the folder away" in refused.stderr
    platform.send([json.dumps({"type": "page", "messageId": RUN, "timestamp": "2026-06-01T00:00:00Z"}).encode()])
    assert submit(platform).returncode == 0
    wait_for("the event", lambda: RUN in message_ids(archive))
    assert len(message_ids(archive)) == before + 1
    assert list((archive / "date=2026-06-01" / "hour=00").glob("part-*"))
    platform.dmp("stop", "archive")
