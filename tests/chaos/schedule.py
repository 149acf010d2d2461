"""Which fault comes when: a pure function of the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """A fault to inject; `seed` is for what it chooses at random."""

    kind: str
    seed: int


def schedule(seed: int, faults: int, kinds: Sequence[str]) -> list[Step]:
    """So many faults: every kind once before any comes again, each round in an order of its own."""
    chance = random.Random(seed)
    steps: list[Step] = []
    while len(steps) < faults:
        steps += [Step(kind, chance.getrandbits(32)) for kind in chance.sample(list(kinds), len(kinds))]
    return steps[:faults]
