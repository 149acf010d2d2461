"""How the messages of a topic are spread over its partitions, and how other strategies would spread them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import NamedTuple, Optional

from connectors.kafka.consumers import Sample
from connectors.partitioning import PARTITIONERS, Keyed, Partitioner, even_bounds, make_partitioner, range_of
from dmp.core.balance import Balance, balance

Key = Optional[bytes]


class HotKey(NamedTuple):
    """One of the keys with the most messages; `share` of all that were read, `partitions` where they lie."""

    key: bytes
    messages: int
    share: float
    partitions: Sequence[int]


class WhatIf(NamedTuple):
    """What a strategy would do with so many partitions. keeps_order: whether a key's messages stay in one partition;
    moved: the share of messages with a key that would lie elsewhere than now, None for a strategy without order."""

    strategy: str
    partitions: int
    balance: Balance
    keeps_order: bool
    moved: Optional[float]


class Keys(NamedTuple):
    """read: messages looked at. without_key: of these. distinct: different keys. scattered: keys that lie in several
    partitions, so that their messages have no order. hottest: the share of the most frequent key, 0 without keys."""

    read: int
    without_key: int
    distinct: int
    scattered: int
    hottest: float


def keys_of(sample: Sample) -> Keys:
    """What the keys of a sample have to do with each other."""
    by_key = _by_key(sample)
    read = sum(sample.found.values())
    without = sum(by_key.pop(None, Counter()).values())
    hottest = max((sum(places.values()) for places in by_key.values()), default=0)
    scattered = sum(len(places) > 1 for places in by_key.values())
    return Keys(read, without, len(by_key), scattered, hottest / read if read else 0.0)


def hot_keys(sample: Sample, top: int) -> list[HotKey]:
    """The `top` keys with the most messages, those with the most first."""
    read = sum(sample.found.values())
    by_key = [(key, places) for key, places in _by_key(sample).items() if key is not None]
    ranked = sorted(by_key, key=lambda pair: (-sum(pair[1].values()), pair[0]))[:top]
    return [HotKey(key, sum(places.values()), sum(places.values()) / read, sorted(places)) for key, places in ranked]


def what_if(sample: Sample, named: str, partitions: int, seed: int = 0) -> WhatIf:
    """What the strategy `named` would do with the messages of the sample, each sent once more in any order.

    `range` without bounds takes those that part the sample most evenly. UserError when the strategy does not fit.
    """
    choose = _even_range(sample, partitions) if named == "range" else make_partitioner(named, Random(seed), partitions)
    keeps_order = PARTITIONERS[named.partition(":")[0]].keyed
    loads = [0] * partitions
    keyed = moved = 0
    for (now, key), count in sorted(sample.found.items(), key=_by_place):
        if keeps_order and key is not None:
            homes = {choose(key, partitions): count}
            keyed += count
            moved += count * (now not in homes)
        else:
            homes = Counter(choose(key, partitions) for _ in range(count))
        for home, messages in homes.items():
            loads[home] += messages
    return WhatIf(named, partitions, balance(loads), keeps_order, moved / keyed if keyed else None)


def _by_place(item: tuple[tuple[int, Key], int]) -> tuple[int, bytes]:
    (partition, key), _ = item
    return partition, key or b""


def _even_range(sample: Sample, partitions: int) -> Partitioner:
    counted = ((key, count) for (_, key), count in sample.found.items() if key is not None)
    keys = [key for key, count in counted for _ in range(count)]
    bounds = even_bounds(keys or [b""], partitions)
    return Keyed(partial(range_of, bounds=bounds), Random(0))


def _by_key(sample: Sample) -> dict[Key, Counter[int]]:
    """How many messages of each key lie in which partition."""
    by_key: dict[Key, Counter[int]] = {}
    for (partition, key), count in sample.found.items():
        by_key.setdefault(key, Counter())[partition] += count
    return by_key
