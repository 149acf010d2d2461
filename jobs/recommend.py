"""Job `recommend`: what people see and order -> which items go together, dmp.related_items, and what each person may
like, dmp.recommendations.

The second half reads what the first wrote back from its topic, as jobs read persons: so it starts from rows that are
committed, and neither half changes more than once in `recommendations.refresh_seconds`.
"""

from __future__ import annotations

from jobs import clock, upstream
from jobs.job import Job, program
from schemas.topics import RECOMMENDATIONS, RELATED_ITEMS
from udfs.recommendations import recommend_items, relate_items

HOUR_MS = 3_600_000


def build(job: Job) -> None:
    """Register the inserts."""
    refresh_seconds = job.config.recommendations.refresh_seconds
    # Nobody waits for these: changes of so long are one. A checkpoint ends mini-batches, so it has to wait, too.
    job.set("table.exec.mini-batch.allow-latency", f"{refresh_seconds} s")
    job.set("execution.checkpointing.interval", f"{refresh_seconds} s")
    upstream.events(job)
    upstream.persons(job)
    clock.running(job, refresh_seconds)
    items(job)
    relate(job)
    recommend(job)


def items(job: Job) -> None:
    """Register the views that both halves begin with; the job has `events` and `ticks`."""
    _script(job, "recommend.sql")


def relate(job: Job) -> None:
    """Register the insert of related items; the job has `persons` and the views of `items`."""
    job.table(RELATED_ITEMS)
    job.function("relate_items", relate_items())
    _script(job, "related_items.sql")


def recommend(job: Job) -> None:
    """Register the insert of recommendations; the job has `persons` and the views of `items`."""
    job.table(RELATED_ITEMS, RECOMMENDATIONS)
    job.function("recommend_items", recommend_items())
    _script(job, "recommendations.sql")


def _script(job: Job, name: str) -> None:
    settings = job.config.recommendations
    job.script(
        name,
        shares=clock.SHARES,
        period_ms=str(settings.period_hours * HOUR_MS),
        periods=str(settings.periods),
        remembered=f"{2 * settings.periods * settings.period_hours} h",
        basket_items=str(settings.basket_items),
        person_items=str(settings.person_items),
    )


main = program("recommend", build)

if __name__ == "__main__":
    main()
