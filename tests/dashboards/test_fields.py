"""Definitions name fields that the index templates have, of a type that fits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files

import pytest

from dashboards.catalogue import DASHBOARDS
from dashboards.model import AtLeast, Dashboard, Dates, Filter, Groups, Is, Panel, Terms
from schemas.topics import QUALITY
from tests.dashboards.fields import fields

NUMBERS = {"long", "integer", "double"}
WORDS = {"keyword", "boolean"}

panels = pytest.mark.parametrize(
    "panel",
    [panel for dashboard in DASHBOARDS for panel in dashboard.panels],
    ids=[f"{dashboard.id}-{panel.id}" for dashboard in DASHBOARDS for panel in dashboard.panels],
)


def wanted(panel: Panel) -> Iterator[tuple[str, set[str]]]:
    """Each field of a panel with the types that it may have."""
    if panel.source.time:
        yield panel.source.time, {"date"}
    yield from conditions(panel.filters)
    for metric in panel.metrics:
        yield from conditions(metric.only)
        if metric.operation != "count":
            yield metric.field, NUMBERS | (WORDS if metric.operation == "unique_count" else set())
    for bucket in panel.by:
        if isinstance(bucket, Terms):
            yield bucket.field, WORDS if bucket.type == "string" else NUMBERS
        elif isinstance(bucket, Dates):
            yield bucket.field, {"date"}
        elif isinstance(bucket, Groups):
            for group in bucket.groups:
                yield from conditions(group.filters)


def conditions(filters: Sequence[Filter]) -> Iterator[tuple[str, set[str]]]:
    for condition in filters:
        if isinstance(condition, Is) and all(isinstance(value, bool) for value in condition.values):
            yield condition.field, {"boolean"}
        else:
            yield condition.field, NUMBERS if isinstance(condition, AtLeast) else {"keyword"}


@panels
def test_fields_are_in_the_template(panel: Panel) -> None:
    there = fields(panel.source.topic)
    for name, types in wanted(panel):
        assert there.get(name) in types, name
    for name in panel.columns:
        assert name in there
    if panel.columns:
        assert there[panel.columns[0]] == "date"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.id)
def test_a_control_filters_a_field_that_every_panel_has(dashboard: Dashboard) -> None:
    """Else Kibana would show nothing in the others, and the local page would refuse."""
    for control in dashboard.controls:
        for panel in dashboard.panels:
            assert fields(panel.source.topic).get(control.field) == "keyword", (control.field, panel.title)


def test_measures_that_filters_name_are_those_of_the_schema() -> None:
    schema = json.loads(files("schemas").joinpath("json", "quality.schema.json").read_text(encoding="utf-8"))
    known = {name: set(schema["properties"][name]["enum"]) for name in ("measure", "label")}
    for panel in (panel for dashboard in DASHBOARDS for panel in dashboard.panels if panel.source.topic is QUALITY):
        filters = [*panel.filters, *(each for metric in panel.metrics for each in metric.only)]
        for condition in filters:
            assert isinstance(condition, Is)
            assert set(condition.values) <= known[condition.field]
