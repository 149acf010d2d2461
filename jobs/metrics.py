"""Job `metrics`: events of dmp.events.clean, counted in keyed tumbling event-time windows into dmp.metrics, with the
persons of dmp.identities."""

from __future__ import annotations

from jobs import commands, upstream
from jobs.job import Job, program
from schemas.topics import METRICS, QUALITY


def build(job: Job) -> None:
    """Register the inserts; the job has views `events` (accepted, each once), `persons` and `erased`."""
    job.table(METRICS, QUALITY)
    job.script("metrics.sql")


def build_from_topic(job: Job) -> None:
    """The same on its own, behind separate jobs `clean` and `identity`."""
    upstream.events(job)
    upstream.persons(job)
    commands.build(job)
    build(job)


main = program("metrics", build_from_topic)

if __name__ == "__main__":
    main()
