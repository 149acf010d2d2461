"""One key through time: windows that are corrected after they were judged, and the alerts that follow from them.

Alerts are a function of the windows as they are now. When a window that was judged changes, everything from the oldest
kept window on is judged again; an alert that no longer follows is withdrawn. Windows older than HISTORY are settled:
they are folded into the state and can change no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dmp.core.alerts.incidents import WITHDRAWN, Alert, State, step
from dmp.core.alerts.rules import Rule, width_ms
from dmp.core.alerts.windows import Amounts, Row, series, to_window

#: Windows of a key that can still be corrected; also how long a key without data is followed.
HISTORY = 720

#: A window is judged when windows that begin so long after its end have come: the watermark of cleaning, identity and
#: the second in which changes are folded lie between an event and its window.
SETTLE_MS = 10_000


class Timeline(NamedTuple):
    """A rule and key: the state behind the settled windows and the newest of them with data (its begin); the amounts of
    the kept windows by begin; up to where windows were judged; and the alerts that were told of windows since."""

    state: State = State()
    newest: int | None = None
    amounts: Mapping[int, Amounts] = {}
    judged_to: int | None = None
    told: tuple[Alert, ...] = ()

    def add(self, start: int, amounts: Amounts, sign: int = 1) -> Timeline:
        """With what a row adds to a window, or with sign -1 without it. A settled window stays as it is."""
        if self.state.last is not None and start <= self.state.last:
            return self
        changed = self.amounts.get(start, Amounts()).plus(amounts, sign)
        kept = {**self.amounts, start: changed}
        if changed == Amounts():
            del kept[start]
        return self._replace(amounts=kept)

    def was_judged(self, start: int) -> bool:
        """Whether a window that begins at `start` has been judged, so that a change of it may change alerts."""
        return self.judged_to is not None and start < self.judged_to


def judge_until(rule: Rule, key: tuple[str, ...], timeline: Timeline, clock: int) -> tuple[Timeline, list[Alert]]:
    """Judge all windows that have ended by `clock` (epoch ms); the alerts that are new, changed or withdrawn."""
    width = width_ms(rule)
    to = max(clock - clock % width, timeline.judged_to or 0)
    settled_to = to - HISTORY * width
    state, settled = timeline.state, timeline.state
    latest = {state.alert.alert_id: state.alert} if state.alert else {}
    for start in _starts(timeline, width, to):
        state, alerts = step(rule, key, state, to_window(rule, start, timeline.amounts.get(start, Amounts())))
        latest.update((alert.alert_id, alert) for alert in alerts)
        if start < settled_to:
            settled = state
    told = {alert.alert_id: alert for alert in timeline.told}
    gone = (alert for alert in told.values() if alert.alert_id not in latest)
    latest.update((alert.alert_id, alert._replace(status=WITHDRAWN)) for alert in gone)
    changes = [alert for alert in latest.values() if alert != told.get(alert.alert_id)]
    after = Timeline(
        state=settled,
        newest=max((start for start in timeline.amounts if start < settled_to), default=timeline.newest),
        amounts={start: amounts for start, amounts in timeline.amounts.items() if start >= settled_to},
        judged_to=to,
        told=tuple(alert for alert in latest.values() if alert == settled.alert or _changed_ms(alert) > settled_to),
    )
    return after, changes


def _changed_ms(alert: Alert) -> int:
    return max(alert.updated_ms, alert.resolved_ms or 0)


def _starts(timeline: Timeline, width: int, to: int) -> Iterator[int]:
    """Begins of the windows to judge: from the first with data on; behind one with data, HISTORY without at most."""
    last = timeline.state.last
    with_data = sorted(start for start in timeline.amounts if start < to)
    if timeline.newest is not None:
        with_data.insert(0, timeline.newest)
    for start, following in zip(with_data, [*with_data[1:], to]):
        for window in range(start, min(following, start + (HISTORY + 1) * width), width):
            if last is None or window > last:
                yield window


def next_due(rule: Rule, timeline: Timeline) -> int | None:
    """The clock at which the next window of a key can be judged; None for a key without data for HISTORY windows."""
    width = width_ms(rule)
    newest = max(timeline.amounts, default=timeline.newest)
    if newest is None:
        return None
    if timeline.judged_to is None:
        return min(timeline.amounts) + width
    return timeline.judged_to + width if timeline.judged_to <= newest + HISTORY * width else None


def judge_all(rules: Iterable[Rule], rows: Iterable[Row], clock: int) -> list[tuple[Rule, Alert]]:
    """The alerts that follow from the final rows of windows, those of all rules, judged up to `clock` (epoch ms)."""
    found: list[tuple[Rule, Alert]] = []
    for rule, key, amounts in series(rules, rows):
        _, alerts = judge_until(rule, key, Timeline(amounts=amounts), clock)
        found += ((rule, alert) for alert in alerts)
    return found
