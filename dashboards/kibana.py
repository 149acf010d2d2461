"""The dashboards as saved objects of Kibana, in the forms that 8.17 knows and every later version migrates.

Written against Kibana's source and real exports; see tests/dashboards/test_kibana.py for what is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from dashboards.catalogue import DASHBOARDS
from dashboards.model import (
    AtLeast,
    Bucket,
    Dashboard,
    Filter,
    Groups,
    Is,
    Metric,
    Panel,
    Ratio,
    Source,
    Terms,
    Time,
    Value,
)

Json = dict[str, Any]
Columns = dict[str, Json]

CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {"dashboard": "10.2.0", "index-pattern": "8.0.0", "search": "8.0.0"}
LAYER = "layer"
LAYER_REFERENCE = f"indexpattern-datasource-layer-{LAYER}"
SEARCH_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
REFRESH_MS = 10_000

FORMATS: dict[str, Optional[Json]] = {
    "": None,
    "money": {"id": "number", "params": {"decimals": 2}},
    "percent": {"id": "percent", "params": {"decimals": 1}},
    "milliseconds": {"id": "number", "params": {"decimals": 0, "suffix": " ms"}},
    "bytes": {"id": "bytes", "params": {"decimals": 1}},
    "per second": {"id": "number", "params": {"decimals": 1, "suffix": "/s"}},
}
SERIES = {"line": "line", "columns": "bar_stacked", "bars": "bar_horizontal"}


def ndjson() -> str:
    """Every data view, search and dashboard, one JSON object a line: a file that Kibana imports."""
    return "".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n" for each in objects())


def objects() -> Iterator[Json]:
    """The saved objects, what is referred to first."""
    sources = [panel.source for dashboard in DASHBOARDS for panel in dashboard.panels]
    sources += [control.source for dashboard in DASHBOARDS for control in dashboard.controls]
    yield from (_data_view(source) for source in dict.fromkeys(sources))
    for dashboard in DASHBOARDS:
        yield from (_search(dashboard, panel) for panel in dashboard.panels if panel.kind == "documents")
        yield _dashboard(dashboard)


def kql(filters: Sequence[Filter]) -> str:
    """Filters in Kibana's query language."""
    return " and ".join(map(_clause, filters))


def _clause(condition: Filter) -> str:
    if isinstance(condition, AtLeast):
        return f"{condition.field} >= {condition.value:g}"
    if isinstance(condition, Is):
        values = " or ".join(_quoted(value) for value in condition.values)
        return f"{condition.field}: {values}" if len(condition.values) == 1 else f"{condition.field}: ({values})"
    return f"not {condition.field}: {_quoted(condition.value)}"


def _quoted(value: str | bool) -> str:
    return json.dumps(value, ensure_ascii=False)  # KQL quotes as JSON does


def _object(kind: str, identity: str, attributes: Json, references: Iterable[Json] = ()) -> Json:
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": list(references),
        "managed": False,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
    }


