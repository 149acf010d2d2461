"""Judging one window against the ones before: for each kind of rule, what it remembers and when it is in breach."""

from __future__ import annotations

import math
from typing import NamedTuple

from dmp.core.alerts.rules import Change, FunnelDrop, RejectRate, Rule, Silence, Threshold, ZScore
from dmp.core.alerts.windows import Window


class Memory(NamedTuple):
    """What a detector knows of calm windows: recent values (change, funnel drop), mean and variance with the number of
    windows behind them (z-score), or for how many windows there has been no data (silence)."""

    recent: tuple[float, ...] = ()
    seen: int = 0
    mean: float = 0.0
    variance: float = 0.0


class Verdict(NamedTuple):
    """A window's value, what was expected (a baseline or the limit), and how it is: in breach, calm, or, between the
    two limits of hysteresis, neither. `excess` orders breaches: the greatest is the worst."""

    value: float
    expected: float
    breach: bool
    calm: bool
    excess: float


def judge(rule: Rule, memory: Memory, window: Window) -> Verdict | None:
    """The verdict on a window; None when it cannot be judged: unknown, too small, or nothing to compare it with."""
    if isinstance(rule, Silence):
        return _silence(rule, memory, window)
    if window.value is None:
        return None
    if isinstance(rule, Threshold):
        return _limit(window.value, rule.above, rule.below, rule.clear)
    if isinstance(rule, RejectRate):
        return _limit(window.value, rule.above, None, rule.clear) if (window.whole or 0) >= rule.at_least else None
    if isinstance(rule, ZScore):
        return _zscore(rule, memory, window.value)
    if isinstance(rule, FunnelDrop):
        enough = (window.whole or 0) >= rule.at_least
        return _change(memory, window.value, None, rule.falls, rule.baseline, 0) if enough else None
    assert isinstance(rule, Change)
    return _change(memory, window.value, rule.rises, rule.falls, rule.baseline, rule.at_least)


def learn(rule: Rule, memory: Memory, window: Window) -> Memory:
    """The memory with a window that is not in breach."""
    if isinstance(rule, Silence):
        return memory._replace(seen=0 if window.value else memory.seen + 1)
    if window.value is None:
        return memory
    if isinstance(rule, FunnelDrop):
        enough = (window.whole or 0) >= rule.at_least
        return memory._replace(recent=(*memory.recent, window.value)[-rule.baseline :]) if enough else memory
    if isinstance(rule, Change):
        return memory._replace(recent=(*memory.recent, window.value)[-rule.baseline :])
    if isinstance(rule, ZScore):
        return _weighted(rule, memory, window.value)
    return memory


def _limit(value: float, above: float | None, below: float | None, clear: float | None) -> Verdict:
    sign, limit = (1, above) if above is not None else (-1, below or 0.0)
    calm_from = limit if clear is None else clear
    return Verdict(value, limit, sign * value > sign * limit, sign * value <= sign * calm_from, sign * (value - limit))


def _silence(rule: Silence, memory: Memory, window: Window) -> Verdict:
    windows = 0 if window.value else memory.seen + 1
    return Verdict(windows, rule.windows, windows >= rule.windows, windows == 0, windows)


def _change(
    memory: Memory, value: float, rises: float | None, falls: float | None, baseline: int, at_least: float
) -> Verdict | None:
    if len(memory.recent) < baseline:
        return None
    mean = math.fsum(memory.recent) / len(memory.recent)
    if mean <= 0 or mean < at_least:
        return None
    change = (value - mean) / mean
    limits = [(change, rises), (-change, falls)]
    breach = any(limit is not None and share >= limit for share, limit in limits)
    calm = all(limit is None or share < limit / 2 for share, limit in limits)
    return Verdict(value, mean, breach, calm, abs(change))


def _zscore(rule: ZScore, memory: Memory, value: float) -> Verdict | None:
    if memory.seen < rule.warmup:
        return None
    deviation = max(rule.min_deviation, math.sqrt(memory.variance), math.sqrt(abs(memory.mean)))
    score = (value - memory.mean) / deviation
    score = {"up": score, "down": -score, "both": abs(score)}[rule.direction]
    clear = rule.sigmas / 2 if rule.clear_sigmas is None else rule.clear_sigmas
    return Verdict(value, memory.mean, score > rule.sigmas, score <= clear, score)


def _weighted(rule: ZScore, memory: Memory, value: float) -> Memory:
    """Exponentially weighted mean and variance (Finch 2009); the first windows weigh alike."""
    alpha = max(2 / (rule.memory + 1), 1 / (memory.seen + 1))
    difference = value - memory.mean
    step = alpha * difference
    variance = (1 - alpha) * (memory.variance + difference * step)
    return memory._replace(seen=memory.seen + 1, mean=memory.mean + step, variance=variance)
