"""What a dashboard is made of. One definition gives both the objects of Kibana and the local page.

A definition that cannot be drawn is refused with ValueError when it is made. That its fields exist in the index is a
test, against the index templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Optional, Union

from schemas.topics import Topic

GRID = 48
"""Width of a row of panels, in Kibana's units."""

Kind = Literal["number", "line", "columns", "bars", "heatmap", "table", "documents"]
Operation = Literal["count", "sum", "average", "max", "unique_count"]
Unit = Literal["", "money", "percent", "milliseconds", "bytes", "per second"]


@dataclass(frozen=True)
class Source:
    """An index, and the field that the chosen time range is about; without one, the range does not matter."""

    topic: Topic
    time: Optional[str] = "@timestamp"

    @property
    def alias(self) -> str:
        """The name to search behind."""
        assert self.topic.index is not None
        return self.topic.index


@dataclass(frozen=True)
class Is:
    """The field has one of these values."""

    field: str
    values: tuple[Union[str, bool], ...]

    def __init__(self, field: str, *values: Union[str, bool]) -> None:
        if not values:
            raise ValueError(f"{field} is compared with nothing")
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class IsNot:
    """The field does not have this value."""

    field: str
    value: str


@dataclass(frozen=True)
class AtLeast:
    """The number is this or greater."""

    field: str
    value: float


Filter = Union[Is, IsNot, AtLeast]


@dataclass(frozen=True)
class Metric:
    """One number for each bucket; `only` restricts the documents that it is taken from."""

    title: str
    operation: Operation
    field: str = ""
    only: tuple[Filter, ...] = ()
    unit: Unit = ""

    def __post_init__(self) -> None:
        if (self.operation == "count") == bool(self.field):
            raise ValueError(f"{self.title}: every operation but count needs a field, and count has none")


@dataclass(frozen=True)
class Ratio:
    """A part of a whole, as a percentage; nothing when the whole is zero."""

    title: str
    part: Metric
    whole: Metric
    unit: Unit = "percent"


Value = Union[Metric, Ratio]


@dataclass(frozen=True)
class Time:
    """Buckets of the source's time field, some sixty for the chosen range."""

    title: str = "Time"


@dataclass(frozen=True)
class Dates:
    """Buckets of another date field, as long as those of Time; those without documents are left out."""

    field: str
    title: str


@dataclass(frozen=True)
class Terms:
    """One bucket for each of the `size` values with the greatest first metric."""

    field: str
    title: str
    size: int = 10
    type: Literal["string", "number"] = "string"


@dataclass(frozen=True)
class Group:
    """A named set of documents."""

    title: str
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class Groups:
    """Named sets, in this order; they may overlap."""

    title: str
    groups: tuple[Group, ...]


Bucket = Union[Time, Dates, Terms, Groups]

_HEIGHTS: dict[Kind, int] = {"number": 6}
_CHART_HEIGHT = 12
_BUCKETS: dict[Kind, tuple[int, int]] = {
    "number": (0, 0),
    "line": (1, 2),
    "columns": (1, 2),
    "bars": (1, 2),
    "heatmap": (2, 2),
    "table": (1, 3),
    "documents": (0, 0),
}


@dataclass(frozen=True)
class Panel:
    """One question and how its answer is drawn.

    by: what the documents are split by; in charts what is on the axis, then what gives the colour. values: the
    numbers; `documents` have none. columns: the fields of `documents`, of which the first is their time.
    leads_to: id of the dashboard that tells more.
    """

    title: str
    kind: Kind
    source: Source
    help: str
    by: tuple[Bucket, ...] = ()
    values: tuple[Value, ...] = ()
    filters: tuple[Filter, ...] = ()
    columns: tuple[str, ...] = ()
    leads_to: str = ""

    def __post_init__(self) -> None:
        least, most = _BUCKETS[self.kind]
        if not least <= len(self.by) <= most:
            raise ValueError(f"{self.title}: {self.kind} takes {least} to {most} buckets, not {len(self.by)}")
        if (self.kind == "documents") != bool(self.columns) or (self.kind == "documents") == bool(self.values):
            raise ValueError(f"{self.title}: documents have columns and no values, every other panel has values")
        if self.kind in ("number", "heatmap") and len(self.values) != 1:
            raise ValueError(f"{self.title}: {self.kind} shows one value")
        if len(self.values) > 1 and len(self.by) > 1 and self.kind != "table":
            raise ValueError(f"{self.title}: several values, or one value split by colour")
        if any(isinstance(bucket, Terms) for bucket in self.by) and isinstance(self.values[0], Ratio):
            raise ValueError(f"{self.title}: the first value orders the terms and must be a metric")
        if any(isinstance(bucket, Time) for bucket in self.by) and not self.source.time:
            raise ValueError(f"{self.title}: {self.source.alias} is searched without time")

    @property
    def id(self) -> str:
        """Stable while the title is: what Kibana and addresses call it."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def height(self) -> int:
        """In Kibana's units."""
        return _HEIGHTS.get(self.kind, _CHART_HEIGHT)

    @property
    def metrics(self) -> Iterator[Metric]:
        """Every metric, also within ratios."""
        for value in self.values:
            yield from (value.part, value.whole) if isinstance(value, Ratio) else (value,)

    @property
    def nested(self) -> tuple[Bucket, ...]:
        """The buckets as they are nested, outermost first: the greatest of all time are the lines of a time chart."""
        over_time = self.kind in ("line", "columns") and isinstance(self.by[0], Time)
        return self.by[::-1] if over_time else self.by


@dataclass(frozen=True)
class Control:
    """A choice above the panels that filters all of them."""

    field: str
    title: str
    source: Source


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels under one title. `range` is the time range it opens with, such as `15m`, until now."""

    id: str
    title: str
    help: str
    rows: tuple[tuple[Panel, ...], ...]
    controls: tuple[Control, ...] = ()
    range: str = "15m"
    widths: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Widths of the panels of a row by its number, where they are not equal."""

    def __post_init__(self) -> None:
        ids = [panel.id for panel in self.panels]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{self.id}: two panels have the same title")
        for number, row in enumerate(self.rows):
            if len({panel.height for panel in row}) > 1:
                raise ValueError(f"{self.id}: panels of row {number} differ in height")
            if len(self.row_widths(number)) != len(row) or sum(self.row_widths(number)) != GRID:
                raise ValueError(f"{self.id}: row {number} is not {GRID} wide")

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, row by row."""
        return tuple(panel for row in self.rows for panel in row)

    def row_widths(self, number: int) -> tuple[int, ...]:
        """Widths of the panels of a row."""
        count = len(self.rows[number])
        return self.widths.get(number, (GRID // count,) * count)

    def placed(self) -> Iterator[tuple[Panel, int, int, int]]:
        """Each panel with its place: x, y and width; rows follow each other without a gap."""
        y = 0
        for number, row in enumerate(self.rows):
            x = 0
            for panel, width in zip(row, self.row_widths(number)):
                yield panel, x, y, width
                x += width
            y += row[0].height
