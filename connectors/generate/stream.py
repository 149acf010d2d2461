"""The stream of messages: a Poisson process of arrivals, with repeats, old events and faults among them.

The stream is cut into blocks of a fixed number of messages, each of which depends on nothing but the traffic's settings
and its own number. So blocks can be made in parallel, and the same settings give the same bytes on any number of cores.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from connectors.generate.events import Circumstances, EventWriter, Times
from connectors.generate.faults import REASONS, spoil
from connectors.generate.intensity import REJECTED_SHARE, SLOW_FACTOR, Incident, during, warp
from connectors.generate.people import People
from connectors.generate.shop import Indices, visit

BLOCK_MESSAGES = 20_000
NOMINAL_RATE = 1000.0
MEAN_REPEAT_DISTANCE = 500  # messages between a message and its repeat
MEAN_DELAY_US = 150_000  # from the event to its arrival
MAX_DELAY_US = 2_000_000
SERVICES = ("exponential", "log-normal")
LOG_SIGMA = 1.0  # of the logarithm of log-normal times: the slowest in a hundred takes six times the mean
OLD_US = (60_000_000, 3_600_000_000)  # how long before their arrival old events happened: 1 minute to 1 hour

ACCEPTED = "accepted"
DUPLICATE = "duplicate"


class Traffic(NamedTuple):
    """What to generate.

    `rate` is in messages a second (0: as fast as possible), `start_us` in microseconds since 1970; `duplicates`,
    `malformed` and `old` are shares of the messages. `profile` is one of PROFILES; `service` is one of SERVICES or
    empty, with it pages and screens tell how long it took to serve them, `service_ms` in the mean. Malformed messages
    are rejected for one of `reasons`.
    """

    events: int
    rate: float
    seed: int
    start_us: int
    people: int = 10_000
    duplicates: float = 0.02
    malformed: float = 0.01
    old: float = 0.02
    profile: str = "constant"
    incidents: tuple[Incident, ...] = ()
    service: str = ""
    service_ms: float = 100.0
    reasons: tuple[str, ...] = REASONS


@dataclass(frozen=True)
class Block:
    """Messages in the order of their arrival, as columns.

    `outcomes` tells what cleaning must make of each message: ACCEPTED, DUPLICATE or the reason of its rejection;
    `old` marks accepted events that happened minutes before they arrive.
    """

    arrivals_us: list[int]
    values: list[bytes]
    keys: list[Optional[bytes]]
    outcomes: list[str]
    old: list[bool]


def blocks(traffic: Traffic) -> Generator[Block, None, None]:
    """The whole stream, block by block, made by other processes ahead of their use when there are several."""
    spans = _spans(traffic)
    processes = min(len(spans), max((os.cpu_count() or 1) - 1, 1))
    if len(spans) == 1:
        yield make_block(traffic, 0, *spans[0])
        return
    # Forked children would inherit the threads and connections of the Kafka client half-alive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare_worker) as pool:
        ahead: deque[Future[Block]] = deque()
        try:
            for number, span in enumerate(spans):
                ahead.append(pool.submit(make_block, traffic, number, *span))
                if len(ahead) > processes + 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for block in ahead:
                block.cancel()


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    gc.disable()  # making a block leaves no cycles behind, and looking for them takes a tenth of the time


def _spans(traffic: Traffic) -> list[tuple[int, int, int]]:
    """Number of messages, begin and end in microseconds of each block.

    A block ends with its last arrival: the time of n arrivals of a Poisson process has the gamma distribution.
    """
    sizes = np.full(-(-traffic.events // BLOCK_MESSAGES), BLOCK_MESSAGES)
    sizes[-1] -= -traffic.events % BLOCK_MESSAGES
    durations = _random(traffic, 0).standard_gamma(sizes) / (traffic.rate or NOMINAL_RATE)
    ends = traffic.start_us + (np.cumsum(durations) * 1e6).astype(np.int64)
    begins = np.concatenate([[traffic.start_us], ends[:-1]])
    return list(zip(sizes.tolist(), begins.tolist(), ends.tolist()))


def _random(traffic: Traffic, number: int) -> np.random.Generator:
    return np.random.default_rng([traffic.seed, number])


def make_block(traffic: Traffic, number: int, size: int, begin_us: int, end_us: int) -> Block:
    """Block `number` of the stream, whose last message arrives at `end_us`."""
    rng = _random(traffic, number + 1)
    people = People(traffic.people, traffic.seed)
    arrivals = _arrivals(rng, size, begin_us, end_us, traffic)
    elapsed_s = (arrivals - traffic.start_us) / 1e6

    chance = rng.random(size)
    rejects = during(traffic.incidents, "rejects", elapsed_s)
    faulty = chance >= 1 - np.where(rejects, max(REJECTED_SHARE, traffic.malformed), traffic.malformed)
    repeated = (chance < traffic.duplicates) & ~faulty
    repeated[0] = False
    repeated &= not faulty[~repeated].all()  # only well-formed messages are repeated
    originals = size - int(repeated.sum())
    faulty = faulty[~repeated]
    sessions, timeline = visit(people, rng, originals)
    # With the start in them, traffic of the same seed at another time has other message ids.
    id_bytes = np.random.default_rng([traffic.seed, number + 1, traffic.start_us]).bytes(16 * originals)
    writer = EventWriter(people, sessions, timeline, id_bytes, rng)
    rows, is_repeat = _with_repeats(rng, np.flatnonzero(~faulty), originals, size - originals)

    first_arrival = np.empty(originals, dtype=np.int64)
    first_arrival[rows[~is_repeat]] = arrivals[~is_repeat]
    old = ~faulty & (rng.random(originals) < traffic.old)
    happened = _happened(rng, first_arrival, old)
    # Without a messageId only the same bytes can be recognised as the same event.
    received = np.where(is_repeat & ~writer.has_message_id[rows], first_arrival[rows], arrivals)
    first_s = (first_arrival - traffic.start_us) / 1e6
    circumstances = Circumstances(during(traffic.incidents, "payments", first_s), _service(traffic, number, first_s))
    values, keys = writer.write(rows, Times(happened[rows], received), circumstances)

    outcomes = np.where(is_repeat, DUPLICATE, ACCEPTED).tolist()
    for fault, position in enumerate(np.flatnonzero(faulty[rows]).tolist(), start=number):
        outcomes[position], values[position] = spoil(values[position], fault, traffic.reasons)
        if outcomes[position] in ("malformed_json", "not_an_object"):
            keys[position] = None  # nobody can see whose it is
    return Block(arrivals.tolist(), values, keys, outcomes, (old[rows] & ~is_repeat).tolist())


def _service(traffic: Traffic, number: int, elapsed_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long it took to serve each original in milliseconds; from draws of its own, and 0 without such times."""
    rng = np.random.default_rng([traffic.seed, number + 1, 1])
    if traffic.service == "exponential":
        times = rng.exponential(traffic.service_ms, len(elapsed_s))
    elif traffic.service == "log-normal":
        times = rng.lognormal(np.log(traffic.service_ms) - LOG_SIGMA**2 / 2, LOG_SIGMA, len(elapsed_s))
    else:
        return np.zeros(len(elapsed_s))
    return times * np.where(during(traffic.incidents, "slow", elapsed_s), SLOW_FACTOR, 1.0)


