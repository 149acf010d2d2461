"""Job `vault`: events of dmp.events.raw -> the encrypted original of each e-mail and phone, dmp.vault.

Only for those who keep originals. A job of its own, which cleans each event once more: so the others cost no more and
keep their state when a key is added or taken away.
"""

from __future__ import annotations

from jobs import commands
from jobs.job import Job, program
from schemas.tables import create_messages_table
from schemas.topics import EVENTS_RAW, VAULT
from udfs.vault import seal_contacts


def build(job: Job) -> None:
    """Register the insert."""
    job.table(EVENTS_RAW)
    job.sql(create_messages_table(VAULT, job.config.kafka, job.name))
    job.function("seal_contacts", seal_contacts(job.config.cleaning_rules()))
    commands.build(job)
    job.script("vault.sql")


main = program("vault", build)

if __name__ == "__main__":
    main()
