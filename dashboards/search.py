"""From a panel to a search of Elasticsearch, and from the answer to a table: what the local page draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Union

from dashboards.model import (
    AtLeast,
    Bucket,
    Dates,
    Filter,
    Groups,
    Is,
    Metric,
    Panel,
    Ratio,
    Source,
    Terms,
    Time,
)

SHOWN_DOCUMENTS = 20
NO_TEXT = "(empty)"  # as Kibana writes it
BARS = 60  # about so many buckets of time
HOUR, DAY = 3600, 86_400
STEPS_SECONDS = (
    10, 20, 30, 60, 120, 300, 600, 1200, 1800,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY,
)  # fmt: skip

Json = dict[str, Any]
Cell = Union[str, float, int, None]


class Span(NamedTuple):
    """A time range [start, end) in milliseconds since 1970, and the time zone (IANA) that days begin in."""

    start: int
    end: int
    zone: str = "UTC"

    @property
    def step(self) -> int:
        """Length of a bucket of time in seconds."""
        wanted = (self.end - self.start) / 1000 / BARS
        return next((step for step in STEPS_SECONDS if step >= wanted), STEPS_SECONDS[-1])


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, `time` | `text` | `number`, and the unit of numbers."""

    title: str
    type: str
    unit: str = ""


class Table(NamedTuple):
    """The answer to a panel. Times are milliseconds since 1970; an absent number is None.

    `empty`: there is nothing to be seen; zeros are something.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: bool


def body(panel: Panel, span: Span, choices: Mapping[str, str]) -> Json:
    """The body of the search; `choices` are the values chosen by controls, by field."""
    chosen = [Is(field, value) for field, value in choices.items()]
    conditions = [*_within(panel.source, span), *map(query, panel.filters), *map(query, chosen)]
    search: Json = {"size": 0, "query": {"bool": {"filter": conditions}}}
    if panel.kind == "documents":
        latest = [{panel.source.time: "desc"}]
        return {**search, "size": SHOWN_DOCUMENTS, "sort": latest, "_source": list(panel.columns)}
    return {**search, "aggs": _aggregations(panel, panel.nested, span)}


def options(source: Source, field: str, span: Span) -> Json:
    """The search for the values that a control offers."""
    return {
        "size": 0,
        "query": {"bool": {"filter": _within(source, span)}},
        "aggs": {"values": {"terms": {"field": field, "size": 50, "order": {"_key": "asc"}}}},
    }


def newest(source: Source) -> Json:
    """The search for the latest time that an index has anything of."""
    return {"size": 0, "aggs": {"newest": {"max": {"field": source.time}}}}


def table(panel: Panel, answer: Json) -> Table:
    """The rows of an answer, in the order of the panel's buckets."""
    if panel.kind == "documents":
        documents = [hit["_source"] for hit in answer["hits"]["hits"]]
        columns = [Column(name, "text" if place else "time") for place, name in enumerate(panel.columns)]
        found = [[_member(document, name) for name in panel.columns] for document in documents]
        return Table(columns, found, empty=not found)
    columns = [_heading(bucket) for bucket in panel.by]
    columns += [Column(value.title, "number", value.unit) for value in panel.values]
    order = [panel.nested.index(bucket) for bucket in panel.by]
    rows, some = [], False
    for keys, leaf in _leaves(panel.nested, answer["aggregations"]):
        numbers = list(_numbers(panel, leaf))
        some = some or any(number is not None for number in numbers)
        rows.append([*(keys[place] for place in order), *numbers])
    nothing_found = answer["hits"]["total"]["value"] == 0 and bool(panel.by)
    return Table(columns, rows, empty=nothing_found or not some)


def query(condition: Filter) -> Json:
    """A filter as a query of Elasticsearch: what Kibana makes of the same filter in KQL."""
    if isinstance(condition, Is):
        return {"terms": {condition.field: list(condition.values)}}
    if isinstance(condition, AtLeast):
        return {"range": {condition.field: {"gte": condition.value}}}
    return {"bool": {"must_not": {"term": {condition.field: condition.value}}}}


def _within(source: Source, span: Span) -> list[Json]:
    if not source.time:
        return []
    return [{"range": {source.time: {"gte": span.start, "lt": span.end, "format": "epoch_millis"}}}]


def _aggregations(panel: Panel, nested: Sequence[Bucket], span: Span) -> Json:
    """The buckets within each other, and at every level the first metric, which terms are ordered by."""
    if not nested:
        return {f"m{number}": _metric(metric) for number, metric in enumerate(panel.metrics)}
    first = {"m0": _metric(next(panel.metrics))} if isinstance(nested[0], Terms) else {}
    return {"by": {**_bucket(panel, nested[0], span), "aggs": {**first, **_aggregations(panel, nested[1:], span)}}}


def _bucket(panel: Panel, bucket: Bucket, span: Span) -> Json:
    if isinstance(bucket, Terms):
        path = "m0" if next(panel.metrics).operation == "count" else "m0>value"
        return {"terms": {"field": bucket.field, "size": bucket.size, "order": [{path: "desc"}, {"_key": "asc"}]}}
    if isinstance(bucket, Groups):
        return {"filters": {"filters": [_all(group.filters) for group in bucket.groups]}}
    histogram: Json = {
        "field": panel.source.time if isinstance(bucket, Time) else bucket.field,
        "fixed_interval": f"{span.step}s",
        "time_zone": span.zone,
    }
    if isinstance(bucket, Time) and panel.kind != "heatmap":
        histogram.update(min_doc_count=0, extended_bounds={"min": span.start, "max": span.end - 1})
    else:
        histogram.update(min_doc_count=1)
    return {"date_histogram": histogram}


def _metric(metric: Metric) -> Json:
    if metric.operation == "count":
        return {"filter": _all(metric.only)}
    names = {"average": "avg", "unique_count": "cardinality"}
    operation = names.get(metric.operation, metric.operation)
    return {"filter": _all(metric.only), "aggs": {"value": {operation: {"field": metric.field}}}}


def _all(conditions: Sequence[Filter]) -> Json:
    return {"bool": {"filter": [query(each) for each in conditions]}}


def _leaves(nested: Sequence[Bucket], node: Json) -> Iterator[tuple[list[Cell], Json]]:
    """Each innermost bucket with the keys that lead to it."""
    if not nested:
        yield [], node
        return
    for number, bucket in enumerate(node["by"]["buckets"]):
        key = nested[0].groups[number].title if isinstance(nested[0], Groups) else bucket["key"]
        key = NO_TEXT if key == "" else key
        for keys, leaf in _leaves(nested[1:], bucket):
            yield [key, *keys], leaf


def _numbers(panel: Panel, leaf: Json) -> Iterator[Cell]:
    amounts = iter([_amount(metric, leaf[f"m{number}"]) for number, metric in enumerate(panel.metrics)])
    for value in panel.values:
        if isinstance(value, Ratio):
            part, whole = next(amounts), next(amounts)
            yield part / whole if part is not None and whole else None
        else:
            yield next(amounts)


def _amount(metric: Metric, node: Json) -> Optional[float]:
    count: int = node["doc_count"]
    if metric.operation == "count":
        return count
    # A sum of nothing is 0, as in Kibana; an average of nothing is none.
    value: Optional[float] = node["value"]["value"]
    return value


def _heading(bucket: Bucket) -> Column:
    return Column(bucket.title, "time" if isinstance(bucket, (Time, Dates)) else "text")


def _member(document: Json, path: str) -> Cell:
    for name in path.split("."):
        document = document.get(name) or {}
    return document or None  # type: ignore[return-value]
