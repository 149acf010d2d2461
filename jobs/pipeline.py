"""Job `pipeline`: everything from raw events to profiles in one statement set; each event is read and cleaned once.

Persons are planned as if they came from dmp.identities: in one piece with identity's forty views, each of the queries
that join them would hold a copy of all of these, and planning would take minutes. The plan then lets them have what
identity sends there.
"""

from __future__ import annotations

from jobs import clean, commands, identity, merges, metrics, profiles, upstream, watch
from jobs.job import Job, program


def build(job: Job) -> None:
    """Compose the builders of the jobs."""
    clean.build(job)
    commands.build(job)
    commands.build_rejects(job)
    identity.build(job)
    merges.build(job)
    watch.build(job)
    upstream.persons(job)
    metrics.build(job)
    profiles.build(job)


main = program("pipeline", build)

if __name__ == "__main__":
    main()
