"""Segments: how large they are, who enters and leaves and why; clusters of the model; RFM scores; recommendations."""

from __future__ import annotations

from dashboards.model import Dashboard, Is, Metric, Panel, Source, Terms, Time
from schemas.topics import CLUSTERS, RECOMMENDATIONS, RFM, SEGMENT_CHANGES, SEGMENT_SIZES, SEGMENTS

MEMBERS = Source(SEGMENTS, time=None)
SIZES = Source(SEGMENT_SIZES)
CHANGES = Source(SEGMENT_CHANGES)
CLUSTERED = Source(CLUSTERS, time=None)
SCORED = Source(RFM, time=None)
RECOMMENDED = Source(RECOMMENDATIONS, time=None)

SEGMENT = Terms("segment", "Segment", 15)
PERSONS = Metric("Persons", "count")
ENTERED = Metric("Entered", "count", only=(Is("change", "entered"),))
LEFT = Metric("Left", "count", only=(Is("change", "left"),))

NUMBERS = (
    Panel("Segments with members", "number", MEMBERS, "Segments that somebody is in now.",
          values=(Metric("Segments", "unique_count", "segment"),)),
    Panel("Persons in segments", "number", MEMBERS, "Persons who are in at least one segment now, about.",
          values=(Metric("Persons", "unique_count", "profile_id"),), leads_to="people"),
    Panel("Entered", "number", CHANGES, "Persons who entered a segment in the time range.", values=(ENTERED,)),
    Panel("Left", "number", CHANGES, "Persons who left a segment in the time range.", values=(LEFT,)),
)  # fmt: skip

SIZE = (
    Panel(
        "Sizes of segments", "bars", MEMBERS, "How many persons are in each segment now.",
        by=(SEGMENT,), values=(PERSONS,), leads_to="people",
    ),
    Panel(
        "Sizes over time", "line", SIZES, "Members of the six largest segments whenever a size changed.",
        by=(Time(), Terms("segment", "Segment", 6)), values=(Metric("Members", "max", "members"),),
    ),
)  # fmt: skip

FLOWS = (
    Panel(
        "Entered and left", "line", CHANGES, "Persons who entered and left any segment.",
        by=(Time(),), values=(ENTERED, LEFT),
    ),
    Panel(
        "Flows by segment", "table", CHANGES, "Persons who entered and left each segment in the time range.",
        by=(SEGMENT,), values=(ENTERED, LEFT),
    ),
    Panel(
        "Why segments changed", "bars", CHANGES,
        "event: something happened. merge: persons joined or parted. time: it passed. rule: the condition changed.",
        by=(Terms("because", "Because of", 5),), values=(Metric("Changes", "count"),),
    ),
)  # fmt: skip

MODELS = (
    Panel(
        "Clusters", "bars", CLUSTERED, "How many persons the model puts into each cluster.",
        by=(Terms("cluster", "Cluster", 20, type="number"),), values=(PERSONS,),
    ),
    Panel(
        "Versions of the model", "table", CLUSTERED, "By which version of the model persons are clustered now.",
        by=(Terms("model", "Model", 5),), values=(PERSONS,),
    ),
    Panel(
        "RFM scores", "table", SCORED, "Buyers by how recent and how frequent their orders are; 5 is best.",
        by=(Terms("recency", "Recency", 5, type="number"), Terms("frequency", "Frequency", 5, type="number")),
        values=(PERSONS, Metric("Monetary", "average", "monetary")),
    ),
)  # fmt: skip

ITEMS = (
    Panel(
        "Recommended items", "bars", RECOMMENDED, "The items that are recommended to the most persons.",
        by=(Terms("items", "Item", 15),), values=(PERSONS,),
    ),
    Panel(
        "Because of", "bars", RECOMMENDED, "The items that persons saw and that most recommendations come from.",
        by=(Terms("because_of", "Item", 15),), values=(PERSONS,),
    ),
)  # fmt: skip

LATEST = (
    Panel(
        "Latest changes", "documents", CHANGES, "Who entered or left which segment, and why.",
        columns=("at", "change", "segment", "profile_id", "because"),
    ),
)  # fmt: skip

DASHBOARD = Dashboard(
    "audiences",
    "Audiences",
    "Segments and their sizes, who enters and leaves them and why, clusters, RFM scores and recommended items.",
    rows=(NUMBERS, SIZE, FLOWS, MODELS, ITEMS, LATEST),
    range="1h",
)
