"""Every topic of the platform, once: its Kafka name, SQL table, kind and Elasticsearch alias.

Jobs, the SQL client, the index job, the set-up and the tests read names from here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

DAY_MS = 24 * 60 * 60 * 1000
FOREVER = -1  # a retention


@dataclass(frozen=True)
class Topic:
    """One Kafka topic.

    `table` names the SQL table, whose columns stand in `tables/<table>.sql`.
    `kind`: `raw` keeps bytes untouched, `append` is a log of JSON rows, `upsert` holds the latest row of each key.
    `key` names the columns of the message key (for `upsert` the primary key, for `append` what keeps related rows
    in one partition). `index` is the Elasticsearch alias that the index job fills, if any; fields in `not_indexed`
    stay in Kafka because they may hold personal data, and those in `json_objects`, which hold JSON text in Kafka, are
    objects there.
    """

    name: str
    table: str
    kind: Literal["raw", "append", "upsert"]
    key: tuple[str, ...] = ()
    index: Optional[str] = None
    not_indexed: tuple[str, ...] = ()
    json_objects: tuple[str, ...] = ()
    retention_ms: int = 7 * DAY_MS


EVENTS_RAW = Topic("dmp.events.raw", "events_raw", "raw")
EVENTS_CLEAN = Topic("dmp.events.clean", "events_clean", "append", key=("subject_id",))
EVENTS_REJECTED = Topic(
    "dmp.events.rejected",
    "events_rejected",
    "append",
    index="dmp-events-rejected",
    not_indexed=("raw",),
    retention_ms=30 * DAY_MS,
)
COMMANDS = Topic("dmp.commands", "commands_raw", "raw", retention_ms=FOREVER)
COMMANDS_REJECTED = Topic(
    "dmp.commands.rejected",
    "commands_rejected",
    "append",
    index="dmp-commands-rejected",
    not_indexed=("raw",),
    retention_ms=30 * DAY_MS,
)
IDENTITIES = Topic("dmp.identities", "identities", "upsert", key=("type", "id"), index="dmp-identities")
REFUSED = Topic("dmp.refused", "refused", "upsert", key=("a", "b"), index="dmp-refused")
MERGES = Topic("dmp.merges", "merges", "upsert", key=("change",), index="dmp-merges")
METRICS = Topic(
    "dmp.metrics", "metrics", "upsert", key=("window_start", "channel", "event", "campaign"), index="dmp-metrics"
)
PROFILES = Topic(
    "dmp.profiles", "profiles", "upsert", key=("profile_id",), index="dmp-profiles", json_objects=("traits",)
)
ERASURES = Topic("dmp.erasures", "erasures", "append", index="dmp-erasures", retention_ms=FOREVER)
QUALITY = Topic("dmp.quality", "quality", "upsert", key=("window_start", "measure", "label"), index="dmp-quality")
MEMBERSHIPS = Topic("dmp.memberships", "memberships", "upsert", key=("profile_id",))
SEGMENTS = Topic("dmp.segments", "segments", "upsert", key=("segment", "profile_id"), index="dmp-segments")
SEGMENT_CHANGES = Topic("dmp.segment_changes", "segment_changes", "append", key=("profile_id",),
                        index="dmp-segment-changes", retention_ms=FOREVER)
SEGMENT_SIZES = Topic("dmp.segment_sizes", "segment_sizes", "upsert", key=("window_start", "segment"),
                      index="dmp-segment-sizes")
RFM = Topic("dmp.rfm", "rfm", "upsert", key=("profile_id",), index="dmp-rfm")
CLUSTER_MODELS = Topic("dmp.cluster_models", "cluster_models", "upsert", key=("name",))
CLUSTERS = Topic("dmp.clusters", "clusters", "upsert", key=("profile_id",), index="dmp-clusters")
RELATED_ITEMS = Topic("dmp.related_items", "related_items", "upsert", key=("item",), index="dmp-related-items")
RECOMMENDATIONS = Topic(
    "dmp.recommendations", "recommendations", "upsert", key=("profile_id",), index="dmp-recommendations"
)
ALERTS = Topic("dmp.alerts", "alerts", "upsert", key=("alert_id",), index="dmp-alerts")
VAULT = Topic("dmp.vault", "vault", "upsert", key=("type", "id"))
VAULT_READS = Topic("dmp.vault.reads", "vault_reads", "append", retention_ms=FOREVER)
OPERATIONS = Topic("dmp.operations", "operations", "append", key=("job",), index="dmp-operations")
INDEX_REJECTED = Topic("dmp.index.rejected", "index_rejected", "append", retention_ms=30 * DAY_MS)

TOPICS: tuple[Topic, ...] = (
    EVENTS_RAW, EVENTS_CLEAN, EVENTS_REJECTED, COMMANDS, COMMANDS_REJECTED, IDENTITIES, REFUSED, MERGES, METRICS,
    PROFILES, ERASURES, QUALITY, MEMBERSHIPS, SEGMENTS, SEGMENT_CHANGES, SEGMENT_SIZES, RFM, CLUSTER_MODELS, CLUSTERS,
    RELATED_ITEMS, RECOMMENDATIONS, ALERTS, VAULT, VAULT_READS, OPERATIONS, INDEX_REJECTED,
)  # fmt: skip
INDEXED: tuple[Topic, ...] = tuple(topic for topic in TOPICS if topic.index)

PROFILE_EDITS = "dmp-profile-edits"
"""The one index that no topic fills: edits by people, see connectors/profile_edits.py."""
