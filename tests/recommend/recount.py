"""What goes together and what to recommend, counted in plain Python over a list of what people saw.

Independent on purpose: it shares no code with the job.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import permutations
from math import sqrt
from typing import Any, NamedTuple

from tests.identity.model import Identifier

HALF_HOUR, HOUR = 1_800_000, 3_600_000
EVENTS = (
    "Product Viewed", "Product Added", "Product Added to Wishlist", "Checkout Started", "Order Completed",
)  # fmt: skip
Row = dict[str, Any]


class Seen(NamedTuple):
    """One event: whose it is (the strongest identifier), when (epoch ms), and the items in it."""

    subject: Identifier
    at: int
    items: tuple[str, ...]


class Rules(NamedTuple):
    """`[recommendations]` of the configuration."""

    period_hours: int
    periods: int
    basket_items: int
    person_items: int


def items(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The items in a row of dmp.events.clean, if it counts."""
    if row["event"] not in EVENTS or row["bot"] or not row["properties"]:
        return ()
    properties = json.loads(row["properties"])
    products = [*properties.get("products", ()), properties]
    names = [product.get("product_id", product.get("sku")) for product in products if isinstance(product, dict)]
    return tuple(str(name).strip() for name in names if name is not None)


def related(seen: Iterable[Seen], persons: Mapping[Identifier, str], rules: Rules, now: int) -> dict[str, Row]:
    """The rows of dmp.related_items at `now` (epoch ms), by item."""
    baskets: dict[tuple[str, int], set[str]] = defaultdict(set)
    for event in seen:
        if event.subject in persons and event.items:
            baskets[persons[event.subject], event.at // HALF_HOUR].update(event.items)
    shop = 0.0
    single: Counter[str] = Counter()
    both: dict[str, Counter[str]] = defaultdict(Counter)
    for (_, half_hour), basket in baskets.items():
        age = _age(half_hour * HALF_HOUR, rules, now)
        if age < rules.periods and len(basket) <= rules.basket_items:
            weight = 0.5**age
            shop += weight
            single.update(dict.fromkeys(basket, weight))
            for item, other in permutations(basket, 2):
                both[item][other] += weight
    found = {}
    for item, others in both.items():
        scores = {other: weight / (sqrt(single[item] * single[other]) + 5) for other, weight in others.items()}
        ranking = sorted(scores, key=lambda other: (-scores[other], other))[:20]
        found[item] = {
            "support": single[item],
            "related": ranking,
            "scores": [round(scores[other], 3) for other in ranking],
            "supports": [others[other] for other in ranking],
            "lifts": [round(others[other] * shop / (single[item] * single[other]), 3) for other in ranking],
        }
    return found


def recommended(
    seen: Iterable[Seen], persons: Mapping[Identifier, str], goes_with: Mapping[str, Row], rules: Rules, now: int
) -> dict[str, Row]:
    """The rows of dmp.recommendations at `now`, by person."""
    last: dict[str, dict[str, int]] = defaultdict(dict)
    by_subject: dict[tuple[Identifier, str], int] = {}
    for event in seen:
        for item in event.items:
            key = event.subject, item
            by_subject[key] = max(event.at, by_subject.get(key, 0))
    memories: Counter[str] = Counter()
    for (subject, item), at in by_subject.items():
        if subject in persons and item in goes_with and _age(at, rules, now) < rules.periods:
            person = persons[subject]
            last[person][item] = max(at, last[person].get(item, 0))
            memories[person] += 1
    found = {}
    for person, own in last.items():
        scores: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
        for place, item in enumerate(sorted(own, key=lambda item: (-own[item], item))[:10]):
            for other, score in zip(goes_with[item]["related"], goes_with[item]["scores"]):
                if other not in own:
                    scores[other].append((score / (place + 1), -place, item))
        ranking = sorted((-round(sum(part[0] for part in parts), 6), other) for other, parts in scores.items())[:10]
        if ranking and memories[person] <= rules.person_items:
            found[person] = {
                "items": [other for _, other in ranking],
                "scores": [-score for score, _ in ranking],
                "because_of": [max(scores[other])[2] for _, other in ranking],
            }
    return found


def _age(at: int, rules: Rules, now: int) -> int:
    """How many periods ago that was; what is yet to come is now."""
    length = rules.period_hours * HOUR
    return max(now // length - at // length, 0)
