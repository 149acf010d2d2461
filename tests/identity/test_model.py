"""The model of identity holds in every edge case, in any order of the events and with each of them twice."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dmp.core.cleaning import Cleaner, CleanEvent
from dmp.core.identifiers import CleaningRules, parse_identifier
from dmp.core.privacy import PrivacyKeys
from tests.identity import model

RULES, KEYS = CleaningRules(), PrivacyKeys(b"a key for tests")
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.fixture(params=CASES, ids=lambda file: file.stem)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text(encoding="utf-8"))


def test_case(case: dict[str, Any]) -> None:
    expected = case["expect"]
    events = [as_event(raw) for raw in case["events"]]
    commands = [as_command(raw) for raw in case["commands"]]
    orders = itertools.permutations(events) if case.get("permute") else [events, events[::-1], events * 2]
    for order in orders:
        result = model.identities(order, commands, model.Limits(**case.get("config", {})))
        assert result.persons == as_persons(expected["persons"])
        if "refused" in expected:
            assert result.refused == {as_pair(row["link"]): row["reason"] for row in expected["refused"]}
    for stage in expected.get("stages", []):
        result = model.identities(events[: stage["events"]], commands[: stage["commands"]])
        assert result.persons == as_persons(stage["persons"])


def test_every_case_of_the_design_is_here() -> None:
    assert len(CASES) == 20


def as_event(raw: dict[str, Any]) -> model.Event:
    clean = Cleaner(RULES, KEYS).clean(json.dumps(raw).encode())
    assert isinstance(clean, CleanEvent)
    identifiers = tuple((name, getattr(clean, name)) for name in model.STRENGTH if getattr(clean, name))
    previous = (("anonymous_id", clean.previous_id),) if clean.previous_id else ()
    return model.Event(clean.event_ms, identifiers, previous)


def as_command(raw: dict[str, Any]) -> model.Command:
    at = int(datetime.fromisoformat(raw["at"].replace("Z", "+00:00")).timestamp() * 1000)
    return model.Command(at, raw["op"], as_identifier(raw["a"]), as_identifier(raw["b"]) if "b" in raw else None)


def as_persons(persons: list[list[str]]) -> set[frozenset[model.Identifier]]:
    return {frozenset(map(as_identifier, person)) for person in persons}


def as_pair(link: list[str]) -> model.Pair:
    return model.pair(as_identifier(link[0]), as_identifier(link[1]))


def as_identifier(text: str) -> model.Identifier:
    return parse_identifier(text, RULES, KEYS)
