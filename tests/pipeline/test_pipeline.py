"""Golden runs of the whole path, Kafka to Elasticsearch, with `flink run` on the real cluster, and through faults."""

from __future__ import annotations

import json
import re
import time
import uuid
from pathlib import Path

import pytest

from tests.input.running import Running, get, metric
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex  # so that a second run on the same stack does not send duplicates only
DEMO_LOG = Path(__file__).resolve().parents[2] / "dmp" / "demo_data" / "access.log"


def event(number: int, when: str, **fields: object) -> bytes:
    return json.dumps({
        "type": "track", "messageId": f"{RUN}-{number}", "event": "Page Read", "anonymousId": f"c{number % 7}",
        "context": {"channel": "web"}, "timestamp": when, **fields,
    }).encode()  # fmt: skip


def test_generated_traffic_is_counted_exactly(platform: Platform, tmp_path: Path) -> None:
    before, late = platform.assert_exact(), platform.quality()["late"][""]
    manifest = tmp_path / "manifest.json"
    platform.dmp("generate", "--events", "5000", "--seed", "11", "--to", "kafka", "--manifest", str(manifest))
    promised = json.loads(manifest.read_text())
    after = platform.assert_exact()
    assert after.received - before.received == promised["sent"]
    assert after.accepted - before.accepted == promised["accepted"]
    assert dict(after.rejected - before.rejected) == promised["rejected"]
    assert platform.quality()["late"][""] - late > 0.9 * promised["old"]


