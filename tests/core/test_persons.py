"""How persons differ between two results of identity."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dmp.core.persons import KINDS, Change, changes, profile_id

PERSONS = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["p1", "p2", "p3"]))


def test_profile_id_is_that_of_the_design() -> None:
    assert profile_id("user_id", "u1") == "p90c5bc873dedef8054fd"  # printf user_id:u1 | sha256sum


def test_each_kind_of_change() -> None:
    before = {"a": "p1", "b": "p2", "c": "p3", "d": "p3", "e": "p5", "f": "p6", "same": "p7"}
    after = {"a": "p1", "b": "p1", "c": "p3", "d": "p4", "e": "p8", "g": "p9", "same": "p7"}
    assert changes(before, after) == [
        Change("gone", ("p6",), (), 1),
        Change("merged", ("p1", "p2"), ("p1",), 2),
        Change("new", (), ("p9",), 1),
        Change("renamed", ("p5",), ("p8",), 1),
        Change("split", ("p3",), ("p3", "p4"), 2),
    ]


def test_persons_that_trade_identifiers_are_rearranged() -> None:
    before, after = {"a": "p1", "b": "p1", "c": "p2"}, {"a": "p1", "b": "p2", "c": "p2"}
    assert changes(before, after) == [Change("rearranged", ("p1", "p2"), ("p1", "p2"), 3)]


@given(PERSONS)
def test_nothing_changes_between_equal_results(persons: dict[str, str]) -> None:
    assert changes(persons, persons) == []


@given(PERSONS, PERSONS)
def test_forward_and_backward_tell_the_same(one: dict[str, str], two: dict[str, str]) -> None:
    opposite = {**{kind: kind for kind in KINDS}, "merged": "split", "split": "merged", "new": "gone", "gone": "new"}
    forward = {(change.kind, change.before, change.after) for change in changes(one, two)}
    backward = {(opposite[change.kind], change.after, change.before) for change in changes(two, one)}
    assert forward == backward
