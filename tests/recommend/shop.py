"""A small shop's traffic: who saw which items when, and persons who merge, part and are erased, as files of topics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Optional

from tests.identity.model import Identifier, profile_id
from tests.recommend.recount import Seen, items

HOUR_MS = 3_600_000
NOW = 1_767_225_600_000 + 228 * HOUR_MS  # noon, nine days later
VIEWS = ("Product Viewed", "Product Added", "Product Added to Wishlist")


class Traffic(NamedTuple):
    """events: rows of dmp.events.clean. changes: identifiers with the person of each from then on; None: erased."""

    events: list[dict[str, Any]]
    changes: list[tuple[Identifier, Optional[str]]]

    @property
    def seen(self) -> list[Seen]:
        return [Seen((row["subject_type"], row["subject_id"]), row["event_ms"], items(row)) for row in self.events]

    @property
    def persons(self) -> dict[Identifier, str]:
        """Who each identifier is in the end."""
        return {identifier: person for identifier, person in dict(self.changes).items() if person is not None}


def traffic(random: Random, events: int = 300, products: int = 20, subjects: int = 25) -> Traffic:
    """Of ten days, in any order. Each tenth event comes twice, each twentieth is a bot's."""
    people = [(random.choice(("user_id", "anonymous_id")), f"id{number}") for number in range(subjects)]
    rows = []
    for _ in range(events):
        # Within an hour of each day, so that baskets have several items.
        at = NOW - int(random.random() ** 2 * 10) * 24 * HOUR_MS - random.randrange(HOUR_MS)
        # Each item goes with those of its ten.
        ten = random.randrange(products) // 10 * 10
        order = [f"P{ten + random.randrange(10)}" for _ in range(random.randrange(1, 5))]
        keys = [random.choice(("product_id", "sku")) for _ in order]
        row = event(random.choice(people), at, random.choice(VIEWS), {keys[0]: order[0]})
        if len(order) > 1:
            products_told = [{key: item} for key, item in zip(keys, order)]
            row = event(random.choice(people), at, "Order Completed", {"products": products_told})
        rows.append({**row, "bot": random.random() < 0.05})
    rows += random.sample(rows, events // 10)
    random.shuffle(rows)
    return Traffic(rows, _changes(random, people))


def event(who: Identifier, at: int, name: str, properties: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    """What the job reads of a row of dmp.events.clean."""
    return {
        "event_ms": at, "event": name, "bot": False, "subject_type": who[0], "subject_id": who[1],
        "properties": None if properties is None else json.dumps(properties),
    }  # fmt: skip


def _changes(random: Random, people: list[Identifier]) -> list[tuple[Identifier, Optional[str]]]:
    """Everybody is a person first; then as many changes: erased, alone again, with another, with the first."""
    found: list[tuple[Identifier, Optional[str]]] = [(who, profile_id(who)) for who in people]
    for who in random.choices(people, k=len(people)):
        others = [None, *map(profile_id, (who, random.choice(people), people[0]))]
        found.append((who, random.choice(others)))
    return found


def write_rows(folder: Path, rows: Iterable[Mapping[str, Any]], files: int = 3) -> None:
    folder.mkdir(parents=True)
    lines = [json.dumps(row) + "\n" for row in rows]
    for number in range(files):
        (folder / f"part-{number}").write_text("".join(lines[number::files]), encoding="utf-8")


def write_changes(folder: Path, changes: Iterable[tuple[Identifier, Optional[str]]]) -> None:
    """As Flink writes changelogs: what is taken back, and what takes its place."""
    folder.mkdir(parents=True)
    before: dict[Identifier, dict[str, str]] = {}
    with (folder / "part-0").open("w", encoding="utf-8") as file:
        for identifier, person in changes:
            if identifier in before:
                file.write(json.dumps({"before": before.pop(identifier), "after": None, "op": "d"}) + "\n")
            if person is not None:
                before[identifier] = person_row(identifier, person)
                file.write(json.dumps({"before": None, "after": before[identifier], "op": "c"}) + "\n")


def person_row(identifier: Identifier, person: str) -> dict[str, str]:
    """A row of dmp.identities."""
    return {"type": identifier[0], "id": identifier[1], "profile_id": person, "decided_at": "1970-01-01T00:00:00Z"}
