"""Windows that come in any order, twice, or are corrected long after: the alerts are those of the final windows."""

from __future__ import annotations

import pickle
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dmp.core.alerts.incidents import OPEN, RESOLVED, WITHDRAWN, Alert
from dmp.core.alerts.rules import parse_rules
from dmp.core.alerts.timeline import HISTORY, Timeline, judge_all, judge_until, next_due
from dmp.core.alerts.windows import Amounts, contribution

WIDTH = 10_000
RULES = parse_rules(
    {
        "rules": [
            {"name": "much", "kind": "threshold", "above": 30, "clear": 20, "by": ["channel"]},
            {"name": "fell", "kind": "change", "falls": 0.5, "baseline": 3, "at_least": 1, "by": ["channel"]},
            {"name": "odd", "kind": "zscore", "sigmas": 3, "warmup": 4},
            {"name": "silent", "kind": "silence", "windows": 2, "by": ["channel", "event"], "cooldown": 1},
            {"name": "orders", "kind": "funnel_drop", "after": "A", "step": "B", "at_least": 1, "baseline": 2},
            {"name": "refused", "kind": "reject_rate", "above": 0.3, "at_least": 1},
            {"name": "minute", "kind": "threshold", "above": 90, "window": 60},
        ]
    },
    10,
)

Row = dict[str, Any]
metrics = st.builds(
    lambda start, channel, event, events: {
        "window_start": start * WIDTH, "channel": channel, "event": event, "campaign": "", "events": events,
        "revenue": 0.0, "late": 0,
    },
    st.integers(0, 30), st.sampled_from(["web", "app"]), st.sampled_from(["A", "B"]), st.integers(1, 40),
)  # fmt: skip
quality = st.builds(
    lambda start, measure, value: {"window_start": start * WIDTH, **measure, "value": float(value)},
    st.integers(0, 30),
    st.sampled_from([{"measure": "received", "label": ""}, {"measure": "rejected", "label": "malformed_json"}]),
    st.integers(1, 40),
)
updates = st.lists(st.one_of(metrics, quality), max_size=60)


def row_key(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("window_start", "measure", "label", "channel", "event"))


