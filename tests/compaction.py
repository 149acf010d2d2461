"""Compaction at once: what Kafka else does within days."""

from __future__ import annotations

AT_ONCE = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "0"}
"""Settings of a compacted topic. A segment ends, and can be compacted, only when something more is written."""
