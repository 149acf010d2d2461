"""What came in and what became of it: rejects, duplicates, late events, delays."""

from __future__ import annotations

from dashboards.model import Dashboard, Is, Metric, Panel, Ratio, Source, Terms, Time
from dashboards.sources import MEASURES, measured
from schemas.topics import EVENTS_REJECTED

REJECTS = Source(EVENTS_REJECTED)

RECEIVED = measured("Received", "received")
ACCEPTED = measured("Accepted", "accepted")
REJECTED = measured("Rejected", "rejected")
DUPLICATES = measured("Duplicates", "duplicates")
LATE = measured("Late", "late")
BOTS = measured("Bots", "bots")
VALUE = Metric("Events", "sum", "value")


def _delay(title: str, measure: str, label: str) -> Metric:
    operation = "average" if label == "avg" else "max"
    only = (Is("measure", measure), Is("label", label))
    return Metric(title, operation, "value", only=only, unit="milliseconds")  # type: ignore[arg-type]


COUNTS = (
    Panel("Received", "number", MEASURES, "Everything that arrived.", values=(RECEIVED,)),
    Panel("Accepted", "number", MEASURES, "Became clean events.", values=(ACCEPTED,), leads_to="traffic"),
    Panel("Rejected", "number", MEASURES, "Went to the dead letter.", values=(REJECTED,)),
    Panel("Duplicates", "number", MEASURES, "Had a messageId seen before.", values=(DUPLICATES,)),
)  # fmt: skip

SHARES = (
    Panel("Reject rate", "number", MEASURES, "Rejected of received.", values=(Ratio("Rejected", REJECTED, RECEIVED),)),
    Panel("Duplicate rate", "number", MEASURES, "Duplicates of received.",
          values=(Ratio("Duplicates", DUPLICATES, RECEIVED),)),
    Panel("Late rate", "number", MEASURES, "Behind the watermark, of accepted; they count in their windows.",
          values=(Ratio("Late", LATE, ACCEPTED),)),
    Panel("Bot rate", "number", MEASURES, "Sent by known bots, of accepted.", values=(Ratio("Bots", BOTS, ACCEPTED),)),
)  # fmt: skip

OUTCOMES = (
    Panel(
        "What became of events", "columns", MEASURES, "Received = accepted + rejected + duplicates, when they arrived.",
        by=(Time(),), values=(ACCEPTED, REJECTED, DUPLICATES), leads_to="operations",
    ),
    Panel(
        "Rejected over time", "columns", MEASURES, "Rejected events by reason, when they arrived.",
        by=(Time(), Terms("label", "Reason", 6)), values=(VALUE,), filters=(Is("measure", "rejected"),),
    ),
)  # fmt: skip

REASONS = (
    Panel(
        "Rejected by reason", "bars", MEASURES, "Why events were refused.",
        by=(Terms("label", "Reason", 10),), values=(VALUE,), filters=(Is("measure", "rejected"),),
    ),
    Panel(
        "Flagged by reason", "bars", MEASURES, "Accepted, with something left out or odd.",
        by=(Terms("label", "Flag", 10),), values=(VALUE,), filters=(Is("measure", "flagged"),),
    ),
)  # fmt: skip

DELAYS = (
    Panel(
        "Delay of events", "line", MEASURES, "From when an event happened until it arrived.",
        by=(Time(),),
        values=(_delay("Mean", "event_delay_ms", "avg"), _delay("Greatest", "event_delay_ms", "max")),
    ),
    Panel(
        "Delay of cleaning", "line", MEASURES, "From when an event arrived until it was clean.",
        by=(Time(),),
        values=(_delay("Mean", "cleaning_delay_ms", "avg"), _delay("Greatest", "cleaning_delay_ms", "max")),
        leads_to="operations",
    ),
)  # fmt: skip

LATEST = (
    Panel(
        "Latest rejects", "documents", REJECTS,
        "The dead letter, without the raw bytes: dmp rejected list shows these.",
        columns=("received_at", "reason", "detail", "source_topic", "source_partition", "source_offset"),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    "quality",
    "Data quality",
    "What arrived and what became of it: rejects by reason, duplicates, late events, delays.",
    rows=(COUNTS, SHARES, OUTCOMES, REASONS, DELAYS, LATEST),
)
