"""Job `index`: every result topic -> Elasticsearch, with versions from Kafka's offsets."""

from __future__ import annotations

from jobs.job import Job, program
from schemas.tables import create_results_table
from schemas.topics import INDEX_REJECTED, INDEXED
from udfs.indexing import index_document


def build(job: Job) -> None:
    """Register the function that writes and the insert of its dead letter."""
    job.table(INDEX_REJECTED)
    job.sql(create_results_table(INDEXED, job.config.kafka, job.name))
    job.function("index_document", index_document(job.config.elasticsearch, INDEXED))
    job.script("index.sql")


main = program("index", build)

if __name__ == "__main__":
    main()
