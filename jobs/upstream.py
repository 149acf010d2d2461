"""Views over what other jobs wrote, for a job that runs on its own."""

from __future__ import annotations

from jobs.job import Job
from schemas.topics import EVENTS_CLEAN, IDENTITIES


def events(job: Job) -> None:
    """Register the view `events` over what the job `clean` wrote."""
    job.table(EVENTS_CLEAN)
    job.view("events", "SELECT * FROM events_clean")


def persons(job: Job) -> None:
    """Register the view `persons` over what the job `identity` wrote."""
    job.table(IDENTITIES)
    job.view("persons", "SELECT type, id, profile_id FROM identities")
