"""Strategies of partitioning: what each promises of balance, order and movement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.partitioning import (
    PARTITIONERS,
    VIRTUAL_NODES,
    KeyedStrategy,
    consistent_hash,
    even_bounds,
    make_partitioner,
    murmur2,
    range_of,
    sha1,
)
from dmp.errors import UserError

HASHES: dict[str, KeyedStrategy] = {"murmur2": murmur2, "sha1": sha1, "consistent-hash": consistent_hash}
OPTIONS = {"range": "range:b,c,d", "weighted-random": "weighted-random:4,3,2,1"}  # of those that need some
ALL = [OPTIONS.get(name, name) for name in PARTITIONERS]
KEYED = [OPTIONS.get(name, name) for name, kind in PARTITIONERS.items() if kind.keyed]

keys = st.binary(max_size=40)
counts = st.integers(1, 64)
seeds = st.integers(0, 2**32)


def chi_square_limit(degrees: int) -> float:
    """What chi-square exceeds by chance once in a thousand million times (Wilson and Hilferty, 1931)."""
    one_in_1e9 = 6.0  # standard deviations
    return float(degrees * (1 - 2 / (9 * degrees) + one_in_1e9 * math.sqrt(2 / (9 * degrees))) ** 3)


def assert_shares(placed: Sequence[int], shares: Sequence[float]) -> None:
    """Chi-square: the numbers of messages in each partition fit the expected shares, which sum up to 1."""
    found = Counter(placed)
    assert set(found) <= {partition for partition, share in enumerate(shares) if share}
    expected = {partition: share * len(placed) for partition, share in enumerate(shares) if share}
    chi_square = sum((found[partition] - mean) ** 2 / mean for partition, mean in expected.items())
    if len(expected) > 1:
        assert chi_square < chi_square_limit(len(expected) - 1)


def even(partitions: int) -> list[float]:
    return [1 / partitions] * partitions


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_the_java_client(key: bytes, expected: int) -> None:
    """The values stand in Apache Kafka's own UtilsTest.testMurmur2."""
    for partitions in (1, 2, 3, 50, 1000, 2**31 - 1):
        assert murmur2(key, partitions) == (expected & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize(("key", "last_byte"), [(b"", 0x09), (b"abc", 0x9D)])
def test_sha1_modulo_256_is_the_last_byte_of_the_known_digest(key: bytes, last_byte: int) -> None:
    assert sha1(key, 256) == last_byte


@pytest.mark.parametrize("named", ALL)
@given(key=st.none() | keys, seed=seeds)
def test_every_strategy_gives_a_partition_that_exists(named: str, key: bytes | None, seed: int) -> None:
    choose = make_partitioner(named, Random(seed))
    assert all(0 <= choose(key, 4) < 4 for _ in range(5))


@pytest.mark.parametrize("named", KEYED)
@given(key=keys, seeds_=st.tuples(seeds, seeds))
def test_a_keyed_strategy_keeps_a_key_in_its_partition(named: str, key: bytes, seeds_: tuple[int, int]) -> None:
    """Whatever else was sent, by whichever producer: that is what keeps the order of its messages."""
    first, second = (make_partitioner(named, Random(seed)) for seed in seeds_)
    home = first(key, 4)
    second(None, 4), second(b"another", 4)
    assert second(key, 4) == first(key, 4) == home


@pytest.mark.parametrize("named", KEYED)
def test_messages_without_a_key_spread_evenly(named: str) -> None:
    choose = make_partitioner(named, Random(1))
    assert_shares([choose(None, 4) for _ in range(10_000)], even(4))


@pytest.mark.parametrize("strategy", [murmur2, sha1])
@settings(max_examples=25, deadline=None)
@given(partitions=st.integers(2, 64), seed=seeds)
def test_hashes_spread_keys_evenly(strategy: KeyedStrategy, partitions: int, seed: int) -> None:
    random = Random(seed)
    assert_shares([strategy(random.randbytes(12), partitions) for _ in range(5_000)], even(partitions))


@pytest.mark.parametrize("form", ["user-{}", "{}", "{:016x}", "p{}@example.com"])
@pytest.mark.parametrize("strategy", [murmur2, sha1])
def test_hashes_spread_numbered_names_no_worse_than_chance(strategy: KeyedStrategy, form: str) -> None:
    for partitions in (2, 3, 4, 8, 12, 100):
        placed = [strategy(form.format(number).encode(), partitions) for number in range(20_000)]
        assert_shares(placed, even(partitions))


@settings(max_examples=25, deadline=None)
@given(partitions=st.integers(2, 32), seed=seeds)
def test_consistent_hashing_gives_each_partition_its_arcs_of_the_ring(partitions: int, seed: int) -> None:
    random = Random(seed)
    reference = [consistent_hash(b"%d" % number, partitions) for number in range(20_000)]
    shares = [reference.count(partition) / len(reference) for partition in range(partitions)]
    assert max(abs(share * partitions - 1) for share in shares) < 5 / math.sqrt(VIRTUAL_NODES)
    other = Counter(consistent_hash(random.randbytes(12), partitions) for _ in range(20_000))
    for partition, share in enumerate(shares):  # two samples of the same shares
        assert abs(other[partition] / 20_000 - share) < 6 * math.sqrt(2 * share / 20_000) + 1e-3


@settings(deadline=None)
@given(partitions=st.integers(1, 32), seed=seeds)
def test_with_one_partition_more_keys_move_only_to_that_one(partitions: int, seed: int) -> None:
    random = Random(seed)
    sample = [random.randbytes(12) for _ in range(1_000)]
    moved = 0
    for key in sample:
        before, after = consistent_hash(key, partitions), consistent_hash(key, partitions + 1)
        assert after in (before, partitions)
        moved += before != after
    fair = len(sample) / (partitions + 1)
    assert abs(moved - fair) < 0.4 * fair + 6 * math.sqrt(fair)


def test_modulo_moves_nearly_all_keys_where_consistent_hashing_moves_few() -> None:
    sample = [b"user-%d" % number for number in range(10_000)]

    def moved(strategy: KeyedStrategy) -> float:
        return sum(strategy(key, 12) != strategy(key, 13) for key in sample) / len(sample)

    assert moved(consistent_hash) < 0.1
    assert moved(murmur2) > 0.9
    assert moved(sha1) > 0.9


@given(sample=st.lists(keys, min_size=1), more=st.lists(keys), partitions=counts)
def test_ranges_keep_the_order_of_keys(sample: list[bytes], more: list[bytes], partitions: int) -> None:
    bounds = even_bounds(sample, partitions)
    placed = [range_of(key, partitions, bounds) for key in sorted(sample + more)]
    assert placed == sorted(placed)
    assert {*placed} <= {*range(partitions)}


@given(sample=st.lists(keys, min_size=1, unique=True), partitions=counts)
def test_bounds_part_different_keys_evenly(sample: list[bytes], partitions: int) -> None:
    bounds = even_bounds(sample, partitions)
    found = Counter(range_of(key, partitions, bounds) for key in sample)
    assert max(found.values()) <= math.ceil(len(sample) / partitions)


@given(count=st.integers(0, 500), partitions=counts)
def test_round_robin_counts_differ_by_one_at_most(count: int, partitions: int) -> None:
    choose = make_partitioner("round-robin", Random(0))
    found = Counter(choose(b"the same key", partitions) for _ in range(count))
    assert max(found.values(), default=0) - min((found[number] for number in range(partitions)), default=0) <= 1


@settings(max_examples=25, deadline=None)
@given(partitions=st.integers(1, 64), seed=seeds)
def test_random_spreads_evenly(partitions: int, seed: int) -> None:
    choose = make_partitioner("random", Random(seed))
    assert_shares([choose(b"the same key", partitions) for _ in range(5_000)], even(partitions))


@settings(max_examples=25, deadline=None)
@given(weights=st.lists(st.integers(0, 20), min_size=1, max_size=12).filter(any), seed=seeds)
def test_weights_are_met(weights: list[int], seed: int) -> None:
    choose = make_partitioner("weighted-random:" + ",".join(map(str, weights)), Random(seed))
    placed = [choose(None, len(weights)) for _ in range(10_000)]
    assert_shares(placed, [weight / sum(weights) for weight in weights])


def test_weighted_random_never_chooses_behind_the_last_partition() -> None:
    class AlmostOne(Random):
        def random(self) -> float:
            return math.nextafter(1.0, 0.0)

    assert make_partitioner("weighted-random:0.1,0.2,0.3", AlmostOne())(None, 3) == 2


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("modulo", "is no partitioner: choose one of murmur2, sha1"),
        ("murmur2:3", "it takes no options"),
        ("random:3", "it takes no options"),
        ("range", "it needs the first keys"),
        ("range:n,g,t", "in order"),
        ("range:g,n", "3 ranges, but there are 4 partitions"),
        ("consistent-hash:0", "virtual nodes"),
        ("consistent-hash:many", "virtual nodes"),
        ("weighted-random", "one weight for each partition"),
        ("weighted-random:1,-1,1,1", "none negative"),
        ("weighted-random:0,0,0,0", "one weight"),
        ("weighted-random:nan,1,1,1", "one weight"),
        ("weighted-random:1,1,1", "3 weights are given, but there are 4 partitions"),
    ],
)
def test_what_does_not_fit_is_told(named: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        make_partitioner(named, Random(0), partitions=4)
