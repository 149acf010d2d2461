"""What panels of several dashboards have in common: indices with their time, names of events, often used numbers."""

from __future__ import annotations

from dashboards.model import Control, Is, IsNot, Metric, Source
from schemas.topics import METRICS, PROFILES, QUALITY

WINDOWS = Source(METRICS)
PERSONS_SEEN = Source(PROFILES)  # whose last event is within the time range
PERSONS_NEW = Source(PROFILES, time="first_seen")
PERSONS = Source(PROFILES, time=None)
MEASURES = Source(QUALITY)

VIEWED = Is("event", "Product Viewed")
ADDED = Is("event", "Product Added")
CHECKOUT = Is("event", "Checkout Started")
ORDERED = Is("event", "Order Completed")
IN_CAMPAIGN = IsNot("campaign", "")
ONLINE = Is("channel", "web", "app")

EVENTS = Metric("Events", "sum", "events")
REVENUE = Metric("Revenue", "sum", "revenue", unit="money")
ORDERS = Metric("Orders", "sum", "events", only=(ORDERED,))

CHANNEL = Control("channel", "Channel", WINDOWS)
CAMPAIGN = Control("campaign", "Campaign", WINDOWS)


def measured(title: str, measure: str) -> Metric:
    """The sum of one measure of dmp.quality."""
    return Metric(title, "sum", "value", only=(Is("measure", measure),))