def _text(value: Any) -> str:
    """What Kibana keeps as a JSON text within the JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _query(filters: Sequence[Filter] = ()) -> Json:
    return {"query": kql(filters), "language": "kuery"}


# ---- Data views and searches


def view_id(source: Source) -> str:
    """The data view of a source: one for each time field."""
    if source.time == "@timestamp":
        return source.alias
    return f"{source.alias}-by-{source.time.replace('_', '-')}" if source.time else f"{source.alias}-all"


def _data_view(source: Source) -> Json:
    times = {"@timestamp": "", None: ", whatever the time"}
    attributes: Json = {
        # The indices behind the alias: Kibana asks for the fields of a pattern also before there is any index.
        "title": f"{source.alias}-*",
        "name": source.alias + times.get(source.time, f" by {source.time}"),
        "allowNoIndex": True,
    }
    if source.time:
        attributes["timeFieldName"] = source.time
    return _object("index-pattern", view_id(source), attributes)


def _view_reference(name: str, source: Source) -> Json:
    return {"name": name, "type": "index-pattern", "id": view_id(source)}


def _search_id(dashboard: Dashboard, panel: Panel) -> str:
    return f"dmp-{dashboard.id}-{panel.id}"


def _search(dashboard: Dashboard, panel: Panel) -> Json:
    source = {"query": _query(panel.filters), "filter": [], "indexRefName": SEARCH_SOURCE}
    attributes = {
        "title": panel.title,
        "description": panel.help,
        "columns": list(panel.columns),
        "sort": [[panel.source.time, "desc"]],
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(source)},
    }
    reference = _view_reference(SEARCH_SOURCE, panel.source)
    return _object("search", _search_id(dashboard, panel), attributes, [reference])


# ---- Dashboards


def _dashboard(dashboard: Dashboard) -> Json:
    panels, references = [], []
    for panel, x, y, width in dashboard.placed():
        content, needed = _by_reference(dashboard, panel) if panel.kind == "documents" else _by_value(panel)
        grid = {"x": x, "y": y, "w": width, "h": panel.height, "i": panel.id}
        panels.append({**content, "panelIndex": panel.id, "gridData": grid, "title": panel.title})
        references += [{**reference, "name": f"{panel.id}:{reference['name']}"} for reference in needed]
    controls, chosen = _controls(dashboard)
    attributes = {
        "title": dashboard.title,
        "description": dashboard.help,
        "panelsJSON": _text(panels),
        "optionsJSON": _text({"useMargins": True, "syncColors": True, "hidePanelTitles": False}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text({"query": _query(), "filter": []})},
        "timeRestore": True,
        "timeFrom": f"now-{dashboard.range}",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": REFRESH_MS},
        "version": 1,
        **controls,
    }
    return _object("dashboard", f"dmp-{dashboard.id}", attributes, [*references, *chosen])


def _controls(dashboard: Dashboard) -> tuple[Json, list[Json]]:
    if not dashboard.controls:
        return {}, []
    panels = {
        control.field: {
            "type": "optionsListControl",
            "order": order,
            "width": "medium",
            "grow": False,
            "explicitInput": {"id": control.field, "fieldName": control.field, "title": control.title},
        }
        for order, control in enumerate(dashboard.controls)
    }
    ignore = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    group = {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "ignoreParentSettingsJSON": _text(ignore),
        "panelsJSON": _text(panels),
    }
    references = [
        _view_reference(f"controlGroup_{control.field}:optionsListDataView", control.source)
        for control in dashboard.controls
    ]
    return {"controlGroupInput": group}, references


def _by_reference(dashboard: Dashboard, panel: Panel) -> tuple[Json, list[Json]]:
    """A panel that shows a search; its references are still without the panel's name in front."""
    name = f"panel_{panel.id}"
    config, references = _config(panel)
    found = {"name": name, "type": "search", "id": _search_id(dashboard, panel)}
    return {"type": "search", "panelRefName": name, "embeddableConfig": config}, [found, *references]


def _by_value(panel: Panel) -> tuple[Json, list[Json]]:
    """A Lens panel that people can edit; its references are still without the panel's name in front."""
    view = _view_reference(LAYER_REFERENCE, panel.source)
    config, references = _config(panel)
    config["attributes"] = {
        "title": panel.title,
        "type": "lens",
        "visualizationType": _VISUALIZATIONS[panel.kind][0],
        "references": [view],
        "state": _state(panel),
    }
    return {"type": "lens", "embeddableConfig": config}, [view, *references]


def _config(panel: Panel) -> tuple[Json, list[Json]]:
    """What every panel has: its description, and the drill-down to the dashboard that tells more."""
    config: Json = {"description": panel.help, "enhancements": {}}
    if not panel.leads_to or not panel.by:  # a number has nothing to click on
        return config, []
    event = f"{panel.id}-leads-to-{panel.leads_to}"
    action = {
        "factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN",
        "name": next(each.title for each in DASHBOARDS if each.id == panel.leads_to),
        "config": {"useCurrentFilters": True, "useCurrentDateRange": True, "openInNewTab": False},
    }
    events = [{"eventId": event, "triggers": ["FILTER_TRIGGER"], "action": action}]
    config["enhancements"] = {"dynamicActions": {"events": events}}
    name = f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event}:dashboardId"
    return config, [{"name": name, "type": "dashboard", "id": f"dmp-{panel.leads_to}"}]


# ---- Lens


def _state(panel: Panel) -> Json:
    numbers: Columns = {}
    for place, value in enumerate(panel.values):
        numbers.update(_value(f"value-{place}", value))
    buckets = {_bucket_id(panel, bucket): _bucket(panel, bucket) for bucket in panel.nested}
    columns = {**buckets, **numbers}
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}}
    return {
        "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
        "visualization": _VISUALIZATIONS[panel.kind][1](panel),
        "query": _query(panel.filters),
        "filters": [],
    }


def _bucket_id(panel: Panel, bucket: Bucket) -> str:
    return f"bucket-{panel.by.index(bucket)}"


def _value_ids(panel: Panel) -> list[str]:
    return [f"value-{place}" for place in range(len(panel.values))]


