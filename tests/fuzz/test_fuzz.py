"""The targets of the fuzzer for seconds, with the same inputs each time: seeds as they are, and mutated."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import WORDS
from tests.fuzz.targets import TARGETS, Target

_ODD = st.sampled_from(WORDS) | st.binary(max_size=8)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with up to four places replaced by odd bytes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        data = data[:begin] + draw(_ODD) + data[begin + draw(st.integers(0, 12)) :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_holds(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_mutations_hold(target: Target) -> None:
    @settings(max_examples=50, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(target.seeds) | st.binary(max_size=200))
    def holds(data: bytes) -> None:
        target.run(data)

    holds()
