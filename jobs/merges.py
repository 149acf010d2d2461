"""Part of job `identity`: dmp.identities and dmp.refused, read back as logs -> dmp.merges, a row for each decision."""

from __future__ import annotations

from jobs.job import Job
from schemas.tables import create_results_table
from schemas.topics import IDENTITIES, MERGES, REFUSED


def build(job: Job) -> None:
    """Register the insert; the job has the view `erased`."""
    job.table(MERGES)
    job.sql(create_results_table((IDENTITIES, REFUSED), job.config.kafka, job.name))
    job.script("merges.sql")
