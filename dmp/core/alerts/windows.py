"""From rows of dmp.metrics and dmp.quality to series: for each rule and key, what a window amounts to.

Amounts are whole millionths, so that what was added can be taken away again without a trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from dmp.core.alerts.rules import LABEL, QUALITY, FunnelDrop, RejectRate, Rule, width_ms

MILLIONTHS = 1_000_000


class Amounts(NamedTuple):
    """What rows add to a window: `part` in millionths; of a share also its `whole`; and how many rows there are."""

    part: int = 0
    whole: int = 0
    rows: int = 0

    def plus(self, other: Amounts, sign: int = 1) -> Amounts:
        """The sum, or with sign -1 the difference."""
        return Amounts(self.part + sign * other.part, self.whole + sign * other.whole, self.rows + sign * other.rows)


class Window(NamedTuple):
    """One window of a series: its begin (epoch ms), its value and, of a share, what it is a share of.

    The value is None where nothing is known; a share of nothing is None, too.
    """

    start: int
    value: float | None
    whole: float | None = None


class Contribution(NamedTuple):
    """What one row adds to the window that begins at `start` (epoch ms) of a key: the values of the rule's `by`."""

    key: tuple[str, ...]
    start: int
    amounts: Amounts


#: A row of a result: its columns, with window_start in epoch milliseconds.
Row = Mapping[str, Any]


def contribution(rule: Rule, row: Row) -> Contribution | None:
    """What a row adds to a series of the rule, if anything. A row of dmp.quality is one with a measure."""
    if rule.of_quality != (row.get("measure") is not None):
        return None
    amounts = _amounts(rule, row)
    if amounts is None or any(row[name] not in texts for name, texts in rule.where.items()):
        return None
    start = row["window_start"] - row["window_start"] % width_ms(rule)
    return Contribution(tuple(row[name] for name in rule.by), start, amounts)


def _amounts(rule: Rule, row: Row) -> Amounts | None:
    if isinstance(rule, FunnelDrop):
        parts = (row["event"] == rule.step, row["event"] == rule.after)
        return _of(row["events"] * parts[0], row["events"] * parts[1]) if any(parts) else None
    if isinstance(rule, RejectRate):
        rejected = row["measure"] == "rejected" and (not rule.reasons or row[LABEL] in rule.reasons)
        received = row["measure"] == "received"
        return _of(row["value"] * rejected, row["value"] * received) if rejected or received else None
    if rule.of_quality:
        return _of(row["value"]) if rule.watch == QUALITY + row["measure"] else None
    return _of(row[rule.watch])


def _of(part: float, whole: float = 0) -> Amounts:
    return Amounts(round(part * MILLIONTHS), round(whole * MILLIONTHS), 1)


def to_window(rule: Rule, start: int, amounts: Amounts) -> Window:
    """The window that some amounts make."""
    part, whole = amounts.part / MILLIONTHS, amounts.whole / MILLIONTHS
    if isinstance(rule, (FunnelDrop, RejectRate)):
        return Window(start, part / whole if whole else None, whole)
    return Window(start, part if amounts.rows or rule.counts else None)


def series(rules: Iterable[Rule], rows: Iterable[Row]) -> Iterator[tuple[Rule, tuple[str, ...], dict[int, Amounts]]]:
    """All series of the rules over the final rows of a table: rule, key, and amounts by begin of the window."""
    found: dict[tuple[str, tuple[str, ...]], dict[int, Amounts]] = {}
    by_name = {rule.name: rule for rule in rules}
    for row in rows:
        for rule in by_name.values():
            added = contribution(rule, row)
            if added:
                windows = found.setdefault((rule.name, added.key), {})
                windows[added.start] = windows.get(added.start, Amounts()).plus(added.amounts)
    for (name, key), windows in sorted(found.items()):
        yield by_name[name], key, windows
