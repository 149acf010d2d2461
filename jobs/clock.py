"""Time as tables, for a job whose results change without an event: views `clock` and `hours`.

Joined with these, rows are worked out anew when it is time to, and not all at once. Running, they follow the wall
clock; stopped, they make what depends on them a function of the events.
"""

from __future__ import annotations

from typing import Optional

from jobs.job import Job

SHARES = " ".join(f"{number:02x}" for number in range(256))
SLOTS = " ".join(map(str, range(720)))


def running(job: Job, refresh_seconds: int) -> None:
    """Follow the wall clock: each share of the persons has its turn once in `refresh_seconds`, one after the other."""
    job.sql(
        "CREATE TABLE seconds (tick BIGINT) "
        "WITH ('connector' = 'datagen', 'rows-per-second' = '1', 'scan.parallelism' = '1')"
    )
    job.view("ticks", "SELECT UNIX_TIMESTAMP() * 1000 AS now_ms FROM seconds")
    period = refresh_seconds * 1000
    turn = f"now_ms * 256 / {period}"
    # The last turn that was this share's: the greatest that leaves its number when divided by 256.
    _script(job, f"({turn} - MOD({turn} - number, 256)) * {period} / 256")


def stopped(job: Job, at_ms: Optional[int]) -> None:
    """Stand still at a moment, epoch milliseconds; when None, at the latest of the job's view `events`."""
    if at_ms is None:
        job.view("ticks", "SELECT MAX(event_ms) AS now_ms FROM events")
    else:
        job.view("ticks", f"SELECT CAST({at_ms} AS BIGINT) AS now_ms")
    _script(job, "now_ms")


def _script(job: Job, moment_ms: str) -> None:
    job.script("clock.sql", moment_ms=moment_ms, shares=SHARES, slots=SLOTS)
