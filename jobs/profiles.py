"""Job `profiles`: events of dmp.events.clean and dmp.identities -> one live document for each person, dmp.profiles."""

from __future__ import annotations

from dmp.core.cleaning import MAX_TRAITS
from jobs import upstream
from jobs.job import Job, program
from schemas.topics import PROFILES


def build(job: Job) -> None:
    """Register the insert; the job has views `events` and `persons`."""
    job.table(PROFILES)
    job.script("profiles.sql", max_traits=str(MAX_TRAITS))


def build_from_topic(job: Job) -> None:
    """The same on its own, behind separate jobs `clean` and `identity`."""
    upstream.events(job)
    upstream.persons(job)
    build(job)


main = program("profiles", build_from_topic)

if __name__ == "__main__":
    main()
