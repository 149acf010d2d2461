"""From a panel and its table to a Vega-Lite specification; colours and fonts are the page's."""

from __future__ import annotations

from typing import Any, Optional

from dashboards.model import Dates, Panel, Time
from dashboards.search import Cell, Span, Table

Json = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
DATA = "rows"
"""Name of the data in a specification: the page replaces it when it refreshes."""

SHORT = "datum.value < 10000 ? format(datum.value, ',') : format(datum.value, '~s')"
DURATION = (
    "datum.value < 1e4 ? format(datum.value, ',') + ' ms' : "
    "datum.value < 6e5 ? format(datum.value / 1e3, '~r') + ' s' : "
    "datum.value < 1728e5 ? format(datum.value / 36e5, ',.2~f') + ' h' : format(datum.value / 864e5, ',.1~f') + ' d'"
)
AXES: dict[str, Json] = {
    "": {"labelExpr": SHORT},
    "money": {"labelExpr": SHORT},
    "percent": {"format": ".0%"},
    "milliseconds": {"labelExpr": DURATION},
    "bytes": {"labelExpr": "format(datum.value, '~s') + 'B'"},
    "per second": {"labelExpr": f"({SHORT}) + '/s'"},
}
TOOLTIP_FORMATS = {
    "": ",.2~f", "money": ",.2f", "percent": ".1%", "milliseconds": ",.0f", "bytes": ",.0f", "per second": ",.1f",
}  # fmt: skip
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def specification(panel: Panel, table: Table, span: Span) -> Optional[Json]:
    """The chart of a panel with its data, None for kinds that are text."""
    encodings = {
        "line": _over_time,
        "columns": _over_time,
        "bars": _across,
        "heatmap": _heatmap,
    }
    if panel.kind not in encodings:
        return None
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": "container",
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"name": DATA, "values": _long(panel, table, span)},
        **encodings[panel.kind](panel, span),
    }


def _long(panel: Panel, table: Table, span: Span) -> list[Json]:
    """One object for each mark: its number, and x and series with the ends of their times."""
    buckets = len(panel.by)
    marks = []
    for row in table.rows:
        place: Json = {}
        for name, bucket, key in zip(("x", "series"), panel.by, row):
            place[name] = key
            if isinstance(bucket, (Time, Dates)):
                place[f"{name}2"] = _end(key, span)
        for value, number in zip(panel.values, row[buckets:]):
            series = {"series": value.title} if len(panel.values) > 1 else {}
            marks.append({**place, **series, "y": number})
    return marks


def _end(moment: Cell, span: Span) -> int:
    assert isinstance(moment, int)
    return moment + span.step * 1000


def _over_time(panel: Panel, span: Span) -> Json:
    time = {"field": "x", "type": "temporal", "title": None, "axis": _clock(span)}
    encoding: Json = {"x": time, "y": _amount(panel), "tooltip": _tooltip(panel)}
    if len(panel.by) > 1 or len(panel.values) > 1:
        encoding["color"] = {"field": "series", "type": "nominal", "title": None}
    if panel.kind == "columns":
        encoding["x2"] = {"field": "x2"}
        encoding["y"]["stack"] = "zero"
        return {"mark": {"type": "bar", "orient": "vertical"}, "encoding": encoding}
    return {"mark": {"type": "line", "point": {"size": 20}}, "encoding": encoding}


def _across(panel: Panel, _: Span) -> Json:
    name = {"field": "x", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 180}}
    numbers = {"text": {"field": "y", "type": "quantitative", "format": TOOLTIP_FORMATS[panel.values[0].unit]}}
    encoding: Json = {"y": name, "x": _amount(panel), "tooltip": _tooltip(panel)}
    if len(panel.by) > 1 or len(panel.values) > 1:
        color = {"field": "series", "type": "nominal", "title": None}
        return {"mark": {"type": "bar"}, "encoding": {**encoding, "color": color}}
    text = {"mark": {"type": "text", "align": "left", "dx": 4, "clip": False}, "encoding": numbers}
    return {"encoding": encoding, "layer": [{"mark": {"type": "bar"}}, text]}


def _heatmap(panel: Panel, span: Span) -> Json:
    first, second = panel.by
    clock = _clock(span)
    return {
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "x", "type": "temporal", "title": first.title, "axis": clock},
            "x2": {"field": "x2"},
            "y": {"field": "series", "type": "temporal", "title": second.title, "axis": clock},
            "y2": {"field": "series2"},
            "color": {"field": "y", "type": "quantitative", "title": None, "scale": {"type": "sqrt"}},
            "tooltip": [
                _moment("x", first.title), _moment("series", second.title), _number("y", panel),
            ],
        },
    }  # fmt: skip


def _amount(panel: Panel) -> Json:
    """The axis of the numbers; what they count is the panel's title."""
    axis = {**AXES[panel.values[0].unit], "tickCount": 5}
    return {"field": "y", "type": "quantitative", "title": None, "scale": {"zero": True}, "axis": axis}


def _clock(span: Span) -> Json:
    """The axis of time, which says as much of a moment as it needs to."""
    minutes = (span.end - span.start) / 60_000
    days = minutes / 1440
    form = "%H:%M:%S" if minutes <= 10 else "%H:%M" if days <= 2 else "%b %d" if days <= 366 else "%Y-%m"
    return {"format": form, "tickCount": 6, "labelSeparation": 8}


def _tooltip(panel: Panel) -> list[Json]:
    first = panel.by[0]
    lines = [_moment("x", first.title) if isinstance(first, Time) else _text("x", first.title)]
    if len(panel.by) > 1:
        lines.append(_text("series", panel.by[1].title))
    elif len(panel.values) > 1:
        lines.append(_text("series", "Value"))
    return [*lines, _number("y", panel)]


def _moment(field: str, title: str) -> Json:
    return {"field": field, "type": "temporal", "title": title, "format": TIME_FORMAT}


def _text(field: str, title: str) -> Json:
    return {"field": field, "type": "nominal", "title": title}


def _number(field: str, panel: Panel) -> Json:
    title = panel.values[0].title if len(panel.values) == 1 else "Number"
    return {"field": field, "type": "quantitative", "title": title, "format": TOOLTIP_FORMATS[panel.values[0].unit]}
