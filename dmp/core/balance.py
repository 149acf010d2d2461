"""How evenly something is spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Balance(NamedTuple):
    """max_to_mean: the greatest part in relation to the mean, 1 when all are equal; what has to be provided for the
    busiest part is so many times what an even spread would need. gini: the Gini coefficient, 0 when all are equal,
    1 - 1/parts when one has everything. empty: how many have nothing."""

    max_to_mean: float
    gini: float
    empty: int


def balance(parts: Sequence[int]) -> Balance:
    """The balance of at least one part, none negative; parts that are all 0 are in balance."""
    total = sum(parts)
    if not total:
        return Balance(1.0, 0.0, len(parts))
    ranked = sum(rank * part for rank, part in enumerate(sorted(parts), start=1))
    gini = 2 * ranked / (len(parts) * total) - (len(parts) + 1) / len(parts)
    return Balance(max(parts) * len(parts) / total, max(gini, 0.0), sum(not part for part in parts))
