"""Strategies that choose the partition of a message, by name.

A strategy of `PARTITIONERS` is named on the command line as `NAME` or `NAME:OPTIONS`, such as `murmur2`, `range:g,n,t`,
`consistent-hash:512` or `weighted-random:3,1,1`; `make_partitioner` makes a function of it.

Order: Kafka keeps the order within a partition. The *keyed* strategies are pure functions of key and number of
partitions, so that the messages with one key stay in the order in which one producer sends them, as long as that
number stays. The others, and messages without a key, have no order among partitions.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import accumulate
from random import Random
from typing import Callable, NamedTuple, Optional

from kafka.partitioner.default import murmur2 as murmur2_hash

from dmp.errors import UserError

Partitioner = Callable[[Optional[bytes], int], int]
"""(key, number of partitions) -> partition, from 0 to number of partitions - 1."""

KeyedStrategy = Callable[[bytes, int], int]

VIRTUAL_NODES = 256
"""Points of each partition on the ring: the shares of partitions then differ by some 1/sqrt(256), 6%."""


def murmur2(key: bytes, partitions: int) -> int:
    """As Kafka's own Java clients do it: a key has the same home whoever sends it."""
    return (murmur2_hash(key) & 0x7FFFFFFF) % partitions


def sha1(key: bytes, partitions: int) -> int:
    """SHA-1 of the key, as a big-endian number, modulo the number of partitions; the same in every language."""
    return int.from_bytes(hashlib.sha1(key).digest(), "big") % partitions


def range_of(key: bytes, partitions: int, bounds: Sequence[bytes]) -> int:
    """Neighbours in the order of bytes stay together: `bounds`, sorted, are the first keys of partitions 1, 2, ...

    ValueError unless there is one bound fewer than partitions.
    """
    if len(bounds) != partitions - 1:
        raise ValueError(f"{len(bounds)} bounds make {len(bounds) + 1} ranges, but there are {partitions} partitions")
    return bisect_right(bounds, key)