def test_access_log_windows_equal_a_recount_and_malformed_lines_are_dead_letters(
    platform: Platform, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(DEMO_LOG.read_bytes() + b"no access log line at all\n")
    platform.dmp("collect", "access-log", str(log))
    platform.assert_exact()

    def latest_reject() -> str:
        return platform.dmp("rejected", "list", "--raw", "--limit", "1")

    # Rejects become visible with the checkpoint that commits them, after the windows.
    wait_for("the dead letter", lambda: "no access log line at all" in latest_reject())
    assert "malformed_json" in latest_reject()


def test_rejected_events_are_searchable_without_their_raw_bytes(platform: Platform) -> None:
    rejected = sum(platform.assert_exact().rejected.values())
    wait_for("all rejects", lambda: len(platform.documents("dmp-events-rejected")) == rejected)
    documents = platform.documents("dmp-events-rejected")
    assert rejected > 0
    assert all("raw" not in document and document["reason"] for document in documents)


def test_events_out_of_order_by_minutes_are_counted_in_their_windows(platform: Platform) -> None:
    before = platform.quality()["late"][""]
    times = [f"2026-03-01T10:{minute:02d}:05Z" for minute in (30, 0, 25, 3, 29, 1)]
    platform.send([event(1000 + i, when) for i, when in enumerate(times)])
    platform.assert_exact()
    for when in times:
        assert (when.replace(":05Z", ":00Z"), "web", "Page Read", "") in platform.windows()
    assert platform.quality()["late"][""] > before


def test_a_job_has_the_whole_pool_of_memory_for_its_state(platform: Platform) -> None:
    """RocksDB's own logs tell. Flink says nothing when each slot has its share instead, and jobs only get slower."""
    folder = platform.stack.config.stack.data_dir / "flink" / "tmp"
    logs = [file.read_text(errors="replace") for file in folder.glob("*_db_LOG")]
    caches = {int(size) for log in logs for size in re.findall(r"^ +capacity : (\d+)$", log, re.MULTILINE)}
    # The cache has five sixths of it, write buffers may go beyond by the last (Flink: RocksDBMemoryControllerUtils).
    assert caches == {(platform.stack.config.memory.taskmanager_rocksdb << 20) * 5 // 6}


def test_a_job_that_starts_again_finds_its_classes_loaded(platform: Platform) -> None:
    """Else each start leaves thousands behind, until there is no room for more and the TaskManager gives up."""

    def loaded() -> float:
        metrics = get(f"http://127.0.0.1:{platform.stack.config.ports.flink_metrics + 1}/metrics")
        return metric(metrics, "flink_taskmanager_Status_JVM_ClassLoader_ClassesLoaded")

    before = loaded()
    platform.dmp("stop", "index")
    platform.dmp("submit", "index")
    platform.wait_until_running(60)
    assert 0 < loaded() - before < 1000


def test_a_job_that_is_cancelled_while_it_starts_leaves_the_others_alone(
    platform: Platform, tmp_path: Path
) -> None:
    """Joins of mini-batches would end the TaskManager, see jobs/job.py."""
    platform.dmp("stop", "segments")
    failures = {name: platform.failures(name) for name in platform.cluster.running()}
    with Running(platform.stack.env, "submit", "segments", log=tmp_path / "log") as submission:
        submission.wait_for("tasks that start", lambda: any(job["initializing"] for job in platform.tasks()))
        platform.cancel(platform.cluster.running()["segments"])
        assert submission.wait() == 2
    assert "dmp: job segments was cancelled before it ran" in submission.log.read_text()
    platform.dmp("submit", "segments")
    platform.wait_until_running(60)
    assert {name: platform.failures(name) for name in failures} == failures


def test_killed_taskmanager_recovers_from_its_checkpoint_with_exact_windows(platform: Platform) -> None:
    platform.send([event(2000 + i, f"2026-03-02T10:00:{i % 60:02d}Z") for i in range(500)])
    platform.wait_for_checkpoint("pipeline")
    platform.send([event(2500 + i, f"2026-03-02T10:00:{i % 60:02d}Z") for i in range(500)])
    platform.kill("flink_taskmanager")
    platform.send([event(3000 + i, f"2026-03-02T10:00:{i % 60:02d}Z") for i in range(500)])
    platform.dmp("up")
    platform.assert_exact()
    clean = [json.loads(message.value)["message_id"] for message in platform.topic("dmp.events.clean")]
    assert len(clean) == len(set(clean)), "an accepted event stands twice in dmp.events.clean"


def test_elasticsearch_away_for_30_seconds_loses_nothing_and_stops_nobody_else(platform: Platform) -> None:
    failures = platform.failures("pipeline")
    platform.kill("elasticsearch")
    messages = len(platform.topic("dmp.metrics"))
    platform.send([event(4000 + i, f"2026-03-03T10:00:{i % 60:02d}Z") for i in range(300)])
    wait_for("new windows in Kafka", lambda: len(platform.topic("dmp.metrics")) > messages, 60)
    time.sleep(30)
    assert platform.failures("pipeline") == failures, "the pipeline noticed"
    platform.dmp("up")
    platform.assert_exact()


def test_stop_with_savepoint_and_resume_keeps_counts_exact(platform: Platform) -> None:
    # The last hundred are sent again later, the very same: which copy comes first is Kafka's affair.
    events = [event(number, f"2026-03-04T10:00:{number % 60:02d}Z") for number in range(5000, 5500)]
    platform.send(events[:300])
    savepoints = {name: Path(platform.dmp("stop", name).split()[-1]) for name in ("pipeline", "alerts")}
    platform.send(events[200:])
    others = platform.cluster.running()
    assert "jobs/all.py" in platform.dmp("submit", "all")
    assert others.items() < platform.cluster.running().items(), "those that ran were disturbed"
    assert {name: platform.restored(name) for name in savepoints} == savepoints
    platform.assert_exact()
    clean = [json.loads(message.value)["message_id"] for message in platform.topic("dmp.events.clean")]
    assert len(clean) == len(set(clean))


def test_a_job_whose_savepoint_cannot_be_written_says_why_and_runs_on_while_others_stop(platform: Platform) -> None:
    folder = platform.stack.config.stack.data_dir / "flink" / "savepoints" / "index"
    folder.mkdir(parents=True, exist_ok=True)
    away = folder.with_name("away")
    folder.rename(away)
    folder.touch()
    try:
        result = platform.stack.dmp("stop", "index", "alerts")
    finally:
        folder.unlink()
        away.rename(folder)
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("dmp: flink could not stop index: ") and str(folder) in line
    assert result.stdout.startswith("alerts stopped, savepoint ") and len(result.stdout.splitlines()) == 1
    running = platform.cluster.running()
    assert "index" in running and "alerts" not in running
    platform.dmp("submit", "alerts")


@pytest.mark.parametrize(
    ("jobs", "advice"),
    [("pipeline", "dmp stop pipeline"), ("clean", "dmp stop pipeline"), ("recommend index", "dmp stop index")],
)
def test_a_job_that_runs_is_not_submitted_twice(platform: Platform, jobs: str, advice: str) -> None:
    result = platform.stack.dmp("submit", *jobs.split())
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert advice in result.stderr


@pytest.mark.last  # four jobs instead of one leave no room on the cluster for those of other tests
def test_the_jobs_of_the_pipeline_on_their_own_come_to_the_same(platform: Platform) -> None:
    platform.dmp("stop", "pipeline")
    platform.forget("dmp.events.clean")  # they begin at the first event: else each would stand there twice
    platform.dmp("submit", "clean", "identity", "metrics", "profiles")
    platform.send([event(6000 + i, f"2026-03-05T10:00:{i % 60:02d}Z") for i in range(400)])
    platform.assert_exact()