def _arrivals(rng: np.random.Generator, size: int, begin_us: int, end_us: int, traffic: Traffic) -> Indices:
    """Given the last arrival of a Poisson process, the others are spread uniformly; no two in the same microsecond."""
    inner = np.sort(rng.integers(begin_us, max(end_us, begin_us + 1), size - 1))
    even_s = (np.append(inner, end_us) - traffic.start_us) / 1e6
    warped_s = warp(traffic.profile, traffic.incidents, traffic.start_us / 1e6, even_s)
    distinct = np.arange(size)
    moments = traffic.start_us + np.rint(warped_s * 1e6).astype(np.int64)
    arrivals: Indices = np.maximum.accumulate(moments - distinct) + distinct
    return arrivals


def _with_repeats(
    rng: np.random.Generator, repeatable: Indices, originals: int, repeats: int
) -> tuple[Indices, NDArray[np.bool_]]:
    """Originals in order, with repeats of some a while later: the original of each message, and which are repeats."""
    source = rng.choice(repeatable, repeats) if repeats else np.empty(0, dtype=np.int64)
    distance = rng.exponential(MEAN_REPEAT_DISTANCE, repeats)
    place = np.concatenate([np.arange(originals), source + 0.5 + distance])
    order = np.argsort(place, kind="stable")
    return np.concatenate([np.arange(originals), source])[order], order >= originals


def _happened(rng: np.random.Generator, arrivals: Indices, old: NDArray[np.bool_]) -> Indices:
    """When each event happened: a moment before its arrival, or long before for old ones; in whole milliseconds."""
    delay = np.minimum(rng.exponential(MEAN_DELAY_US, len(arrivals)), MAX_DELAY_US).astype(np.int64)
    delay[old] = rng.integers(*OLD_US, int(old.sum()))
    return (arrivals - delay) // 1000 * 1000
