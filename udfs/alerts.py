"""Alerts as keyed functions: rows of windows become changes of series, and each series is judged as time goes on.

Windows are few, so that Python's keyed state is fast enough. Everything that is decided, `dmp.core.alerts` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

import orjson
from pyflink.common import Row, RowKind, Types
from pyflink.datastream import FlatMapFunction, KeyedProcessFunction, RuntimeContext, TimeDomain
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.table import Schema

from dmp.core.alerts.incidents import fields
from dmp.core.alerts.rules import Rule, width_ms
from dmp.core.alerts.timeline import HISTORY, SETTLE_MS, Timeline, judge_until, next_due
from dmp.core.alerts.windows import Amounts, contribution

#: How long a window waits for the watermark beyond its time. When nothing at all arrives, event time stands still, and
#: yet silence is to be noticed: from then on the clock of the machine goes on with it.
PATIENCE_MS = 30_000

#: Corrections of windows that were judged wait for each other for so long.
CORRECTION_MS = 2_000

CHANGE_TYPE = Types.TUPLE([Types.STRING(), Types.LONG(), Types.PICKLED_BYTE_ARRAY(), Types.INT()])
_STRINGS = ("alert_id", "rule", "kind", "severity", "series", "status", "summary")
_LONGS = ("started_ms", "opened_ms", "updated_ms", "resolved_ms")
_DOUBLES = ("value", "expected", "worst")
_COUNTS = ("windows", "reopened")
_NAMES = (*_STRINGS, *_LONGS, "adopted", *_DOUBLES, *_COUNTS)
_STREAM_TYPES = {
    **dict.fromkeys(_STRINGS, Types.STRING()), **dict.fromkeys((*_LONGS, *_COUNTS), Types.LONG()),
    **dict.fromkeys(_DOUBLES, Types.DOUBLE()), "adopted": Types.BOOLEAN(),
}  # fmt: skip
ALERT_TYPE = Types.ROW_NAMED(list(_NAMES), [_STREAM_TYPES[name] for name in _NAMES])


def alert_schema() -> Schema:
    """The same as a table: the latest row of each alert."""
    types = {
        **dict.fromkeys(_STRINGS, "STRING"), **dict.fromkeys((*_LONGS, *_COUNTS), "BIGINT"),
        **dict.fromkeys(_DOUBLES, "DOUBLE"), "adopted": "BOOLEAN", "alert_id": "STRING NOT NULL",
    }  # fmt: skip
    builder = Schema.new_builder()
    for name in _NAMES:
        builder.column(name, types[name])
    return builder.primary_key("alert_id").build()


_TAKEN_BACK = (RowKind.UPDATE_BEFORE, RowKind.DELETE)


def series_name(change: tuple[str, int, Amounts, int]) -> str:
    """What changes of one series have in common: rule and key as JSON text."""
    return change[0]


def _rule_and_key(series: str) -> tuple[str, tuple[str, ...]]:
    rule, *key = orjson.loads(series)
    return rule, tuple(key)


class Wake(NamedTuple):
    """The clock at which the next window is judged (epoch ms of event time), and the moment (of the machine's clock) at
    which it is judged in any case."""

    due: int
    at_the_latest: int


class SeriesFunction(FlatMapFunction):
    """A changed row of a window -> for each rule that it concerns (series, window_start, amounts, 1 or -1)."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def flat_map(self, value: Row) -> Iterator[tuple[str, int, Amounts, int]]:
        row = value.as_dict()
        sign = -1 if value.get_row_kind() in _TAKEN_BACK else 1
        for rule in self._rules:
            added = contribution(rule, row)
            if added:
                yield orjson.dumps([rule.name, *added.key]).decode(), added.start, added.amounts, sign


class JudgeFunction(KeyedProcessFunction):
    """Changes of one series -> its alerts, as rows of ALERT_TYPE."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}

    def open(self, runtime_context: RuntimeContext) -> None:
        state = Types.PICKLED_BYTE_ARRAY()
        self._timeline = runtime_context.get_state(ValueStateDescriptor("timeline", state))
        self._wake = runtime_context.get_state(ValueStateDescriptor("wake", state))

    def process_element(
        self, value: tuple[str, int, Amounts, int], ctx: KeyedProcessFunction.Context
    ) -> Iterator[Row]:
        name, start, amounts, sign = value
        rule = self._rules[_rule_and_key(name)[0]]
        now = ctx.timer_service().current_processing_time()
        if start >= now - HISTORY * width_ms(rule):  # nobody is called for what happened long ago
            timeline = (self._timeline.value() or Timeline()).add(start, amounts, sign)
            self._timeline.update(timeline)
            if timeline.was_judged(start):
                ctx.timer_service().register_processing_time_timer(now - now % CORRECTION_MS + CORRECTION_MS)
            self._schedule(rule, timeline, ctx, None)
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        name, key = _rule_and_key(ctx.get_current_key())
        if name not in self._rules:  # a rule that there was before the job was submitted with others
            self._timeline.clear()
            self._wake.clear()
            return
        rule = self._rules[name]
        timeline: Timeline = self._timeline.value()
        wake: Optional[Wake] = self._wake.value()
        clock, forced = ctx.timer_service().current_watermark() - SETTLE_MS, None
        if ctx.time_domain() == TimeDomain.EVENT_TIME:
            clock = max(clock, timestamp - SETTLE_MS)  # Python is told of a watermark after the timers that it fires
        elif wake and timestamp >= wake.at_the_latest:
            forced = timestamp if clock < wake.due else None
            clock = max(clock, wake.due)
        timeline, alerts = judge_until(rule, key, timeline, clock)
        self._timeline.update(timeline)
        self._schedule(rule, timeline, ctx, forced)
        for alert in alerts:
            yield Row(**fields(rule, alert))

    def _schedule(self, rule: Rule, timeline: Timeline, ctx: Any, forced: Optional[int]) -> None:
        """Timers for the next window: by event time, and by the clock of the machine."""
        due, before, timers = next_due(rule, timeline), self._wake.value(), ctx.timer_service()
        if before and due == before.due:
            return
        if before:
            timers.delete_processing_time_timer(before.at_the_latest)
        if due is None:
            self._wake.clear()
            return
        wake = Wake(due, _at_the_latest(rule, due, timers, forced))
        timers.register_event_time_timer(due + SETTLE_MS)
        timers.register_processing_time_timer(wake.at_the_latest)
        self._wake.update(wake)


def _at_the_latest(rule: Rule, due: int, timers: Any, forced: Optional[int]) -> int:
    """The moment of the machine's clock at which the window of `due` is judged unless event time comes first."""
    if forced:  # the clock goes on in the place of event time, in steps of a window
        return forced + width_ms(rule)
    ahead = due + SETTLE_MS - timers.current_watermark()
    if ahead <= 0:  # event time has been there, and timers of the past wait for a watermark that may not come
        return int(timers.current_processing_time() + CORRECTION_MS)
    has_begun = timers.current_watermark() > 0
    return int(timers.current_processing_time() + PATIENCE_MS + (ahead if has_begun else 0))
