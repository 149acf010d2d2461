"""What a rule may say, and the one line for what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from dmp.core.alerts.rules import KINDS, parse_rules, width_ms

SILENCE = {"name": "quiet", "kind": "silence"}


def problem(content: Any, seconds: int = 10) -> str:
    with pytest.raises(ValueError) as caught:
        parse_rules(content, seconds)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "loud"}, KINDS),
        ({"kind": None}, KINDS),
        ({"name": "Not So"}, ("name",)),
        ({"window": 15}, ("window", "15", "multiple of the 10 s")),
        ({"windows": 0}, ("windows", "greater than or equal to 1")),
        ({"windows": "many"}, ("windows", "integer")),
        ({"window": True, "colour": "red"}, ("quiet",)),
        ({"colour": "red"}, ("colour", "no key")),
        ({"watch": "persons"}, ("watch", "events, revenue")),
        ({"by": ["city"]}, ("no city", "channel, event, campaign")),
        ({"watch": "quality.received", "by": ["channel"]}, ("no channel", "label")),
        ({"watch": "quality.event_delay_ms"}, ("label: avg",)),
        ({"watch": "quality.event_delay_ms", "where": {"label": "avg"}}, ("watch a count",)),
        ({"where": "channel"}, ("where", "dictionary")),
        ({"kind": "threshold"}, ("above or below",)),
        ({"kind": "threshold", "above": 1, "below": 1}, ("above or below",)),
        ({"kind": "threshold", "above": 1, "clear": 2}, ("calm side",)),
        ({"kind": "threshold", "below": 1, "clear": 0}, ("calm side",)),
        ({"kind": "threshold", "above": float("nan")}, ("above", "finite")),
        ({"kind": "threshold", "watch": "quality.event_delay_ms", "where": {"label": "avg"}, "above": 1, "window": 20},
         ("delay", "window")),
        ({"kind": "change"}, ("rises, falls or both",)),
        ({"kind": "change", "falls": 1.5}, ("falls", "less than or equal to 1")),
        ({"kind": "zscore", "sigmas": 0}, ("sigmas",)),
        ({"kind": "zscore", "direction": "left"}, ("direction", "'up'")),
        ({"kind": "funnel_drop", "after": "A"}, ("step", "required")),
        ({"kind": "funnel_drop", "after": "A", "step": "A"}, ("same event",)),
        ({"kind": "funnel_drop", "after": "A", "step": "B", "by": ["event"]}, ("leave out",)),
        ({"kind": "reject_rate", "above": 5}, ("above", "less than 1")),
        ({"kind": "reject_rate", "above": 0.1, "by": ["label"]}, ("reasons",)),
        ({"kind": "reject_rate", "above": 0.1, "clear": 0.2}, ("clear",)),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_with_a_rule_is_said_in_one_line_with_its_name(
    settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    text = problem({"rules": [{**SILENCE, **settings}]})
    assert "number 1" in text or "quiet" in text or "Not So" in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("content", [None, [], {}, {"rules": {}}, {"rules": [], "more": 1}, "rules"], ids=str)
def test_the_file_is_a_list_of_rules(content: Any) -> None:
    assert "rules" in problem(content)


def test_names_stand_once_and_unnamed_rules_are_told_by_number() -> None:
    assert "twice" in problem({"rules": [SILENCE, SILENCE]})
    assert "rule number 2" in problem({"rules": [SILENCE, {"kind": "silence"}]})
    assert "rule number 2" in problem({"rules": [SILENCE, "silence"]})


def test_windows_are_those_of_the_platform_unless_given() -> None:
    plain, minute = parse_rules({"rules": [SILENCE, {**SILENCE, "name": "slow", "window": 60}]}, 20)
    assert (width_ms(plain), width_ms(minute)) == (20_000, 60_000)


def test_one_value_may_stand_without_a_list() -> None:
    (rule,) = parse_rules({"rules": [{**SILENCE, "where": {"channel": "web", "campaign": ["", "spring"]}}]}, 10)
    assert rule.where == {"channel": ("web",), "campaign": ("", "spring")}