def even_bounds(keys: Sequence[bytes], partitions: int) -> list[bytes]:
    """Bounds that part `keys`, a sample that is not empty, into ranges as equal in messages as the keys allow."""
    ordered = sorted(keys)
    return [ordered[len(ordered) * number // partitions] for number in range(1, partitions)]


def consistent_hash(key: bytes, partitions: int, virtual_nodes: int = VIRTUAL_NODES) -> int:
    """The partition whose point follows the key's on a ring of hashes.

    With one partition more only the keys that move to it change their place, about one in `partitions + 1`.
    """
    points, owners = _ring(partitions, virtual_nodes)
    return owners[bisect_right(points, _position(key)) % len(points)]


@lru_cache(maxsize=16)
def _ring(partitions: int, virtual_nodes: int) -> tuple[list[int], list[int]]:
    """The sorted points of the ring, and the partition that each belongs to."""
    points = sorted(
        (_position(b"%d-%d" % (owner, node)), owner) for owner in range(partitions) for node in range(virtual_nodes)
    )
    return [point for point, _ in points], [owner for _, owner in points]


def _position(data: bytes) -> int:
    return int.from_bytes(hashlib.sha1(data).digest()[:8], "big")


class RandomChoice:
    """Any partition, with equal chances."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def __call__(self, key: Optional[bytes], partitions: int) -> int:
        return int(self._random.random() * partitions)


class RoundRobin:
    """One partition after the other, whatever the key: counts differ by one at most."""

    def __init__(self) -> None:
        self._sent = 0

    def __call__(self, key: Optional[bytes], partitions: int) -> int:
        partition = self._sent % partitions
        self._sent += 1
        return partition


class WeightedRandom:
    """Any partition, with chances in proportion to `weights`, one for each: for brokers of unequal strength.

    ValueError when called for another number of partitions.
    """

    def __init__(self, weights: Sequence[float], random: Random) -> None:
        self._cumulated = list(accumulate(weights))
        self._random = random

    def __call__(self, key: Optional[bytes], partitions: int) -> int:
        if len(self._cumulated) != partitions:
            raise ValueError(f"{len(self._cumulated)} weights are given, but there are {partitions} partitions")
        return bisect_right(self._cumulated, self._random.random() * self._cumulated[-1])


class Keyed:
    """A keyed strategy for messages with a key; those without one go anywhere, as with Kafka's clients."""

    def __init__(self, strategy: KeyedStrategy, random: Random) -> None:
        self._strategy = strategy
        self._anywhere = RandomChoice(random)

    def __call__(self, key: Optional[bytes], partitions: int) -> int:
        return self._anywhere(key, partitions) if key is None else self._strategy(key, partitions)


class Kind(NamedTuple):
    """A strategy as users see it. `make` gets the text behind the colon ("" when there is none) and a source of chance;
    ValueError says what is wrong with the text."""

    make: Callable[[str, Random], Partitioner]
    keyed: bool
    about: str


def _keyed(strategy: KeyedStrategy) -> Callable[[str, Random], Partitioner]:
    def make(options: str, random: Random) -> Partitioner:
        if options:
            raise ValueError("it takes no options")
        return Keyed(strategy, random)

    return make


def _make_range(options: str, random: Random) -> Partitioner:
    bounds = [bound.encode() for bound in options.split(",")] if options else []
    if not bounds or b"" in bounds or bounds != sorted(set(bounds)):
        raise ValueError("it needs the first keys of all partitions but the first, in order: range:g,n,t")
    return Keyed(partial(range_of, bounds=bounds), random)


def _make_consistent_hash(options: str, random: Random) -> Partitioner:
    nodes = int(options) if options.isascii() and options.isdigit() else 0 if options else VIRTUAL_NODES
    if not 1 <= nodes <= 10_000:
        raise ValueError("its option is a number of virtual nodes from 1 to 10,000: consistent-hash:512")
    return Keyed(partial(consistent_hash, virtual_nodes=nodes), random)


def _without_key(make: Callable[[Random], Partitioner]) -> Callable[[str, Random], Partitioner]:
    def make_it(options: str, random: Random) -> Partitioner:
        if options:
            raise ValueError("it takes no options")
        return make(random)

    return make_it


def _make_weighted_random(options: str, random: Random) -> Partitioner:
    try:
        weights = [float(weight) for weight in options.split(",")]
    except ValueError:
        weights = []
    if not all(0 <= weight < float("inf") for weight in weights) or sum(weights) <= 0:
        raise ValueError("it needs one weight for each partition, none negative: weighted-random:3,1,1")
    return WeightedRandom(weights, random)


DEFAULT = "murmur2"
PARTITIONERS: dict[str, Kind] = {
    DEFAULT: Kind(_keyed(murmur2), True, "by key, as Kafka's own clients"),
    "sha1": Kind(_keyed(sha1), True, "by key, SHA-1 modulo the number of partitions"),
    "range": Kind(_make_range, True, "by key, in ranges that begin at the given keys: range:g,n,t"),
    "consistent-hash": Kind(_make_consistent_hash, True, "by key, few keys move when partitions are added"),
    "random": Kind(_without_key(RandomChoice), False, "anywhere, no order"),
    "round-robin": Kind(_without_key(lambda _: RoundRobin()), False, "in turn, no order"),
    "weighted-random": Kind(_make_weighted_random, False, "anywhere, by weights: weighted-random:3,1,1; no order"),
}


def make_partitioner(named: str, random: Random, partitions: Optional[int] = None) -> Partitioner:
    """The strategy of `NAME` or `NAME:OPTIONS`; one with state belongs to one producer.

    UserError when there is no such strategy, its options are wrong, or do not fit the number of `partitions` if given.
    """
    name, _, options = named.partition(":")
    if name not in PARTITIONERS:
        raise UserError(f"{name!r} is no partitioner: choose one of {', '.join(PARTITIONERS)}")
    try:
        made = PARTITIONERS[name].make(options, random)
        if partitions is not None:
            made(b"", partitions)
    except ValueError as error:
        raise UserError(f"partitioner {named!r} does not fit: {error}") from None
    return made
