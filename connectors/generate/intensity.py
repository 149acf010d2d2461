"""How busy it is over time, and what goes wrong when: the rate of a Poisson process as a function of time.

A homogeneous Poisson process becomes one of a varying rate by mapping its arrivals through the inverse of the
cumulative rate (Cinlar, Introduction to Stochastic Processes, 1975, section 4.7).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400
PROFILES = ("constant", "day", "bursts")
BUSIEST_HOUR = 20  # UTC
DAY_AMPLITUDE = 0.8
STEP_S = 300  # in which the curve of the day counts as straight
BURST_EVERY_S, BURST_S, BURST_FACTOR = 60, 6, 5.0

INCIDENTS = {
    "outage": "no messages",
    "surge": "five times as many messages",
    "rejects": "half of the messages are malformed",
    "payments": "every order fails",
    "slow": "everything is served ten times as slowly",
}
RATE_FACTORS = {"outage": 0.0, "surge": 5.0}
SLOW_FACTOR = 10.0
REJECTED_SHARE = 0.5


class Incident(NamedTuple):
    """One of INCIDENTS, from `start_s` seconds after the beginning of the traffic on, for `seconds`."""

    kind: str
    start_s: float
    seconds: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.seconds


def during(incidents: tuple[Incident, ...], kind: str, elapsed_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which moments are within an incident of this kind."""
    within = np.zeros(len(elapsed_s), dtype=np.bool_)
    for incident in incidents:
        if incident.kind == kind:
            within |= (elapsed_s >= incident.start_s) & (elapsed_s < incident.end_s)
    return within


def warp(
    profile: str, incidents: tuple[Incident, ...], start_s: float, even_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Arrivals of a process of constant rate as those of one of the same mean rate that follows the profile.

    Both are seconds since the beginning of the traffic, which is at `start_s` seconds since 1970; incidents come on top
    of the profile and change the mean.
    """
    if profile == "constant" and not incidents:
        return even_s
    needed = float(even_s[-1]) if len(even_s) else 0.0
    moments, cumulative = _table(profile, incidents, start_s % DAY_S, 2 ** int(np.ceil(np.log2(needed + 1))))
    return np.interp(even_s, cumulative, moments)


@lru_cache(maxsize=4)
def _table(
    profile: str, incidents: tuple[Incident, ...], time_of_day_s: float, needed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments, and what the rate's factor adds up to until then: at least `needed`."""
    moments, cumulative = np.zeros(1), np.zeros(1)
    while cumulative[-1] < needed:
        edges = _edges(profile, incidents, moments[-1], max(needed, DAY_S))
        middles = (edges[:-1] + edges[1:]) / 2
        steps = _factor(profile, incidents, time_of_day_s, middles) * np.diff(edges)
        moments = np.concatenate([moments, edges[1:]])
        cumulative = np.concatenate([cumulative, cumulative[-1] + np.cumsum(steps)])
    return moments, cumulative


def _edges(profile: str, incidents: tuple[Incident, ...], begin: float, length: float) -> NDArray[np.float64]:
    """Moments between which the factor is constant or nearly so."""
    end = begin + length
    edges = [np.array([begin, end])]
    edges += [np.array([incident.start_s, incident.end_s]) for incident in incidents]
    if profile == "day":
        edges.append(np.arange(begin, end, STEP_S))
    elif profile == "bursts":
        starts = np.arange(begin // BURST_EVERY_S * BURST_EVERY_S, end, BURST_EVERY_S)
        edges += [starts, starts + BURST_S]
    merged = np.unique(np.concatenate(edges))
    return merged[(merged >= begin) & (merged <= end)]


def _factor(
    profile: str, incidents: tuple[Incident, ...], time_of_day_s: float, moments: NDArray[np.float64]
) -> NDArray[np.float64]:
    """On the mean rate; its own mean is 1 over a day, and over each burst with the calm after it."""
    factor = np.ones(len(moments))
    if profile == "day":
        hours = (time_of_day_s + moments) / 3600
        factor += DAY_AMPLITUDE * np.cos(2 * np.pi * (hours - BUSIEST_HOUR) / 24)
    elif profile == "bursts":
        calm = (BURST_EVERY_S - BURST_FACTOR * BURST_S) / (BURST_EVERY_S - BURST_S)
        factor = np.where(moments % BURST_EVERY_S < BURST_S, BURST_FACTOR, calm)
    for kind, change in RATE_FACTORS.items():
        factor[during(incidents, kind, moments)] *= change
    return factor
