"""What goes with an item, and what to recommend to a person: rankings of what SQL has counted.

SQL hands over a collection of rows as the text of a multiset, `pack`ed there: `{` row `=` how often `, ` ... `}`, with
MARK around each row and FIELD between its fields, of which none has such a character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import sqrt
from typing import NamedTuple

MARK, FIELD, PART = "\x1e", "\x1f", "\x1d"
SHOP = ""
"""The item that every basket has: how often it meets another tells in how many baskets that is."""

RELATED = 20
RECOMMENDED = 10
RECENT = 10
"""Items of a person that count for its recommendations."""

DAMPING = 5
"""Baskets: what was seen together a few times only, by chance perhaps, does not come first."""


class Pair(NamedTuple):
    """support: of both together. alone: of the other item. Both are baskets, older ones counting less."""

    support: float
    alone: float


class Related(NamedTuple):
    """The items that go with one, the best first; the n-th of each list belong together."""

    support: float
    items: list[str]
    scores: list[float]
    supports: list[float]
    lifts: list[float]


class Memory(NamedTuple):
    """An item that a person has seen: when last (epoch ms), and what goes with it: item -> score."""

    item: str
    last_ms: int
    related: Mapping[str, float]


class Recommendations(NamedTuple):
    """Items, the best first, each with its score and the item of the person that speaks most for it."""

    items: list[str]
    scores: list[float]
    because_of: list[str]


def rows(text: str) -> Iterator[list[str]]:
    """The fields of each row of a collection. A row that is there less than once has been taken back before it came."""
    pieces = text.split(MARK)
    for row, count in zip(pieces[1::2], pieces[2::2]):
        if int(count.strip("=, }")) > 0:
            yield row.split(FIELD)


def relate(others: Mapping[str, Pair]) -> Related:
    """Rank the items that an item was in a basket with; `others` has SHOP, and so what to compare them with.

    The score is the cosine of both items' baskets, damped. The lift tells how many times more often they are together
    than they would be by chance.
    """
    if SHOP not in others:
        return Related(0.0, [], [], [], [])
    own, every = others[SHOP]
    scores = {
        item: pair.support / (sqrt(own * pair.alone) + DAMPING) for item, pair in others.items() if item != SHOP
    }
    best = sorted(scores, key=lambda item: (-scores[item], item))[:RELATED]
    return Related(
        own,
        best,
        [round(scores[item], 3) for item in best],
        [others[item].support for item in best],
        [round(others[item].support * every / (own * others[item].alone), 3) for item in best],
    )


def recommend(memories: Iterable[Memory]) -> Recommendations:
    """The best items that a person has not seen: those that go with its most recent ones, of which the n-th counts 1/n.

    An item may be there several times, as several identifiers of the person have seen it.
    """
    seen: dict[str, Memory] = {}
    for memory in memories:
        if memory.item not in seen or seen[memory.item].last_ms < memory.last_ms:
            seen[memory.item] = memory
    recent = sorted(seen.values(), key=lambda memory: (-memory.last_ms, memory.item))[:RECENT]
    parts: dict[str, dict[str, float]] = {}
    for place, memory in enumerate(recent, start=1):
        for item, score in memory.related.items():
            if item not in seen:
                parts.setdefault(item, {})[memory.item] = score / place
    scores = {item: round(sum(part.values()), 6) for item, part in parts.items()}
    best = sorted(scores, key=lambda item: (-scores[item], item))[:RECOMMENDED]
    because_of = [max(parts[item], key=lambda source: parts[item][source]) for item in best]
    return Recommendations(best, [scores[item] for item in best], because_of)
