"""Job `archive`: dmp.events.clean -> Parquet files, each event in one of them, in folders by date and hour.

Flink makes a file visible when the checkpoint that it belongs to has completed, so checkpoints come as often as files.
"""

from __future__ import annotations

from jobs import upstream
from jobs.job import Job, program
from schemas.tables import create_archive_table
from schemas.topics import EVENTS_CLEAN


def build(job: Job) -> None:
    """Register the insert."""
    archive = job.config.archive
    job.set("execution.checkpointing.interval", f"{archive.roll_seconds} s")
    upstream.events(job)
    job.sql(create_archive_table(archive.path, "default_database"))
    job.script("archive.sql", event_columns=", ".join(job.columns(EVENTS_CLEAN)))


main = program("archive", build)

if __name__ == "__main__":
    main()
