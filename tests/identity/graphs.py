"""Random graphs of identifiers: events and commands full of what identity has to decide."""

from __future__ import annotations

from random import Random
from typing import TypeVar

from tests.identity.model import STRENGTH, Command, Event, Identifier

Graph = tuple[list[Event], list[Command]]
Row = TypeVar("Row", Event, Command)

# Few moments, so that many of them are equal and the ids decide.
FIRST_MS = 1_740_000_000_000
MOMENTS = 8


def graph(random: Random, prefix: str) -> Graph:
    """A few identifiers of each type (their ids begin with `prefix`) in up to 25 events and 12 commands.

    Between sparse and dense, with and without logins, every case of section 6 turns up in a few hundred of them.
    """
    pool = {kind: [(kind, f"{prefix}{letter}") for letter in "abcdefgh"[: random.randint(1, 8)]] for kind in STRENGTH}
    presence = {kind: random.choice([0.0, 0.1, 0.5, 0.9]) for kind in STRENGTH}
    events = [_event(random, pool, presence) for _ in range(random.randint(1, 25))]
    commands = [_command(random, pool) for _ in range(random.choice([0, 0, 1, 2, 5, 12]))]
    return events, commands


def shuffled(random: Random, rows: list[Row]) -> list[Row]:
    """The same events or commands in another order, some of them twice."""
    again = [row for row in rows if random.random() < 0.3]
    return random.sample(rows + again, len(rows) + len(again))


def _event(random: Random, pool: dict[str, list[Identifier]], presence: dict[str, float]) -> Event:
    identifiers = tuple(random.choice(pool[kind]) for kind in STRENGTH if random.random() < presence[kind])
    alias = bool(identifiers) and identifiers[0][0] == "user_id" and random.random() < 0.1
    return Event(_moment(random), identifiers, (random.choice(pool["anonymous_id"]),) if alias else ())


def _command(random: Random, pool: dict[str, list[Identifier]]) -> Command:
    everyone = [identifier for kind in STRENGTH for identifier in pool[kind]]
    if random.random() < 0.2:
        return Command(_moment(random), "erase", random.choice(everyone))
    among = pool["user_id"] if random.random() < 0.3 else everyone
    return Command(_moment(random), random.choice(["link", "unlink"]), random.choice(among), random.choice(among))


def _moment(random: Random) -> int:
    return FIRST_MS + random.randrange(MOMENTS)
