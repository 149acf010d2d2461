"""The formulas of queueing theory against textbook values, brute force and each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.queueing import Queue, catch_up_seconds, erlang_c, mgc, mmc, split

servers_ = st.integers(1, 60)
busy = st.floats(0.01, 0.99)


def erlang_c_by_definition(servers: int, load: float) -> float:
    """Erlang's sum as it stands in the textbooks."""
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    return top / (sum(load**number / math.factorial(number) for number in range(servers)) + top)


@pytest.mark.parametrize(
    ("servers", "load", "expected"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (2, 1.5, 0.6429), (3, 2.0, 0.4444), (5, 4.0, 0.5541), (10, 8.0, 0.4092)],
)
def test_erlang_c_has_the_values_of_the_tables(servers: int, load: float, expected: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(expected, abs=5e-5)


@given(servers=servers_, utilisation=busy)
def test_the_recursion_is_erlangs_sum(servers: int, utilisation: float) -> None:
    load = utilisation * servers
    assert erlang_c(servers, load) == pytest.approx(erlang_c_by_definition(servers, load))


def test_thousands_of_servers_neither_overflow_nor_lose_precision() -> None:
    assert 0 < erlang_c(5000, 4950.0) < 1
    assert erlang_c(5000, 100.0) == 0.0


@given(utilisation=busy, rate=st.floats(0.01, 1e6))
def test_one_server_is_m_m_1(utilisation: float, rate: float) -> None:
    queue = mmc(utilisation * rate, rate, 1)
    assert queue.wait == pytest.approx(utilisation / (rate * (1 - utilisation)))
    assert queue.length == pytest.approx(utilisation**2 / (1 - utilisation))
    assert queue.waits == pytest.approx(utilisation)


@given(utilisation=busy, rate=st.floats(0.01, 1e6), variation=st.floats(0, 10))
def test_one_server_is_pollaczek_and_khinchine(utilisation: float, rate: float, variation: float) -> None:
    second_moment = (1 + variation**2) / rate**2
    expected = utilisation * rate * second_moment / (2 * (1 - utilisation))
    assert mgc(utilisation * rate, rate, 1, variation).wait == pytest.approx(expected)


@given(servers=servers_, utilisation=busy, variation=st.floats(0, 10))
def test_littles_law_and_the_percentile(servers: int, utilisation: float, variation: float) -> None:
    rate = utilisation * servers * 100.0
    queue = mgc(rate, 100.0, servers, variation)
    assert queue.utilisation == pytest.approx(utilisation)
    assert queue.length == pytest.approx(rate * queue.wait)
    if queue.wait_p99:
        assert queue.waits * math.exp(-queue.wait_p99 * queue.waits / queue.wait) == pytest.approx(0.01)
    else:
        assert queue.waits <= 0.01


@given(servers=st.integers(2, 60), utilisation=busy, variation=st.floats(0, 3))
def test_a_queue_for_each_server_is_never_better(servers: int, utilisation: float, variation: float) -> None:
    rate = utilisation * servers
    assert split(rate, 1.0, servers, variation).wait >= mgc(rate, 1.0, servers, variation).wait
    assert split(rate, 1.0, servers, variation).length == pytest.approx(
        rate * split(rate, 1.0, servers, variation).wait
    )


@given(servers=servers_, over=st.floats(1, 10))
def test_more_than_the_servers_can_do_waits_for_ever(servers: int, over: float) -> None:
    assert mmc(over * servers, 1.0, servers)[1:] == Queue(over, 1.0, math.inf, math.inf, math.inf)[1:]


def test_catching_up() -> None:
    assert catch_up_seconds(60, 70, 100) == pytest.approx(140)
    assert catch_up_seconds(60, 100, 100) == math.inf
