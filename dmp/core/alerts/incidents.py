"""One incident is one alert: it opens, is updated, resolves, and opens again when it comes back soon.

`step` takes the windows of one key in their order and is the whole of what a rule does.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from dmp.core.alerts.detectors import Memory, Verdict, judge, learn
from dmp.core.alerts.rules import Change, FunnelDrop, Rule, Silence, Threshold, ZScore, width_ms
from dmp.core.alerts.windows import Window

OPEN, RESOLVED, WITHDRAWN = "open", "resolved", "withdrawn"
STATUSES = (OPEN, RESOLVED, WITHDRAWN)


class Alert(NamedTuple):
    """One incident. Times are epoch milliseconds of event time.

    `started_ms`: begin of the first window in breach. `opened_ms`, `updated_ms`, `resolved_ms`: ends of the windows in
    which it opened, was in breach or not calm last, and was found calm for long enough (or, `adopted`, had become what
    is normal). `value`, `expected`: of the window that ended at `updated_ms`; `worst`: the value furthest off.
    `windows`: how many were in breach; `reopened`: how often it came back.
    """

    alert_id: str
    rule: str
    key: tuple[str, ...]
    status: str
    started_ms: int
    opened_ms: int
    updated_ms: int
    resolved_ms: int | None
    adopted: bool
    value: float
    expected: float
    worst: float
    worst_excess: float
    windows: int
    reopened: int


class State(NamedTuple):
    """What a rule knows of a key: the begin of the window it took last, the detector's memory, breaches in a row that
    have not opened an alert yet, the alert that is open or may open again, and calm windows in a row behind it."""

    last: int | None = None
    memory: Memory = Memory()
    breaches: tuple[tuple[int, Verdict], ...] = ()
    alert: Alert | None = None
    calm: int = 0


def step(rule: Rule, key: tuple[str, ...], state: State, window: Window) -> tuple[State, tuple[Alert, ...]]:
    """Take the next window of a key: the new state, and its alert if that has changed.

    While an alert is open nothing is learned: what is wrong must not become what is expected, but by
    `adopt`. A window that is not later than the one before has been taken already: nothing changes.
    """
    if state.last is not None and window.start <= state.last:
        return state, ()
    first = state.last is None
    state = state._replace(last=window.start)
    judged = None if first and not _judges_first(rule) else judge(rule, state.memory, window)
    if judged is None:
        learned = state.memory if first or _is_open(state) else learn(rule, state.memory, window)
        return state._replace(memory=learned), ()
    if isinstance(rule, Silence) or not (judged.breach or _is_open(state)):
        state = state._replace(memory=learn(rule, state.memory, window))
    if _is_open(state):
        return _while_open(rule, state, window, judged)
    return _while_calm(rule, key, state, window, judged)


def _judges_first(rule: Rule) -> bool:
    """A part of a window that is above a limit already is so as a whole."""
    return rule.judges_first or (isinstance(rule, Threshold) and rule.above is not None)


def _is_open(state: State) -> bool:
    return state.alert is not None and state.alert.status == OPEN


def _while_calm(
    rule: Rule, key: tuple[str, ...], state: State, window: Window, judged: Verdict
) -> tuple[State, tuple[Alert, ...]]:
    if not judged.breach:
        return state._replace(breaches=(), calm=state.calm + 1), ()
    breaches = (*state.breaches, (window.start, judged))
    if len(breaches) < rule.open_after:
        return state._replace(breaches=breaches), ()
    end = window.start + width_ms(rule)
    if state.alert is not None and state.calm < rule.cooldown:
        alert = state.alert._replace(status=OPEN, resolved_ms=None, reopened=state.alert.reopened + 1)
    else:
        started = breaches[0][0] - (rule.windows - 1) * width_ms(rule) if isinstance(rule, Silence) else breaches[0][0]
        name = alert_id(rule, key, started)
        alert = Alert(name, rule.name, key, OPEN, started, end, end, None, False, 0, 0, 0, float("-inf"), 0, 0)
    for _, verdict in breaches:
        alert = _with_breach(alert, verdict, end)
    return state._replace(breaches=(), alert=alert, calm=0), (alert,)


def _while_open(rule: Rule, state: State, window: Window, judged: Verdict) -> tuple[State, tuple[Alert, ...]]:
    assert state.alert is not None
    end, alert = window.start + width_ms(rule), state.alert
    if judged.calm:
        if state.calm + 1 < rule.resolve_after:
            return state._replace(calm=state.calm + 1), ()
        alert = alert._replace(status=RESOLVED, resolved_ms=end)
        return state._replace(alert=alert, calm=0), (alert,)
    if judged.breach:
        alert = _with_breach(alert, judged, end)
    else:
        alert = alert._replace(value=judged.value, expected=judged.expected, updated_ms=end)
    if isinstance(rule, (Change, FunnelDrop, ZScore)) and alert.windows >= rule.adopt:
        alert = alert._replace(status=RESOLVED, resolved_ms=end, adopted=True)
        return state._replace(alert=alert, calm=rule.cooldown, memory=Memory()), (alert,)
    return state._replace(alert=alert, calm=0), (alert,)


def _with_breach(alert: Alert, judged: Verdict, end: int) -> Alert:
    worse = judged.excess > alert.worst_excess
    return alert._replace(
        value=judged.value, expected=judged.expected, updated_ms=end, windows=alert.windows + 1,
        worst=judged.value if worse else alert.worst, worst_excess=max(judged.excess, alert.worst_excess),
    )  # fmt: skip


def alert_id(rule: Rule, key: tuple[str, ...], started_ms: int) -> str:
    """Stable: the same incident has the same id whenever it is computed."""
    text = "\x1f".join((rule.name, *key, str(started_ms)))
    return "a" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def series_name(rule: Rule, key: tuple[str, ...]) -> str:
    """The key for people: `channel=web campaign=spring`; empty for the one series of a rule without `by`."""
    return " ".join(f"{name}={value}" for name, value in zip(rule.by, key))


def summary(rule: Rule, alert: Alert) -> str:
    """One sentence about an alert."""
    where = f" of {series_name(rule, alert.key)}" if alert.key else ""
    value, expected = f"{alert.value:,.4g}", f"{alert.expected:,.4g}"
    if isinstance(rule, Silence):
        return f"no {rule.watch}{where} for {value} windows of {rule.window} s"
    if isinstance(rule, FunnelDrop):
        return f"{value} of {rule.after} go on to {rule.step}{where}, expected {expected}"
    what = "share of rejected events" if rule.kind == "reject_rate" else f"{rule.watch}{where}"
    against = "limit" if rule.kind in ("threshold", "reject_rate") else "expected"
    return f"{what} {value} in {rule.window} s, {against} {expected}"


def fields(rule: Rule, alert: Alert) -> dict[str, Any]:
    """An alert as the columns of dmp.alerts, but for `decided_at`; times end in _ms and are epoch milliseconds."""
    return {
        "alert_id": alert.alert_id, "rule": rule.name, "kind": rule.kind, "severity": rule.severity,
        "series": series_name(rule, alert.key), "status": alert.status, "summary": summary(rule, alert),
        "started_ms": alert.started_ms, "opened_ms": alert.opened_ms, "updated_ms": alert.updated_ms,
        "resolved_ms": alert.resolved_ms, "adopted": alert.adopted, "value": float(alert.value),
        "expected": float(alert.expected), "worst": float(alert.worst), "windows": alert.windows,
        "reopened": alert.reopened,
    }  # fmt: skip
