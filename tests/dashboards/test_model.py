"""What a definition refuses, and where its panels stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboards.catalogue import DASHBOARDS
from dashboards.model import GRID, Dashboard, Groups, Is, Metric, Panel, Ratio, Source, Terms, Time
from schemas.topics import METRICS

WINDOWS = Source(METRICS)
EVENTS = Metric("Events", "sum", "events")
SHARE = Ratio("Share", EVENTS, EVENTS)
NUMBER = Panel("Events", "number", WINDOWS, "", values=(EVENTS,))
LINES = Panel("By channel", "line", WINDOWS, "", by=(Time(), Terms("channel", "Channel")), values=(EVENTS,))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"by": ()}, "1 to 2 buckets"),
        ({"by": (Time(), Time(), Time())}, "1 to 2 buckets"),
        ({"values": ()}, "every other panel has values"),
        ({"columns": ("at",)}, "documents have columns"),
        ({"kind": "documents", "by": (), "values": ()}, "documents have columns"),
        ({"kind": "heatmap", "values": (EVENTS, EVENTS)}, "one value"),
        ({"values": (EVENTS, EVENTS)}, "split by colour"),
        ({"values": (SHARE,)}, "must be a metric"),
        ({"source": Source(METRICS, time=None)}, "without time"),
    ],
)
def test_a_panel_that_cannot_be_drawn_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(LINES, **changes)  # type: ignore[arg-type]


def test_a_metric_without_its_field_and_a_filter_without_values_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a field"):
        Metric("Sum", "sum")
    with pytest.raises(ValueError, match="count has none"):
        Metric("Count", "count", "events")
    with pytest.raises(ValueError, match="nothing"):
        Is("event")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (((NUMBER, NUMBER),), "same title"),
        (((NUMBER, LINES),), "differ in height"),
        (((NUMBER, *(replace(NUMBER, title=str(n)) for n in range(6))),), "48 wide"),
    ],
)
def test_a_dashboard_that_cannot_be_laid_out_is_refused(rows: tuple[tuple[Panel, ...], ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Dashboard("d", "D", "", rows)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.id)
def test_panels_fill_the_grid_without_gap_or_overlap(dashboard: Dashboard) -> None:
    cells = [
        (column, row)
        for panel, x, y, width in dashboard.placed()
        for column in range(x, x + width)
        for row in range(y, y + panel.height)
    ]
    height = max(row for _, row in cells) + 1
    assert sorted(cells) == [(column, row) for column in range(GRID) for row in range(height)]


def test_there_are_the_dashboards_that_people_were_promised_and_all_links_lead_to_one() -> None:
    ids = {dashboard.id for dashboard in DASHBOARDS}
    assert {"traffic", "funnel", "people", "audiences", "quality", "operations"} == ids
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            assert panel.leads_to in ids - {dashboard.id} | {""}, panel.title


def test_every_panel_says_what_it_shows() -> None:
    for dashboard in DASHBOARDS:
        assert dashboard.help
        assert all(panel.help for panel in dashboard.panels)


def test_groups_have_different_names() -> None:
    for dashboard in DASHBOARDS:
        for bucket in (bucket for panel in dashboard.panels for bucket in panel.by if isinstance(bucket, Groups)):
            titles = [group.title for group in bucket.groups]
            assert len(set(titles)) == len(titles)
