"""Max/mean and Gini of how something is spread."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.balance import balance

parts_ = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("parts", "max_to_mean", "gini", "empty"),
    [
        ([5], 1.0, 0.0, 0),
        ([5, 5, 5], 1.0, 0.0, 0),
        ([0, 0], 1.0, 0.0, 2),
        ([1, 0, 0, 0], 4.0, 0.75, 3),
        ([3, 1], 1.5, 0.25, 0),
        ([1, 2, 3, 4], 1.6, 0.25, 0),
    ],
)
def test_known_values(parts: list[int], max_to_mean: float, gini: float, empty: int) -> None:
    assert balance(parts) == (pytest.approx(max_to_mean), pytest.approx(gini), empty)


@given(parts=parts_)
def test_gini_is_half_the_relative_mean_difference(parts: list[int]) -> None:
    if sum(parts):
        differences = sum(abs(a - b) for a, b in product(parts, parts))
        expected = differences / (2 * len(parts) * sum(parts))
        assert balance(parts).gini == pytest.approx(expected, abs=1e-9)


@given(parts=parts_, times=st.integers(1, 1000))
def test_neither_order_nor_scale_matters(parts: list[int], times: int) -> None:
    scaled = balance([part * times for part in reversed(parts)])
    assert scaled == (
        pytest.approx(balance(parts).max_to_mean),
        pytest.approx(balance(parts).gini, abs=1e-9),
        parts.count(0),
    )