def _bucket(panel: Panel, bucket: Bucket) -> Json:
    column: Json = {"label": bucket.title, "customLabel": True, "isBucketed": True, "scale": "ordinal"}
    if isinstance(bucket, Groups):
        filters = [{"input": _query(group.filters), "label": group.title} for group in bucket.groups]
        return {**column, "dataType": "string", "operationType": "filters", "params": {"filters": filters}}
    if isinstance(bucket, Terms):
        params = {
            "size": bucket.size,
            "orderBy": {"type": "column", "columnId": "value-0"},
            "orderDirection": "desc",
            "otherBucket": False,
            "missingBucket": False,
        }
        return {
            **column,
            "dataType": bucket.type,
            "operationType": "terms",
            "sourceField": bucket.field,
            "params": params,
        }
    empty = isinstance(bucket, Time) and panel.kind != "heatmap"
    return {
        **column,
        "dataType": "date",
        "scale": "interval",
        "operationType": "date_histogram",
        "sourceField": panel.source.time if isinstance(bucket, Time) else bucket.field,
        "params": {"interval": "auto", "includeEmptyRows": empty, "dropPartials": False},
    }


def _value(identity: str, value: Value) -> Columns:
    return _ratio(identity, value) if isinstance(value, Ratio) else {identity: _metric(value)}


def _metric(metric: Metric) -> Json:
    column: Json = {
        "label": metric.title,
        "customLabel": True,
        "dataType": "number",
        "isBucketed": False,
        "operationType": metric.operation,
        "sourceField": metric.field or "___records___",
        "scale": "ratio",
        "params": _format(metric.unit),
    }
    return {**column, "filter": _query(metric.only)} if metric.only else column


def _ratio(identity: str, ratio: Ratio) -> Columns:
    """A formula with the columns that Lens would make of it: it does not make them when it opens a dashboard."""
    part, whole, quotient = (f"{identity}X{number}" for number in range(3))
    formula = f"{_formula(ratio.part)} / {_formula(ratio.whole)}"
    tree = {
        "type": "function",
        "name": "divide",
        "args": [part, whole],
        "location": {"min": 0, "max": len(formula)},
        "text": formula,
    }
    hidden: Json = {"label": f"Part of {ratio.title}", "customLabel": True, "dataType": "number"}
    hidden.update(isBucketed=False, scale="ratio")
    return {
        identity: {
            **hidden,
            "label": ratio.title,
            "operationType": "formula",
            "params": {"formula": formula, "isFormulaBroken": False, **_format(ratio.unit)},
            "references": [quotient],
        },
        part: {**_metric(ratio.part), **hidden},
        whole: {**_metric(ratio.whole), **hidden},
        quotient: {
            **hidden,
            "operationType": "math",
            "params": {"tinymathAst": tree},
            "references": [part, whole],
        },
    }


def _formula(metric: Metric) -> str:
    arguments = [metric.field] if metric.field else []
    if metric.only:
        text = kql(metric.only).replace("\\", "\\\\").replace("'", "\\'")
        arguments.append(f"kql='{text}'")
    return f"{metric.operation}({', '.join(arguments)})"


def _format(unit: str) -> Json:
    return {"format": FORMATS[unit]} if FORMATS[unit] else {}


def _xy(panel: Panel) -> Json:
    layer: Json = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": SERIES[panel.kind],
        "xAccessor": "bucket-0",
        "accessors": _value_ids(panel),
    }
    if len(panel.by) > 1:
        layer["splitAccessor"] = "bucket-1"
    return {
        "legend": {"isVisible": len(panel.by) > 1 or len(panel.values) > 1, "position": "right"},
        "preferredSeriesType": SERIES[panel.kind],
        "valueLabels": "show" if panel.kind == "bars" else "hide",
        "layers": [layer],
    }


def _number(_: Panel) -> Json:
    return {"layerId": LAYER, "layerType": "data", "metricAccessor": "value-0"}


def _table(panel: Panel) -> Json:
    names = [*(f"bucket-{place}" for place in range(len(panel.by))), *_value_ids(panel)]
    return {"layerId": LAYER, "layerType": "data", "columns": [{"columnId": name} for name in names]}


def _heatmap(_: Panel) -> Json:
    return {
        "layerId": LAYER,
        "layerType": "data",
        "shape": "heatmap",
        "xAccessor": "bucket-0",
        "yAccessor": "bucket-1",
        "valueAccessor": "value-0",
        "legend": {"isVisible": True, "position": "right", "type": "heatmap_legend"},
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": False,
            "isYAxisLabelVisible": True,
            "isXAxisLabelVisible": True,
            "isYAxisTitleVisible": True,
            "isXAxisTitleVisible": True,
        },
    }


_VISUALIZATIONS: dict[str, Any] = {
    "line": ("lnsXY", _xy),
    "columns": ("lnsXY", _xy),
    "bars": ("lnsXY", _xy),
    "number": ("lnsMetric", _number),
    "table": ("lnsDatatable", _table),
    "heatmap": ("lnsHeatmap", _heatmap),
}
"""For each kind Lens' name and what makes its part of the state."""
