"""Job `clean`: dmp.events.raw -> dmp.events.clean or dmp.events.rejected, each event into exactly one; dmp.quality."""

from __future__ import annotations

from dmp.geo import open_database
from jobs.job import Job, program
from schemas.topics import EVENTS_CLEAN, EVENTS_RAW, EVENTS_REJECTED, QUALITY
from udfs.cleaning import clean_event

DEDUPLICATION_TTL = "24 h"


def build(job: Job) -> None:
    """Register the view `events`, accepted events each once, and the inserts of the three result topics."""
    cleaning, windows = job.config.cleaning, job.config.windows
    job.table(EVENTS_RAW, EVENTS_CLEAN, EVENTS_REJECTED, QUALITY)
    if cleaning.geo_database:
        open_database(cleaning.geo_database)  # a file that cannot be used is refused here, not in a worker
    job.function("clean_event", clean_event(job.config.cleaning_rules(), windows.seconds * 1000, cleaning.geo_database))
    job.count_ttl = DEDUPLICATION_TTL
    job.script("clean.sql", event_columns=", ".join(job.columns(EVENTS_CLEAN)))
    job.script("quality.sql")


main = program("clean", build)

if __name__ == "__main__":
    main()
