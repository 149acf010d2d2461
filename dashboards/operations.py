"""How the jobs are doing: rates, lag, checkpoints, restarts, documents that Elasticsearch refused; and alerts."""

from __future__ import annotations

from dashboards.model import Dashboard, Is, IsNot, Metric, Panel, Source, Terms, Time
from schemas.topics import ALERTS, OPERATIONS

SAMPLES = Source(OPERATIONS)
INCIDENTS = Source(ALERTS)  # by when they opened
INCIDENTS_NOW = Source(ALERTS, time=None)
JOB = Terms("job", "Job", 10)

RATE = Metric("Events a second", "average", "records_per_second", unit="per second")
LAG = Metric("Lag", "max", "lag")
CHECKPOINT_TIME = Metric("Checkpoint", "max", "checkpoint_ms", unit="milliseconds")
CHECKPOINT_BYTES = Metric("State", "max", "checkpoint_bytes", unit="bytes")
REFUSED = Metric("Refused documents", "max", "index_rejected")
RESTARTS = Metric("Restarts", "max", "restarts")
FAILED = Metric("Failed checkpoints", "max", "checkpoints_failed")
ALERTS_COUNT = Metric("Alerts", "count")
AGE = Metric("Age", "max", "checkpoint_age_ms", unit="milliseconds")

NUMBERS = (
    Panel("Greatest lag", "number", SAMPLES, "Messages in Kafka that a job has not read yet.", values=(LAG,)),
    Panel("Restarts of jobs", "number", SAMPLES, "Of the job with most of them.", values=(RESTARTS,)),
    Panel("Failed checkpoints", "number", SAMPLES, "Of the job with most of them.", values=(FAILED,)),
    Panel("Refused documents", "number", SAMPLES, "By Elasticsearch since job index started: see dmp.index.rejected.",
          values=(REFUSED,), leads_to="quality"),
)  # fmt: skip

FLOW = (
    Panel("Messages read", "line", SAMPLES, "By each job from Kafka, a second.", by=(Time(), JOB), values=(RATE,),
          leads_to="traffic"),
    Panel("Lag", "line", SAMPLES, "Messages in Kafka that a job has not read yet.", by=(Time(), JOB), values=(LAG,)),
)  # fmt: skip

CHECKPOINTS = (
    Panel("Time of checkpoints", "line", SAMPLES, "From trigger to completion, the latest one.",
          by=(Time(), JOB), values=(CHECKPOINT_TIME,)),
    Panel("Size of state", "line", SAMPLES, "Of the latest checkpoint.", by=(Time(), JOB), values=(CHECKPOINT_BYTES,)),
    Panel("Age of the latest checkpoint", "line", SAMPLES, "So much would be done again after a failure.",
          by=(Time(), JOB), values=(AGE,)),
)  # fmt: skip

JOBS = (
    Panel("Jobs", "table", SAMPLES, "Each job and its states in the time range.",
          by=(JOB, Terms("state", "State", 5)),
          values=(Metric("Samples", "count"), LAG, CHECKPOINT_TIME, FAILED, RESTARTS)),
)  # fmt: skip

FOUND = (
    Panel("Open alerts", "bars", INCIDENTS_NOW, "What goes on now, whenever it began.",
          by=(Terms("severity", "Severity", 3),), values=(ALERTS_COUNT,), filters=(Is("status", "open"),)),
    Panel("Alerts over time", "columns", INCIDENTS, "When alerts opened, without those that were withdrawn.",
          by=(Time("Opened"), Terms("severity", "Severity", 3)), values=(ALERTS_COUNT,),
          filters=(IsNot("status", "withdrawn"),)),
    Panel("Alerts by rule", "table", INCIDENTS, "Which rules opened alerts, and how long these lasted at most.",
          by=(Terms("rule", "Rule", 10), Terms("status", "Status", 3)),
          values=(ALERTS_COUNT, Metric("Most windows", "max", "windows"))),
)  # fmt: skip

LATEST = (
    Panel("Latest alerts", "documents", INCIDENTS, "What was found, by when it opened.",
          columns=("opened_at", "severity", "status", "rule", "series", "summary", "resolved_at")),
)  # fmt: skip

DASHBOARD = Dashboard(
    "operations",
    "Operations",
    "Alerts; rates, lag, checkpoints, restarts and refused documents of the jobs, as dmp sample finds them.",
    rows=(NUMBERS, FOUND, FLOW, CHECKPOINTS, JOBS, LATEST),
)
