"""`step` of each kind of rule: when an alert opens, updates, resolves and comes back; restarts and repeats."""

from __future__ import annotations

import pickle
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.alerts.incidents import OPEN, RESOLVED, Alert, State, step, summary
from dmp.core.alerts.rules import Rule, parse_rules
from dmp.core.alerts.windows import Window

SECONDS = 10
WIDTH = SECONDS * 1000


def rule(**settings: Any) -> Rule:
    return parse_rules({"rules": [{"name": "some-rule", **settings}]}, SECONDS)[0]


def windows(values: list[Optional[float]], whole: Optional[float] = None) -> list[Window]:
    return [Window(number * WIDTH, value, whole) for number, value in enumerate(values)]


def run(under_test: Rule, series: list[Window], state: Optional[State] = None) -> tuple[State, list[Alert]]:
    state, told = state or State(), []
    for window in series:
        state, alerts = step(under_test, ("web",), state, window)
        told += alerts
    return state, told


def statuses(under_test: Rule, values: list[Optional[float]], whole: Optional[float] = None) -> list[tuple[int, str]]:
    """(number of the window, status) of everything that was told."""
    _, told = run(under_test, windows(values, whole))
    return [((alert.resolved_ms or alert.updated_ms) // WIDTH - 1, alert.status) for alert in told]


THRESHOLD = rule(kind="threshold", above=10, clear=5, cooldown=3)
CHANGE = rule(kind="change", falls=0.5, rises=1, baseline=4, at_least=1, adopt=5)
ZSCORE = rule(kind="zscore", sigmas=4, warmup=5, memory=10, adopt=5)
SILENCE = rule(kind="silence", windows=3)
FUNNEL = rule(kind="funnel_drop", after="Checkout Started", step="Order Completed", baseline=4, adopt=5)
REJECTS = rule(kind="reject_rate", above=0.1, clear=0.05)
KINDS = [THRESHOLD, CHANGE, ZSCORE, SILENCE, FUNNEL, REJECTS]
each_kind = pytest.mark.parametrize("under_test", KINDS, ids=lambda one: one.kind)


def test_a_threshold_opens_updates_and_resolves_with_hysteresis() -> None:
    found = statuses(THRESHOLD, [0, 11, 12, 8, 4, 8, 5, 5, 0])
    assert found == [(1, OPEN), (2, OPEN), (3, OPEN), (5, OPEN), (7, RESOLVED)]


def test_an_alert_keeps_its_worst_value_its_start_and_its_id() -> None:
    _, told = run(THRESHOLD, windows([0, 11, 40, 12, 0, 0]))
    assert {alert.alert_id for alert in told} == {told[0].alert_id}
    last = told[-1]
    assert (last.started_ms, last.opened_ms, last.resolved_ms) == (WIDTH, 2 * WIDTH, 6 * WIDTH)
    assert (last.worst, last.value, last.windows, last.reopened) == (40, 12, 3, 0)


def test_a_breach_within_the_cool_down_opens_the_same_alert_again_and_a_later_one_another() -> None:
    _, told = run(THRESHOLD, windows([0, 11, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 11]))
    assert [alert.status for alert in told] == [OPEN, RESOLVED, OPEN, RESOLVED, OPEN]
    assert [alert.reopened for alert in told] == [0, 0, 1, 1, 0]
    assert told[0].alert_id == told[3].alert_id != told[4].alert_id


def test_without_cool_down_every_breach_is_an_alert_of_its_own() -> None:
    quick = rule(kind="threshold", above=10, cooldown=0, resolve_after=1)
    _, told = run(quick, windows([11, 0, 11]))
    assert len({alert.alert_id for alert in told}) == 2


def test_open_after_waits_for_breaches_in_a_row_and_counts_them_all() -> None:
    patient = rule(kind="threshold", above=10, open_after=3)
    assert statuses(patient, [11, 11, 0, 11, 11]) == []
    _, told = run(patient, windows([0, 11, 12, 13]))
    assert [(alert.started_ms, alert.opened_ms, alert.windows, alert.worst) for alert in told] == [
        (WIDTH, 4 * WIDTH, 3, 13)
    ]


def test_below_a_threshold_the_first_window_is_not_judged_for_it_may_be_a_part() -> None:
    low = rule(kind="threshold", below=5, clear=8)
    assert statuses(low, [1, 9, 9]) == []
    assert statuses(low, [9, 4, 6, 8, 9]) == [(1, OPEN), (2, OPEN), (4, RESOLVED)]


def test_a_change_is_judged_against_calm_windows_only() -> None:
    assert statuses(CHANGE, [9, 10, 10, 10, 10, 5, 5, 10, 10]) == [(5, OPEN), (6, OPEN), (8, RESOLVED)]
    assert statuses(CHANGE, [9, 10, 10, 10, 10, 20, 19]) == [(5, OPEN), (6, OPEN)]


def test_a_change_is_not_judged_on_a_small_baseline() -> None:
    assert statuses(rule(kind="change", falls=0.5, baseline=2, at_least=50), [40, 40, 40, 40, 0]) == []


def test_a_change_that_stays_becomes_what_is_normal() -> None:
    _, told = run(CHANGE, windows([9, 10, 10, 10, 10, *[1.0] * 20]))
    assert [alert.status for alert in told] == [OPEN] * 4 + [RESOLVED]
    assert told[-1].adopted
    assert told[-1].windows == 5


def test_a_zscore_knows_the_usual_spread_and_takes_chance_for_no_more_than_it_is() -> None:
    usual: list[Optional[float]] = [100, 104, 98, 101, 97, 103, 99, 102]
    assert statuses(ZSCORE, [*usual, 130]) == []  # three square roots of 100
    assert statuses(ZSCORE, [*usual, 145, 100, 100]) == [(8, OPEN), (10, RESOLVED)]
    assert statuses(ZSCORE, [*usual, 50]) == [(8, OPEN)]
    assert statuses(rule(kind="zscore", sigmas=4, warmup=5, direction="up"), [*usual, 50]) == []


def test_silence_starts_with_its_first_window_and_ends_with_data() -> None:
    _, told = run(SILENCE, windows([4, 0, 0, 0, 0, 7]))
    assert [alert.status for alert in told] == [OPEN, OPEN, RESOLVED]
    assert (told[0].started_ms, told[0].opened_ms, told[-1].resolved_ms) == (WIDTH, 4 * WIDTH, 6 * WIDTH)
    assert told[-1].worst == 4


def test_a_funnel_is_judged_only_where_enough_people_came() -> None:
    assert statuses(FUNNEL, [0.7, 0.75, 0.7, 0.8, 0.7, 0.3, 0.3, 0.7, 0.7], 50) == [(5, OPEN), (6, OPEN), (8, RESOLVED)]
    assert statuses(FUNNEL, [0.7, 0.75, 0.7, 0.8, 0.7, 0.3, 0.3], 10) == []


def test_a_reject_rate_needs_enough_events() -> None:
    assert statuses(REJECTS, [0.2, 0.01, 0.01], 100) == [(0, OPEN), (2, RESOLVED)]
    assert statuses(REJECTS, [0.2, 0.01], 10) == []


def test_what_is_not_known_neither_opens_nor_resolves() -> None:
    assert statuses(REJECTS, [0.2, None, None, None], 100) == [(0, OPEN)]


def test_summaries_are_sentences() -> None:
    by_channel = rule(kind="threshold", above=10, by=["channel"])
    for under_test, series, text in (
        (by_channel, windows([12]), "events of channel=web 12 in 10 s, limit 10"),
        (SILENCE, windows([4, 0, 0, 0]), "no events of  for 3 windows of 10 s"),
        (REJECTS, windows([0.2], 100), "share of rejected events 0.2 in 10 s, limit 0.1"),
    ):
        _, (alert,) = run(under_test, series)
        key = ("web",) if under_test is by_channel else ()
        assert summary(under_test, alert._replace(key=key)) == text.replace(" of  ", " ")


values = st.lists(st.one_of(st.none(), st.integers(0, 60).map(float), st.floats(0, 2)), max_size=60)


@each_kind
@given(values=values, cut=st.integers(0, 60))
def test_a_restart_in_between_changes_nothing(under_test: Rule, values: list[Optional[float]], cut: int) -> None:
    series = windows(values, 50)
    whole = run(under_test, series)
    state, before = run(under_test, series[:cut])
    restored = pickle.loads(pickle.dumps(state))
    state, after = run(under_test, series[cut:], restored)
    assert (state, before + after) == whole


@each_kind
@given(values=values, repeats=st.lists(st.integers(0, 59), max_size=20))
def test_a_window_that_comes_again_changes_nothing(
    under_test: Rule, values: list[Optional[float]], repeats: list[int]
) -> None:
    series = windows(values, 50)
    repeated = [window for number, window in enumerate(series) for _ in range(1 + repeats.count(number))]
    older = [window for number, window in enumerate(series) for window in (*series[:number:7], window)]
    assert run(under_test, repeated) == run(under_test, older) == run(under_test, series)


@each_kind
@given(values=values)
def test_one_incident_is_one_alert(under_test: Rule, values: list[Optional[float]]) -> None:
    """What is told of an alert goes from open to resolved, and back only within the cool-down; never two at once."""
    _, told = run(under_test, windows(values, 50))
    for before, after in zip([None, *told], told):
        same = before is not None and before.alert_id == after.alert_id
        if before is not None and before.status == OPEN:
            assert same
        elif same:
            assert after.status == OPEN and before is not None and before.resolved_ms is not None
            assert after.reopened == before.reopened + 1
        else:
            assert after.status == OPEN and after.reopened == 0
        assert after.started_ms < after.opened_ms <= after.updated_ms
        assert (after.resolved_ms is None) == (after.status == OPEN)
