"""Queues: utilisation, waiting time and length by the formulas of the textbooks.

Customers come one by one at random (Poisson). Exact: M/M/c by Erlang C (Kleinrock, Queueing Systems 1, 1975, 3.5) and
M/G/1 by Pollaczek and Khinchine (there, 5.6). Approximate: M/G/c by Allen and Cunneen (Allen, Probability, Statistics
and Queueing Theory, 1978, 5.3), which is exact for exponential service and for one server.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Queue(NamedTuple):
    """A queue in the steady state; times in seconds.

    utilisation: the share of time that a server is busy. waits: the chance that a customer has to wait. wait: the mean
    time before service. wait_p99: what 99 of 100 customers wait at most. length: the mean number that wait. All but
    utilisation are infinite or 1 when more comes than the servers can do: then the queue only grows.
    """

    utilisation: float
    waits: float
    wait: float
    wait_p99: float
    length: float


def erlang_c(servers: int, load: float) -> float:
    """The chance that a customer finds all servers busy; `load` is arrival rate / service rate, in Erlang."""
    if load >= servers:
        return 1.0
    blocked = 1.0  # Erlang B by its recursion over the number of servers, which neither overflows nor cancels
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
        if blocked < 1e-300:  # and less with every further server, of which there may be millions
            return 0.0
    utilisation = load / servers
    return blocked / (1 - utilisation * (1 - blocked))


def mmc(arrival_rate: float, service_rate: float, servers: int) -> Queue:
    """`servers` with exponential service times at one queue; rates in customers a second, service's for each server."""
    return mgc(arrival_rate, service_rate, servers, variation=1.0)


def mgc(arrival_rate: float, service_rate: float, servers: int, variation: float) -> Queue:
    """The same with any service times; `variation` is their standard deviation divided by their mean.

    The 99th percentile takes the waiting times of those who wait to be exponential, as they are in M/M/c.
    """
    load = arrival_rate / service_rate
    utilisation = load / servers
    if utilisation >= 1:
        return Queue(utilisation, 1.0, math.inf, math.inf, math.inf)
    waits = erlang_c(servers, load)
    if not waits:
        return Queue(utilisation, 0.0, 0.0, 0.0, 0.0)
    spread = (1 + variation**2) / 2
    of_those_who_wait = spread / (servers * service_rate - arrival_rate)
    wait = waits * of_those_who_wait
    wait_p99 = max(0.0, math.log(waits / 0.01)) * of_those_who_wait
    return Queue(utilisation, waits, wait, wait_p99, arrival_rate * wait)


def split(arrival_rate: float, service_rate: float, servers: int, variation: float) -> Queue:
    """Each server with a queue of its own that gets an equal part, as where a key decides on the server.

    `length` is that of all queues together.
    """
    one = mgc(arrival_rate / servers, service_rate, 1, variation)
    return one._replace(length=one.length * servers)


def catch_up_seconds(away: float, arrival_rate: float, capacity: float) -> float:
    """How long it takes to work off what came during `away` seconds, while more comes. Infinite without headroom."""
    return away * arrival_rate / (capacity - arrival_rate) if capacity > arrival_rate else math.inf
