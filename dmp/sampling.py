"""How the jobs are doing, read off Flink's REST interface: what `dmp sample` sends to dmp.operations."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, Optional, TypedDict
from urllib.parse import quote

from dmp.core.timestamps import rfc3339
from dmp.errors import UserError
from dmp.jobs import ALL, Cluster
from dmp.stack.server import get_json

ATTEMPTS, PAUSE_SECONDS = 10, 0.3
STOPPED = "STOPPED"
UNREACHABLE = "UNREACHABLE"

# Names of Flink's metrics, with the operator's name in front.
READ_RATE = re.compile(r"Source__.*\.numRecordsInPerSecond")
LAG = re.compile(r"Source__.*\.pendingRecords")
REFUSED = re.compile(r"index_rejected.*__Writer\.numRecordsSend")

class Sample(TypedDict):
    """A row of dmp.operations; see schemas/tables/operations.sql."""

    at: str
    job: str
    state: str
    records_per_second: Optional[float]
    lag: Optional[int]
    restarts: Optional[int]
    checkpoints_failed: Optional[int]
    checkpoint_ms: Optional[int]
    checkpoint_bytes: Optional[int]
    checkpoint_age_ms: Optional[int]
    index_rejected: Optional[int]


def take_samples(cluster: Cluster, now_ms: int) -> list[Sample]:
    """One row for each job that runs, and for each that `dmp submit all` would run."""
    try:
        running = cluster.running()
    except UserError:
        return [{**_sample(cluster.rest, name, None, now_ms), "state": UNREACHABLE} for name in ALL]
    return [_sample(cluster.rest, name, running.get(name), now_ms) for name in sorted({*ALL, *running})]


def _sample(rest: str, name: str, job_id: Optional[str], now_ms: int) -> Sample:
    url = f"{rest}/jobs/{job_id}"
    job = (job_id and get_json(url)) or {}
    checkpoints = (job_id and get_json(f"{url}/checkpoints")) or {}
    restarts = (job_id and get_json(f"{url}/metrics?get=numRestarts")) or []
    latest = checkpoints.get("latest", {}).get("completed") or {}
    metrics = list(_metrics(url, job))
    return {
        "at": rfc3339(now_ms),
        "job": name,
        "state": job.get("state", STOPPED),
        "records_per_second": _total(metrics, READ_RATE),
        "lag": _whole(_total(metrics, LAG)),
        "restarts": _whole(next((float(metric["value"]) for metric in restarts), None)),
        "checkpoints_failed": checkpoints.get("counts", {}).get("failed"),
        "checkpoint_ms": latest.get("end_to_end_duration"),
        "checkpoint_bytes": latest.get("state_size"),
        "checkpoint_age_ms": now_ms - latest["latest_ack_timestamp"] if latest else None,
        "index_rejected": _whole(_total(metrics, REFUSED)),
    }


def _metrics(url: str, job: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Name and sum over subtasks of the metrics of each task that reads from Kafka."""
    for task in job.get("vertices", []):
        if not task["name"].startswith("Source:"):
            continue
        metrics = f"{url}/vertices/{task['id']}/subtasks/metrics"
        wanted = [name for name in _names(metrics) if any(each.fullmatch(name) for each in (READ_RATE, LAG, REFUSED))]
        if wanted:
            for metric in get_json(f"{metrics}?get={quote(','.join(wanted))}&agg=sum") or []:
                yield metric["id"], metric["sum"]


def _names(metrics: str) -> list[str]:
    """Flink gathers metrics only when somebody asks, and answers with what it had before: at first with none."""
    for _ in range(ATTEMPTS):
        names = [metric["id"] for metric in get_json(metrics) or []]
        if names:
            return names
        time.sleep(PAUSE_SECONDS)
    return []


def _total(metrics: Sequence[tuple[str, float]], pattern: re.Pattern[str]) -> Optional[float]:
    found = [amount for name, amount in metrics if pattern.fullmatch(name)]
    return sum(found) if found else None


def _whole(amount: Optional[float]) -> Optional[int]:
    return None if amount is None else round(amount)
