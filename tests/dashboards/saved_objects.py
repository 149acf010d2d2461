"""What Kibana 8.17 and later need of a file of saved objects, as far as it can be told without a Kibana.

From Kibana's source and real exports: what its import refuses, what imports and then breaks a panel, and fields that
are in no index.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from schemas.topics import INDEXED
from tests.dashboards.fields import fields

Json = dict[str, Any]

NEWEST_VERSIONS = {"dashboard": (10, 2, 0), "index-pattern": (8, 0, 0), "search": (10, 5, 0)}
NEWEST_CORE = (8, 17, 0)
GRID = 48
BUCKETS = {"terms", "date_histogram", "filters"}
ON_FIELDS = {"terms", "date_histogram", "sum", "average", "min", "max", "unique_count"}
NUMERIC = {"sum": "number", "average": "number", "min": "number", "max": "number", "date_histogram": "date"}
FAMILIES = {"long": "number", "integer": "number", "double": "number", "date": "date"}
SHAPES = {"lnsXY", "lnsMetric", "lnsDatatable", "lnsHeatmap"}


def problems(text: str) -> list[str]:
    """Everything that is wrong with a file, in words; none when Kibana should take and show it."""
    try:
        objects = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        return [f"a line is no JSON: {error}"]
    return list(Checker(objects).problems())


class Checker:
    """The objects of one file, which refer to each other."""

    def __init__(self, objects: list[Json]) -> None:
        self.objects = objects
        self.names = [(each.get("type"), each.get("id")) for each in objects]
        self.views = {each["id"]: each["attributes"] for each in objects if each.get("type") == "index-pattern"}

    def problems(self) -> Iterator[str]:
        if len(set(self.names)) < len(self.names):
            yield "the same object twice"
        for each in self.objects:
            for problem in self._object(each):
                yield f"{each.get('type')} {each.get('id')}: {problem}"

    def _object(self, each: Json) -> Iterator[str]:
        kind = each["type"]
        if kind not in NEWEST_VERSIONS:
            yield "a type that is not used here"
            return
        if not () < _version(each.get("coreMigrationVersion")) <= NEWEST_CORE:
            yield "coreMigrationVersion is missing or newer than 8.17"
        if not () < _version(each.get("typeMigrationVersion")) <= NEWEST_VERSIONS[kind]:
            yield "typeMigrationVersion is missing or newer than that of 8.17"
        if set(each) & {"version", "namespaces", "originId", "created_at", "updated_at"}:
            yield "has what only a server gives"
        if each.get("managed") is not False:
            yield "is not the user's to edit"
        for reference in each["references"]:
            if (reference["type"], reference["id"]) not in self.names:
                yield f"reference {reference['name']} leads nowhere"
        names = [reference["name"] for reference in each["references"]]
        if len(set(names)) < len(names):
            yield "two references have the same name"
        checks = {"index-pattern": self._view, "search": self._search, "dashboard": self._dashboard}
        yield from checks[kind](each["attributes"], {r["name"]: r for r in each["references"]})

    def _view(self, attributes: Json, _: Mapping[str, Json]) -> Iterator[str]:
        there = _fields(attributes["title"])
        if not there:
            yield f"no index template fits {attributes['title']}"
        elif "timeFieldName" in attributes and there.get(attributes["timeFieldName"]) != "date":
            yield "timeFieldName is no date"

    def _search(self, attributes: Json, references: Mapping[str, Json]) -> Iterator[str]:
        source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        if source.get("indexRefName") not in references:
            yield "names no data view"
            return
        there = self._fields_of(references[source["indexRefName"]])
        for name in [*attributes["columns"], *(name for name, _ in attributes["sort"])]:
            if name not in there:
                yield f"field {name} is in no template"
        yield from _query(source["query"], there)

    def _dashboard(self, attributes: Json, references: Mapping[str, Json]) -> Iterator[str]:
        for name in ("panelsJSON", "optionsJSON"):
            if not isinstance(attributes.get(name), str):
                yield f"{name} is no text"
                return
        if not isinstance(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"], str):
            yield "searchSourceJSON is no text"
        if attributes["timeRestore"] and not (attributes.get("timeFrom") and attributes.get("timeTo")):
            yield "timeRestore without times"
        if set(attributes["refreshInterval"]) != {"pause", "value"}:
            yield "refreshInterval has other members than pause and value"
        yield from self._controls(attributes.get("controlGroupInput"), references)
        panels = json.loads(attributes["panelsJSON"])
        yield from _grid(panels)
        for panel in panels:
            prefix = f"{panel['panelIndex']}:"
            own = {name[len(prefix) :]: each for name, each in references.items() if name.startswith(prefix)}
            for problem in self._panel(panel, own):
                yield f"panel {panel['panelIndex']}: {problem}"
        owners = {f"{panel['panelIndex']}" for panel in panels} | {"controlGroup_"}
        for name in references:
            if not any(name.startswith(owner) for owner in owners):
                yield f"reference {name} belongs to nothing"

    def _controls(self, group: Json | None, references: Mapping[str, Json]) -> Iterator[str]:
        for identity, control in json.loads(group["panelsJSON"]).items() if group else ():
            reference = references.get(f"controlGroup_{identity}:optionsListDataView")
            if control["explicitInput"]["id"] != identity or not reference:
                yield f"control {identity} has another id, or no data view"
            elif control["explicitInput"]["fieldName"] not in self._fields_of(reference):
                yield f"control {identity} is of a field that is in no template"

    def _panel(self, panel: Json, own: Mapping[str, Json]) -> Iterator[str]:
        config = panel["embeddableConfig"]
        for event in config.get("enhancements", {}).get("dynamicActions", {}).get("events", []):
            name = f"drilldown:{event['action']['factoryId']}:{event['eventId']}:dashboardId"
            if own.get(name, {}).get("type") != "dashboard":
                yield "a drill-down leads nowhere"
        if panel.get("type") == "search":
            if own.get(panel.get("panelRefName", ""), {}).get("type") != "search":
                yield "shows no search"
        elif panel.get("type") == "lens":
            yield from self._lens(config.get("attributes"), own)
        else:
            yield "a type that is not used here"

    def _lens(self, lens: Json | None, own: Mapping[str, Json]) -> Iterator[str]:
        if not lens or not isinstance(lens.get("state"), dict) or lens.get("visualizationType") not in SHAPES:
            yield "has no Lens state"
            return
        for reference in lens["references"]:
            twin = own.get(reference["name"])
            if not twin or (twin["type"], twin["id"]) != (reference["type"], reference["id"]):
                yield f"reference {reference['name']} has no twin in the dashboard: Kibana drops it"
        inner = {reference["name"]: reference for reference in lens["references"]}
        state = lens["state"]
        layers = state["datasourceStates"]["formBased"]["layers"]
        for name, layer in layers.items():
            if f"indexpattern-datasource-layer-{name}" not in inner:
                yield f"layer {name} has no data view"
                return
            view = inner[f"indexpattern-datasource-layer-{name}"]
            yield from self._layer(layer, view)
            yield from _query(state["query"], self._fields_of(view))
            if not _shown(state["visualization"]) <= set(layer["columns"]):
                yield "shows a column that is not there"
            if _layer_ids(state["visualization"]) != {name}:
                yield "shows another layer"
        if "filters" not in state:
            yield "has no filters"

    def _layer(self, layer: Json, view: Json) -> Iterator[str]:
        columns = layer["columns"]
        if sorted(layer["columnOrder"]) != sorted(columns):
            yield "columnOrder is not that of the columns"
            return
        bucketed = [columns[name]["isBucketed"] for name in layer["columnOrder"]]
        if bucketed != sorted(bucketed, reverse=True):
            yield "a bucket stands behind a number"
        there = self._fields_of(view)
        for name, column in columns.items():
            for problem in self._column(column, columns, there, view):
                yield f"column {name}: {problem}"

    def _column(self, column: Json, columns: Json, there: Mapping[str, str], view: Json) -> Iterator[str]:
        operation = column["operationType"]
        if (operation in BUCKETS) != column["isBucketed"]:
            yield f"{operation} has isBucketed {column['isBucketed']}"
        if operation in ON_FIELDS:
            family = FAMILIES.get(there.get(column["sourceField"], ""), "string")
            if column["sourceField"] not in there:
                yield f"field {column['sourceField']} is in no template"
            elif operation in NUMERIC and family != NUMERIC[operation]:
                yield f"{operation} of a {family}"
            elif operation == "terms" and column["dataType"] != family:
                yield f"dataType {column['dataType']} of a {family}"
        if operation == "date_histogram" and "timeFieldName" not in self.views.get(view["id"], {}):
            yield "a histogram of time in a data view without time"
        if operation == "terms":
            order = column["params"]["orderBy"]["columnId"]
            if order not in columns or columns[order]["isBucketed"] or "references" in columns[order]:
                yield "is ordered by what is no number of the layer"
        for group in column["params"].get("filters", []) if operation == "filters" else []:
            yield from _query(group["input"], there)
        if any(name not in columns for name in column.get("references", [])):
            yield "refers to a column that is not there"
        if operation == "formula" and not column.get("references"):
            yield "a formula that Lens will not compute"
        if "filter" in column:
            yield from _query(column["filter"], there)

    def _fields_of(self, reference: Json) -> Mapping[str, str]:
        return _fields(self.views.get(reference["id"], {"title": ""})["title"])


def _fields(title: str) -> Mapping[str, str]:
    """Fields of the index template that a data view's pattern fits."""
    found = [topic for topic in INDEXED if fnmatchcase(f"{topic.index}-000001", title)]
    return fields(found[0]) if len(found) == 1 else {}


