"""From panels to searches, and from answers to tables and charts: the parts that need no Elasticsearch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboards.catalogue import DASHBOARDS
from dashboards.model import AtLeast, Group, Groups, Is, IsNot, Metric, Panel, Ratio, Source, Terms, Time
from dashboards.search import Span, Table, body, query, table
from dashboards.vega import specification
from schemas.topics import METRICS, PROFILES

MINUTE = 60_000
SPAN = Span(0, 15 * MINUTE)
EVENTS = Metric("Events", "sum", "events")
ORDERS = Metric("Orders", "sum", "events", only=(Is("event", "Order Completed"),))
WINDOWS = Source(METRICS)


def answer(aggregations: dict[str, Any], found: int = 1) -> dict[str, Any]:
    return {"hits": {"total": {"value": found}}, "aggregations": aggregations}


def amount(value: float | None, count: int = 1) -> dict[str, Any]:
    return {"doc_count": count, "value": {"value": value}}


@pytest.mark.parametrize(
    ("minutes", "step"),
    [(1, 10), (15, 20), (60, 60), (360, 600), (1440, 1800), (7 * 1440, 3 * 3600), (10**7, 365 * 86_400)],
)
def test_a_time_range_has_some_sixty_buckets(minutes: int, step: int) -> None:
    assert Span(0, minutes * MINUTE).step == step


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Is("event", "a", "b"), {"terms": {"event": ["a", "b"]}}),
        (Is("consent.marketing", True), {"terms": {"consent.marketing": [True]}}),
        (IsNot("campaign", ""), {"bool": {"must_not": {"term": {"campaign": ""}}}}),
        (AtLeast("orders", 2), {"range": {"orders": {"gte": 2}}}),
    ],
)
def test_filters_as_queries(condition: Any, expected: dict[str, Any]) -> None:
    assert query(condition) == expected


def test_time_and_choices_and_filters_restrict_the_search() -> None:
    panel = Panel("P", "number", WINDOWS, "", values=(EVENTS,), filters=(IsNot("campaign", ""),))
    conditions = body(panel, SPAN, {"channel": "web"})["query"]["bool"]["filter"]
    assert conditions == [
        {"range": {"@timestamp": {"gte": 0, "lt": 15 * MINUTE, "format": "epoch_millis"}}},
        {"bool": {"must_not": {"term": {"campaign": ""}}}},
        {"terms": {"channel": ["web"]}},
    ]


def test_a_source_without_time_is_searched_whole() -> None:
    panel = Panel("P", "number", Source(PROFILES, time=None), "", values=(Metric("Persons", "count"),))
    assert body(panel, SPAN, {})["query"]["bool"]["filter"] == []


def test_the_lines_of_a_time_chart_are_the_greatest_of_the_whole_time() -> None:
    panel = Panel("P", "line", WINDOWS, "", by=(Time(), Terms("channel", "Channel", 3)), values=(EVENTS,))
    outer = body(panel, SPAN, {})["aggs"]["by"]
    assert outer["terms"]["size"] == 3
    assert outer["terms"]["order"][0] == {"m0>value": "desc"}
    assert "date_histogram" in outer["aggs"]["by"]


def test_rows_come_in_the_order_of_the_panels_buckets() -> None:
    panel = Panel("P", "line", WINDOWS, "", by=(Time(), Terms("channel", "Channel", 3)), values=(EVENTS,))
    moments = [{"key": 0, "m0": amount(1.0)}, {"key": 20_000, "m0": amount(2.0)}]
    found = table(panel, answer({"by": {"buckets": [{"key": "web", "by": {"buckets": moments}}]}}))
    assert [column.title for column in found.columns] == ["Time", "Channel", "Events"]
    assert list(found.rows) == [[0, "web", 1.0], [20_000, "web", 2.0]]
    assert not found.empty


def test_ratios_and_the_names_of_groups() -> None:
    groups = Groups("Who", (Group("all"), Group("few", (AtLeast("events", 2),))))
    panel = Panel("P", "table", WINDOWS, "", by=(groups,), values=(EVENTS, Ratio("Share", ORDERS, EVENTS)))
    buckets = [
        {"m0": amount(8.0), "m1": amount(2.0), "m2": amount(8.0)},
        {"m0": amount(0.0), "m1": amount(0.0), "m2": amount(0.0)},
    ]
    assert list(table(panel, answer({"by": {"buckets": buckets}})).rows) == [["all", 8.0, 0.25], ["few", 0.0, None]]


def test_a_missing_name_is_called_as_in_kibana() -> None:
    panel = Panel("P", "bars", WINDOWS, "", by=(Terms("channel", "Channel"),), values=(EVENTS,))
    found = table(panel, answer({"by": {"buckets": [{"key": "", "m0": amount(1.0)}]}}))
    assert found.rows == [["(empty)", 1.0]]


def test_zero_is_something_and_nothing_is_empty() -> None:
    number = Panel("N", "number", WINDOWS, "", values=(EVENTS,))
    assert not table(number, answer({"m0": amount(0.0, 0)}, found=0)).empty
    assert table(number, answer({"m0": amount(None, 0)}, found=0)).empty
    line = Panel("L", "line", WINDOWS, "", by=(Time(),), values=(EVENTS,))
    zeros = answer({"by": {"buckets": [{"key": 0, "m0": amount(0.0)}]}})
    assert not table(line, zeros).empty
    assert table(line, {**zeros, "hits": {"total": {"value": 0}}}).empty
    bars = Panel("B", "bars", WINDOWS, "", by=(Terms("channel", "Channel"),), values=(EVENTS,))
    assert table(bars, answer({"by": {"buckets": []}})).empty


def test_documents_show_their_fields_also_within_objects() -> None:
    source = Source(PROFILES)
    panel = Panel("D", "documents", source, "", columns=("last_seen", "first_touch.campaign", "email"))
    hit = {"_source": {"last_seen": "2026-01-01T00:00:00Z", "first_touch": {"campaign": "brand"}, "email": None}}
    found = table(panel, {"hits": {"total": {"value": 1}, "hits": [hit]}})
    assert list(found.rows) == [["2026-01-01T00:00:00Z", "brand", None]]


def test_several_values_become_series_of_one_chart() -> None:
    panel = Panel("P", "line", WINDOWS, "", by=(Time(),), values=(EVENTS, ORDERS))
    found = table(panel, answer({"by": {"buckets": [{"key": 0, "m0": amount(3.0), "m1": amount(1.0)}]}}))
    chart = specification(panel, found, SPAN)
    assert chart is not None
    assert [(mark["series"], mark["y"]) for mark in chart["data"]["values"]] == [("Events", 3.0), ("Orders", 1.0)]


def test_every_chart_is_a_specification_without_addresses_but_its_schema() -> None:
    for panel in (panel for dashboard in DASHBOARDS for panel in dashboard.panels):
        chart = specification(panel, _rows(len(panel.by) + len(panel.values)), SPAN)
        assert (chart is None) == (panel.kind in ("number", "table", "documents"))
        assert json.dumps(chart).count("http") == (chart is not None)


def _rows(width: int) -> Table:
    return Table([], [[0] * width], empty=False)
