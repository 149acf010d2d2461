"""YAML that people write: what is wrong with it is told in one line."""

from __future__ import annotations

import pytest

from dmp.core.yaml_text import parse_yaml


def test_values_are_those_of_yaml() -> None:
    text = "base: &base {a: 1}\nlist: [yes, 1.5, '2']\nmerged: {<<: *base, b: 2}"
    assert parse_yaml(text) == {"base": {"a": 1}, "list": [True, 1.5, "2"], "merged": {"a": 1, "b": 2}}


def test_what_a_mapping_has_of_another_may_be_replaced() -> None:
    text = "a: &a {x: 1}\nin: {b: &b {<<: *a, x: 2}}\nc: {<<: *b, x: 3}"
    assert parse_yaml(text) == {"a": {"x": 1}, "in": {"b": {"x": 2}}, "c": {"x": 3}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("limit: 5\nname: x\nlimit: 6", "limit is given twice.*line 3"),
        ("segments:\n- {name: a, name: b}", "name is given twice.*line 2"),
        ("? [1]\n: x", "unhashable"),
        ("day: 2026-02-30", "day is out of range"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("[" * 101, "more than 100 brackets"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