class Platform:
    """What the job does, without Flink: changes of rows go into timelines, the clock moves on, alerts are upserted."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], Row] = {}
        self.timelines: dict[tuple[str, tuple[str, ...]], Timeline] = {}
        self.alerts: dict[str, Alert] = {}

    def upsert(self, row: Row) -> None:
        before = self.rows.get(row_key(row))
        self.rows[row_key(row)] = row
        for changed, sign in ((before, -1), (row, 1)):
            for rule in RULES:
                added = contribution(rule, changed) if changed else None
                if added:
                    timeline = self.timelines.get((rule.name, added.key), Timeline())
                    self.timelines[rule.name, added.key] = timeline.add(added.start, added.amounts, sign)

    def judge(self, clock: int) -> list[Alert]:
        told = []
        for (name, key), timeline in self.timelines.items():
            rule = next(rule for rule in RULES if rule.name == name)
            self.timelines[name, key], changes = judge_until(rule, key, timeline, clock)
            told += changes
        self.alerts.update((alert.alert_id, alert) for alert in told)
        return told

    def standing(self) -> list[Alert]:
        return sorted(alert for alert in self.alerts.values() if alert.status != WITHDRAWN)


def expected(rows: list[Row], clock: int) -> list[Alert]:
    return sorted(alert for _, alert in judge_all(RULES, rows, clock))


@given(updates=updates, clocks=st.lists(st.integers(0, 60), max_size=60), seed=st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_any_order_of_updates_and_any_pace_of_the_clock_come_to_the_alerts_of_the_final_windows(
    updates: list[Row], clocks: list[int], seed: random.Random
) -> None:
    platform, clock = Platform(), 0
    for number, row in enumerate(updates):
        platform.upsert(row)
        if number < len(clocks):
            clock = max(clock, clocks[number] * WIDTH)
            platform.judge(clock)
        if number % 7 == 3:
            platform.timelines = pickle.loads(pickle.dumps(platform.timelines))
    platform.judge(61 * WIDTH)
    final = list(platform.rows.values())
    seed.shuffle(final)
    assert platform.standing() == expected(final, 61 * WIDTH)


@given(updates=updates)
def test_what_was_told_is_not_told_again(updates: list[Row]) -> None:
    platform = Platform()
    for row in updates:
        platform.upsert(row)
    platform.judge(40 * WIDTH)
    for row in updates:
        platform.upsert(platform.rows[row_key(row)])
    assert platform.judge(40 * WIDTH) == []


def page_views(start: int, events: int) -> Row:
    return {
        "window_start": start * WIDTH, "channel": "web", "event": "A", "campaign": "", "events": events, "revenue": 0.0,
        "late": 0,
    }  # fmt: skip


def test_a_correction_updates_an_open_alert_and_withdraws_one_that_no_longer_follows() -> None:
    platform = Platform()
    platform.upsert(page_views(0, 10))
    platform.upsert(page_views(1, 31))
    (opened,) = [alert for alert in platform.judge(2 * WIDTH) if alert.rule == "much"]
    assert (opened.status, opened.worst) == (OPEN, 31)
    platform.upsert(page_views(1, 50))
    (updated,) = [alert for alert in platform.judge(2 * WIDTH) if alert.rule == "much"]
    assert (updated.alert_id, updated.status, updated.worst) == (opened.alert_id, OPEN, 50)
    platform.upsert(page_views(1, 12))
    (withdrawn,) = [alert for alert in platform.judge(2 * WIDTH) if alert.rule == "much"]
    assert (withdrawn.alert_id, withdrawn.status) == (opened.alert_id, WITHDRAWN)


def test_settled_windows_change_no_more_and_the_state_behind_them_stays() -> None:
    platform = Platform()
    for start in range(2 * HISTORY):
        platform.upsert(page_views(start, 10))
        if start % 97 == 0:
            platform.judge(start * WIDTH)
    platform.judge(2 * HISTORY * WIDTH)
    timeline = platform.timelines["much", ("web",)]
    assert len(timeline.amounts) == HISTORY
    assert timeline.add(0, Amounts(1_000_000_000, 0, 1)) is timeline
    platform.upsert(page_views(5, 1000))
    assert not [alert for alert in platform.judge(2 * HISTORY * WIDTH) if alert.rule == "much"]
    platform.upsert(page_views(HISTORY + 5, 1000))
    assert [alert.status for alert in platform.judge(2 * HISTORY * WIDTH) if alert.rule == "much"] == [RESOLVED]


def test_a_key_without_data_is_followed_for_a_while_only_and_goes_on_when_data_come_back() -> None:
    (rule,) = (rule for rule in RULES if rule.name == "silent")
    day = 86_400_000
    timeline, told = judge_until(rule, ("web", "A"), Timeline().add(0, Amounts(1_000_000, 0, 1)), day)
    assert [alert.status for alert in told] == [OPEN]
    assert told[0].windows == HISTORY - 1
    assert next_due(rule, timeline) is None
    timeline, told = judge_until(rule, ("web", "A"), timeline.add(day, Amounts(1_000_000, 0, 1)), day + WIDTH)
    assert [(alert.status, alert.resolved_ms) for alert in told] == [(RESOLVED, day + WIDTH)]


def test_due_is_the_end_of_the_next_window() -> None:
    (rule,) = (rule for rule in RULES if rule.name == "minute")
    timeline = Timeline().add(60_000, Amounts(1, 0, 1))
    assert next_due(rule, Timeline()) is None
    assert next_due(rule, timeline) == 120_000
    timeline, _ = judge_until(rule, (), timeline, 125_000)
    assert next_due(rule, timeline) == 180_000
    assert timeline.was_judged(60_000) and not timeline.was_judged(120_000)
