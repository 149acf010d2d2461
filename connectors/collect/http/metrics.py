"""What the HTTP collector counts, in all processes. PROMETHEUS_MULTIPROC_DIR must be set before this is imported."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

EVENTS = Counter("dmp_http_events", "Events that Kafka has acknowledged", ["source"])
REQUESTS = Counter("dmp_http_requests", "Requests of the Tracking API that were answered", ["status"])
REFUSED = Counter("dmp_http_refused", "Requests that were not taken, by reason", ["source", "reason"])
SECONDS = Histogram(
    "dmp_http_request_seconds",
    "From the request's head to the answer, Kafka's acknowledgement included",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
