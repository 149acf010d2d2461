"""Rankings: what goes with an item, and what to recommend."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.recommendations import MARK, SHOP, Memory, Pair, recommend, relate, rows

NAMES = st.sampled_from("abcdefghijklmnopqrstuvwxyz")
MEMORIES = st.lists(
    st.builds(Memory, NAMES, st.integers(0, 5), st.dictionaries(NAMES, st.integers(0, 900).map(lambda n: n / 1000))),
    max_size=20,
)


def collected(**counts: int) -> str:
    return "{" + ", ".join(f"{MARK}{row}{MARK}={count}" for row, count in counts.items()) + "}"


def test_rows_of_a_collection_that_are_there() -> None:
    assert list(rows(collected(a=1, b=2, c=0, d=-1))) == [["a"], ["b"]]
    assert list(rows("{}")) == []


def test_rows_may_look_like_the_text_around_them() -> None:
    assert list(rows("{" + f"{MARK}a=1, b=2}}\x1f3{MARK}=1" + "}")) == [["a=1, b=2}", "3"]]


def test_related_items_with_support_and_lift() -> None:
    related = relate({SHOP: Pair(40, 100), "often": Pair(20, 25), "bestseller": Pair(30, 90), "rare": Pair(1, 1)})
    assert related.support == 40
    assert related.items == ["often", "bestseller", "rare"]
    assert related.supports == [20, 30, 1]
    assert related.lifts == [2.0, 0.833, 2.5]
    assert related.scores == [round(20 / (1000**0.5 + 5), 3), round(30 / 65, 3), round(1 / (40**0.5 + 5), 3)]


def test_twenty_items_are_related_at_most_and_equals_go_by_name() -> None:
    related = relate({SHOP: Pair(9, 9), **{f"{number:02d}": Pair(3, 3) for number in range(30)}})
    assert related.items == [f"{number:02d}" for number in range(20)]


def test_nothing_is_related_before_all_of_it_has_come() -> None:
    assert relate({"a": Pair(1, 1)}).items == relate({SHOP: Pair(1, 1)}).items == relate({}).items == []


def test_recommended_is_what_goes_with_what_was_seen_last() -> None:
    found = recommend([
        Memory("old", 1, {"lamp": 0.9, "tea": 0.9}),
        Memory("new", 2, {"lamp": 0.2, "book": 0.5, "old": 0.9}),
        Memory("old", 0, {"elsewhere": 0.9}),
    ])  # fmt: skip
    assert found.items == ["lamp", "book", "tea"]
    assert found.scores == pytest.approx([0.2 + 0.9 / 2, 0.5, 0.45])
    assert found.because_of == ["old", "new", "old"]


@given(MEMORIES, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters_and_nothing_seen_is_recommended(
    memories: list[Memory], random: Random
) -> None:
    memories = list({(memory.item, memory.last_ms): memory for memory in memories}.values())
    found = recommend(memories)
    again = memories + memories[:3]
    random.shuffle(again)
    assert recommend(again) == found
    assert len(found.items) == len(set(found.items)) == len(found.scores) == len(found.because_of) <= 10
    seen = {memory.item for memory in memories}
    assert not seen & set(found.items) and set(found.because_of) <= seen
    assert found.scores == sorted(found.scores, reverse=True)
