"""What vectorised functions return: rows as a frame of columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import pandas as pd


def to_frame(names: Iterable[Hashable], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """One column of objects for each name: pandas would turn a column of integers with gaps into floats."""
    return pd.DataFrame({n: pd.Series(c, dtype=object) for n, c in zip(names, zip(*rows))}, copy=False)
