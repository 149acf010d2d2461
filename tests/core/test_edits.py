"""Changes of fields by hand: how they are written, what they do, what holds for a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.edits import MAX_NUMBER, Change, Fields, apply_changes, of_person, parse_change

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,63}", fullmatch=True)
NOW, WHO = "2026-01-31T08:00:00.000Z", "ann"


def changed(fields: Fields, *changes: str) -> dict[str, object]:
    after = apply_changes(fields, [parse_change(change, "CN") for change in changes], NOW, WHO)
    return {name: field["value"] for name, field in after.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vip=true", Change("vip", "set", True)),
        ("vip=null", Change("vip", "set", None)),
        ("points=10", Change("points", "set", 10)),
        ("points=-1.5", Change("points", "set", -1.5)),
        ("points+=3", Change("points", "add", 3)),
        ("note=calls at 8=late", Change("note", "set", "calls at 8=late")),
        ('zip="01234"', Change("zip", "set", "01234")),
        ("zip=01234", Change("zip", "set", "01234")),
        ("a+=-0.5", Change("a", "add", -0.5)),
        ("note=+=", Change("note", "set", "+=")),
    ],
)
def test_changes_are_read(text: str, expected: Change) -> None:
    parsed = parse_change(text, "CN")
    assert parsed == expected and type(parsed.value) is type(expected.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("vip", "has the form"),
        ("=1", "has the form"),
        ("1st=1", "has the form"),
        ("a.b=1", "has the form"),
        ("x" * 65 + "=1", "has the form"),
        ("a=", "null removes"),
        ("a=" + "x" * 1001, "1,000 characters"),
        ("a=[1]", "no object and no list"),
        ('a={"b":1}', "no object and no list"),
        ("a+=x", "needs a number"),
        ("a+=true", "needs a number"),
        ("a+=null", "needs a number"),
        ("a=9007199254740993", "at most"),
        ("a=1e300", "at most"),
    ],
)
def test_what_is_no_change_is_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_change(text, "CN")


def test_contacts_are_masked() -> None:
    assert parse_change("note=ask ann@example.com", "CN").value == "ask a***@e***.com"
    assert parse_change("phone=13812345678", "CN").value == "+86 138****5678"
    assert parse_change("email=ann@example.com", "CN").value == "a***@e***.com"


def test_changes_are_made_in_order_and_say_when_and_by_whom() -> None:
    assert changed({}, "points=5", "points+=2", "vip=true") == {"points": 7, "vip": True}
    before = apply_changes(
        {}, [Change("points", "set", 5), Change("vip", "set", True)], "2026-01-01T00:00:00.000Z", "ben"
    )
    after = apply_changes(before, [Change("points", "add", 1), Change("note", "set", None)], NOW, WHO)
    assert after["points"] == {"value": 6, "at": NOW, "by": WHO}
    assert after["vip"] == before["vip"] == {"value": True, "at": "2026-01-01T00:00:00.000Z", "by": "ben"}
    assert changed(after, "vip=null") == {"points": 6}
    assert before["points"]["value"] == 5


def test_sums_are_exact() -> None:
    assert changed({}, *["a+=0.1"] * 3) == {"a": 0.3}
    assert changed({}, "a=0.5", "a+=0.5") == {"a": 1}


@pytest.mark.parametrize("value", ["x", "1", True])
def test_nothing_is_added_to_what_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match="no number to add to"):
        changed({"a": {"value": value, "at": NOW, "by": WHO}}, "a+=1")


def test_sums_stay_exact_integers() -> None:
    with pytest.raises(ValueError, match="at most"):
        changed({}, f"a={MAX_NUMBER}", "a+=1")


@given(parts=st.lists(st.integers(-(10**6), 10**6), max_size=20))
def test_the_order_of_additions_does_not_matter(parts: list[int]) -> None:
    added = [Change("a", "add", part) for part in parts]
    assert apply_changes({}, added, NOW, WHO) == apply_changes({}, added[::-1], NOW, WHO)
    assert apply_changes({}, added, NOW, WHO).get("a", {"value": 0})["value"] == sum(parts)


@given(name=NAMES, other=NAMES)
def test_the_latest_edit_counts_whichever_identifier_has_it(name: str, other: str) -> None:
    early, late = "2026-01-31T08:00:00.000Z", "2026-01-31T08:00:00.001Z"
    first = {name: {"value": 1, "at": early, "by": "a"}}
    second = {name: {"value": 2, "at": late, "by": "b"}}
    for person in (
        {("user_id", "u"): first, ("email", "e"): second},
        {("email", "e"): second, ("user_id", "u"): first},
    ):
        assert of_person(person) == {name: (2, late, "b", ("email", "e"))}
    same = {("user_id", "u"): first, ("email", "e"): {name: {"value": 3, "at": early, "by": "c"}}}
    assert of_person(same)[name].value == 3  # of equally late ones that of the least identifier
    assert of_person({}) == {}
