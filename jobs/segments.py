"""Job `segments`: profiles and purchases -> who is in which segment of segments.yaml, now and as time passes; RFM
scores; and the cluster that the published model puts each person into."""

from __future__ import annotations

from dmp.core.clusters import FEATURES
from dmp.core.segments import Rules, Scores
from dmp.segments import load_rules
from jobs import clock, upstream
from jobs.job import Job, program
from schemas.tables import create_results_table
from schemas.topics import (
    CLUSTER_MODELS,
    CLUSTERS,
    MEMBERSHIPS,
    PROFILES,
    RFM,
    SEGMENT_CHANGES,
    SEGMENT_SIZES,
    SEGMENTS,
)
from udfs.clusters import score_profile


def build(job: Job) -> None:
    """Register the inserts."""
    rules = load_rules(job.config)
    upstream.events(job)
    upstream.persons(job)
    job.table(PROFILES, MEMBERSHIPS, SEGMENTS, SEGMENT_CHANGES, SEGMENT_SIZES, RFM)
    clock.running(job, job.config.segments.refresh_seconds)
    judge(job, rules)
    job.sql(create_results_table((MEMBERSHIPS,), job.config.kafka, job.name))
    counts = ",\n".join(f"    COUNT(*) FILTER (WHERE in_{it.name}) > 0 AS in_{it.name}" for it in rules.segments)
    job.script("segments_results.sql", names=names(rules), counts=counts, rules=rules.version)
    build_clusters(job)


def judge(job: Job, rules: Rules) -> None:
    """Register the view `judged`; the job has `events`, `persons`, `profiles`, `clock` and `hours`."""
    conditions = ",\n".join(f"  ({it.condition}) IS TRUE AS in_{it.name}" for it in rules.segments)
    job.script("segments.sql", conditions=conditions, scores=_scores(rules.rfm))


def build_clusters(job: Job) -> None:
    """Register the insert of clusters alone."""
    job.table(PROFILES, CLUSTER_MODELS, CLUSTERS)
    job.function("score_profile", score_profile())
    features = ", ".join(f"CAST(profile.{path} AS DOUBLE) AS {name}" for name, path in FEATURES.items())
    job.script("clusters.sql", features=features, names=", ".join(FEATURES), shares=clock.SHARES)


def names(rules: Rules) -> str:
    """SQL of the names, with spaces between, of the segments whose column `in_NAME` is true."""
    cases = ",\n".join(f"    CASE WHEN in_{it.name} THEN '{it.name}' END" for it in rules.segments)
    return f"CONCAT_WS(' ',\n{cases}\n  )"


def _scores(limits: Scores) -> str:
    """SQL of the three scores. The more recent the better; of orders and revenue, the more."""
    recency, frequency, monetary = limits.recency_days, limits.frequency_orders, limits.monetary_revenue
    columns = {
        "recency": [f"WHEN days_since_order < {limit} THEN {5 - i}" for i, limit in enumerate(recency)],
        "frequency": [f"WHEN orders >= {limit} THEN {5 - i}" for i, limit in enumerate(reversed(frequency))],
        "monetary": [f"WHEN revenue >= {limit} THEN {5 - i}" for i, limit in enumerate(reversed(monetary))],
    }
    scores = {name: f"CASE {' '.join(cases)} ELSE 1 END" for name, cases in columns.items()}
    return ",\n".join(f"  CASE WHEN orders > 0 THEN {score} END AS {name}" for name, score in scores.items())


main = program("segments", build)

if __name__ == "__main__":
    main()
