"""Customers through stations in a row, as a discrete-event simulation (SimPy).

A customer is one event, or a batch of events that travels together. Customers come at random (Poisson), more often in
bursts; each station has servers at one queue, or a queue for each server, and may lose servers for a while. A server
that fails ends what it does at that moment: its work is not lost, as it is not with checkpoints.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, NamedTuple

import simpy

FAILED = -1
"""Failures go before all customers in a queue; customers have priorities from 0, the most urgent."""

SAMPLES = 600
"""How often the length of queues is looked at."""


@dataclass(frozen=True)
class Station:
    """`servers` that take `service_seconds` for a customer in the mean. With `keyed` each has a queue of its own."""

    name: str
    servers: int
    service_seconds: float
    keyed: bool = False


class Burst(NamedTuple):
    """`factor` times as many customers from `start` on, for so many seconds."""

    factor: float
    start: float
    seconds: float


class Failure(NamedTuple):
    """`servers` of the station are away from `start` on, for so many seconds."""

    station: str
    servers: int
    start: float
    seconds: float


@dataclass(frozen=True)
class Scenario:
    """What to simulate: `rate` in customers a second, for `seconds`; what comes in the first `warm_up` seconds is left
    out of the figures. `variation` is the standard deviation of service times divided by their mean, for log-normal
    ones. The share `urgent` of customers goes first with the discipline `priority`."""

    stations: Sequence[Station]
    rate: float
    seconds: float
    warm_up: float = 0
    seed: int = 1
    service: Literal["exponential", "log-normal"] = "exponential"
    variation: float = 1.0
    discipline: Literal["fifo", "priority"] = "fifo"
    urgent: float = 0.1
    bursts: Sequence[Burst] = ()
    failures: Sequence[Failure] = ()


class Customer(NamedTuple):
    """arrived: seconds since the beginning. waits: seconds in the queue of each station. latency: from arrival to the
    end of the last service."""

    arrived: float
    urgent: bool
    waits: tuple[float, ...]
    latency: float


class Run(NamedTuple):
    """What happened.

    arrivals: when customers came, all of them. customers: those that came after the warm-up and were done before the
    end, in order of arrival. times: when the queues were looked at. queues: by station, how many waited then. busy: by
    station, the share of time that its servers worked, after the warm-up. unfinished: how many were in the system at
    the end.
    """

    arrivals: list[float]
    customers: list[Customer]
    times: list[float]
    queues: dict[str, list[int]]
    busy: dict[str, float]
    unfinished: int


def simulate(scenario: Scenario, progress: Callable[[float], None] = lambda seconds: None) -> Run:
    """Run it; the same scenario gives the same run. `progress` is told simulated seconds. ValueError for a failure of a
    station that there is not."""
    unknown = {failure.station for failure in scenario.failures} - {station.name for station in scenario.stations}
    if unknown:
        raise ValueError(f"there is no station {', '.join(sorted(unknown))}")
    return _System(scenario, progress).run()


class _System:
    def __init__(self, scenario: Scenario, progress: Callable[[float], None]) -> None:
        self._scenario = scenario
        self._progress = progress
        self._env = simpy.Environment()
        self._servers = {station.name: self._resources(station) for station in scenario.stations}
        self._services = [_service(scenario, station) for station in scenario.stations]
        self._worked = dict.fromkeys(self._servers, 0.0)
        self._arrived: list[float] = []
        self._customers: list[Customer] = []
        self._inside = 0
        self._times: list[float] = []
        self._queues: dict[str, list[int]] = {name: [] for name in self._servers}

    def _resources(self, station: Station) -> list[simpy.PriorityResource]:
        if station.keyed:
            return [simpy.PriorityResource(self._env, 1) for _ in range(station.servers)]
        return [simpy.PriorityResource(self._env, station.servers)]

    def run(self) -> Run:
        self._env.process(self._arrivals())
        self._env.process(self._watch())
        for failure in self._scenario.failures:
            for number in range(failure.servers):
                self._env.process(self._fail(failure, number))
        self._env.run(until=self._scenario.seconds)
        counted = self._scenario.seconds - self._scenario.warm_up
        busy = {
            station.name: self._worked[station.name] / (station.servers * counted)
            for station in self._scenario.stations
        }
        customers = sorted(one for one in self._customers if one.arrived >= self._scenario.warm_up)
        return Run(self._arrived, customers, self._times, self._queues, busy, self._inside)

    def _arrivals(self) -> Generator[Any, Any, None]:
        """Thinning (Lewis and Shedler, 1979): candidates at the highest rate, of which each stays with the chance of
        the rate at its time."""
        random, urgent = self._random("arrivals"), self._random("urgent")
        bursts = self._scenario.bursts
        highest = self._scenario.rate * math.prod(max(1.0, burst.factor) for burst in bursts)
        priority = self._scenario.discipline == "priority"
        while True:
            yield self._env.timeout(random.expovariate(highest))
            factor = math.prod(
                burst.factor for burst in bursts if burst.start <= self._env.now < burst.start + burst.seconds
            )
            if random.random() * highest < self._scenario.rate * factor:
                self._env.process(self._customer(priority and urgent.random() < self._scenario.urgent))

    def _customer(self, urgent: bool) -> Generator[Any, Any, None]:
        arrived = self._env.now
        self._arrived.append(arrived)
        self._inside += 1
        waits = []
        for station, service in zip(self._scenario.stations, self._services):
            came = self._env.now
            with service.choose(self._servers[station.name]).request(priority=0 if urgent else 1) as request:
                yield request
                began = self._env.now
                yield self._env.timeout(service.seconds())
            waits.append(began - came)
            self._worked[station.name] += max(0.0, self._env.now - max(began, self._scenario.warm_up))
        self._inside -= 1
        self._customers.append(Customer(arrived, urgent, tuple(waits), self._env.now - arrived))

    def _fail(self, failure: Failure, number: int) -> Generator[Any, Any, None]:
        servers = self._servers[failure.station]
        yield self._env.timeout(failure.start)
        with servers[number % len(servers)].request(priority=FAILED) as request:
            yield request
            yield self._env.timeout(max(0.0, failure.start + failure.seconds - self._env.now))

    def _watch(self) -> Generator[Any, Any, None]:
        while True:
            self._times.append(self._env.now)
            for name, servers in self._servers.items():
                self._queues[name].append(sum(len(server.queue) for server in servers))
            self._progress(self._env.now)
            yield self._env.timeout(self._scenario.seconds / SAMPLES)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self._scenario.seed} {purpose}")


class _Service(NamedTuple):
    """How long a customer of a station is served, and by whom."""

    seconds: Callable[[], float]
    choose: Callable[[list[simpy.PriorityResource]], simpy.PriorityResource]


def _service(scenario: Scenario, station: Station) -> _Service:
    times, keys = (Random(f"{scenario.seed} {purpose} {station.name}") for purpose in ("service", "key"))
    mean = station.service_seconds

    def choose(servers: list[simpy.PriorityResource]) -> simpy.PriorityResource:
        return servers[keys.randrange(len(servers))] if station.keyed else servers[0]

    if scenario.service == "exponential":
        return _Service(lambda: times.expovariate(1 / mean), choose)
    spread = math.log(1 + scenario.variation**2)  # of the logarithm, so that mean and variation are what is asked for
    return _Service(lambda: times.lognormvariate(math.log(mean) - spread / 2, math.sqrt(spread)), choose)


def percentile(values: Sequence[float], share: float) -> float:
    """The least of `values`, sorted, that at least this share of them does not exceed; not a number without values."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


def by_time(run: Run, bins: int) -> list[tuple[float, list[float]]]:
    """Latencies, sorted, of the customers that arrived in each of so many equal spans of time: (middle, latencies)."""
    if not run.customers:
        return []
    arrivals = [customer.arrived for customer in run.customers]
    first, span = arrivals[0], (arrivals[-1] - arrivals[0]) / bins or 1.0
    edges = [bisect_left(arrivals, first + number * span) for number in range(bins)] + [len(arrivals)]
    return [
        (first + (number + 0.5) * span, sorted(one.latency for one in run.customers[start:end]))
        for number, (start, end) in enumerate(zip(edges, edges[1:]))
        if end > start
    ]