def _query(query: Json, there: Mapping[str, str]) -> Iterator[str]:
    if query["language"] != "kuery":
        yield "a query in another language than KQL"
    for clause in filter(None, query["query"].split(" and ")):
        name = clause.replace("not ", "", 1).split(":")[0].split(" >=")[0]
        if name not in there:
            yield f"the query names {name}, which is in no template"


def _grid(panels: list[Json]) -> Iterator[str]:
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridData"]
        own = {
            (column, row)
            for column in range(grid["x"], grid["x"] + grid["w"])
            for row in range(grid["y"], grid["y"] + grid["h"])
        }
        if grid["i"] != panel["panelIndex"]:
            yield f"panel {panel['panelIndex']}: gridData.i differs"
        if cells & own or grid["x"] + grid["w"] > GRID:
            yield f"panel {panel['panelIndex']}: overlaps another, or the edge"
        cells |= own
    if len({panel["panelIndex"] for panel in panels}) < len(panels):
        yield "two panels have the same panelIndex"


def _shown(visualization: Json) -> set[str]:
    parts = visualization.get("layers", [visualization])
    names = {part[key] for part in parts for key in part if key.endswith("Accessor")}
    names |= {name for part in parts for name in part.get("accessors", [])}
    return names | {column["columnId"] for part in parts for column in part.get("columns", [])}


def _layer_ids(visualization: Json) -> set[str]:
    return {part["layerId"] for part in visualization.get("layers", [visualization])}


def _version(text: Any) -> tuple[int, ...]:
    return tuple(map(int, text.split("."))) if isinstance(text, str) else ()
