"""Part of job `identity`: signs of trouble with identity -> dmp.quality."""

from __future__ import annotations

from jobs.job import Job
from schemas.topics import IDENTITIES, QUALITY, REFUSED

LARGE_PERSON = 10
"""Identifiers from which on a person is watched: few people have so many, and fewer rows cost less."""


def build(job: Job) -> None:
    """Register the insert; reads what the job itself writes into dmp.identities and dmp.refused."""
    job.table(IDENTITIES, REFUSED, QUALITY)
    job.script("watch.sql", large_person=str(LARGE_PERSON))
