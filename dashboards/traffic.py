"""What is happening now: events, persons and revenue, by channel, event and campaign."""

from __future__ import annotations

from dashboards.model import Dashboard, Metric, Panel, Terms, Time
from dashboards.sources import (
    CAMPAIGN,
    CHANNEL,
    EVENTS,
    IN_CAMPAIGN,
    ORDERS,
    PERSONS_SEEN,
    REVENUE,
    WINDOWS,
)

NUMBERS = (
    Panel("Events", "number", WINDOWS, "Clean events that happened in the time range.", values=(EVENTS,)),
    Panel(
        "Active persons", "number", PERSONS_SEEN, "Persons whose latest event is in the time range.",
        values=(Metric("Persons", "count"),), leads_to="people",
    ),
    Panel("Orders", "number", WINDOWS, "Orders completed.", values=(ORDERS,), leads_to="funnel"),
    Panel("Revenue", "number", WINDOWS, "Sum of the revenue of all events.", values=(REVENUE,)),
)  # fmt: skip

OVER_TIME = (
    Panel(
        "Events by channel", "columns", WINDOWS, "When events happened, and where they came from.",
        by=(Time(), Terms("channel", "Channel", 6)), values=(EVENTS,), leads_to="quality",
    ),
    Panel(
        "Revenue by channel", "columns", WINDOWS, "Revenue when it was made.",
        by=(Time(), Terms("channel", "Channel", 6)), values=(REVENUE,), leads_to="funnel",
    ),
)  # fmt: skip

WHO_AND_WHAT = (
    Panel(
        "Persons in a window", "line", WINDOWS,
        "Different persons in one window, channel and campaign, on average, for the commonest events.",
        by=(Time(), Terms("event", "Event", 5)), values=(Metric("Persons", "average", "persons"),), leads_to="people",
    ),
    Panel(
        "Commonest events", "bars", WINDOWS, "Names of track events; for others the type.",
        by=(Terms("event", "Event", 10),), values=(EVENTS,),
    ),
)  # fmt: skip

WHERE_FROM = (
    Panel(
        "Campaigns", "table", WINDOWS, "The ten campaigns with most events.",
        by=(Terms("campaign", "Campaign", 10),), values=(EVENTS, ORDERS, REVENUE), filters=(IN_CAMPAIGN,),
        leads_to="funnel",
    ),
    Panel(
        "Channels", "table", WINDOWS, "Events, orders and revenue of each channel; empty: none was named.",
        by=(Terms("channel", "Channel", 6),),
        values=(EVENTS, ORDERS, REVENUE, Metric("Late", "sum", "late")), leads_to="funnel",
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    "traffic",
    "Traffic now",
    "Events, persons and revenue in windows of event time, by channel, event and campaign.",
    rows=(NUMBERS, OVER_TIME, WHO_AND_WHAT, WHERE_FROM),
    controls=(CHANNEL, CAMPAIGN),
)
