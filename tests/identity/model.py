"""Section 6 of the design in plain Python: simple, slow and obviously right. The Flink job is compared with it.

An identifier is a pair (type, id), already normalised. A pair of identifiers stands in sorted order.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

Identifier = tuple[str, str]
Pair = tuple[Identifier, Identifier]
#: (tier, hops, time, type, id): compared in this order, the last two name the anchor.
Label = tuple[int, int, int, str, str]

STRENGTH = ("user_id", "email", "phone", "device_id", "anonymous_id")
TIER = {"user_id": 0, "email": 1, "phone": 1, "device_id": 2, "anonymous_id": 2}


class Event(NamedTuple):
    """`identifiers`: one of each type at most. `previous`: what an alias says the login was called before."""

    at: int
    identifiers: tuple[Identifier, ...]
    previous: tuple[Identifier, ...] = ()


class Command(NamedTuple):
    """`op`: link or unlink of a and b, erase of a."""

    at: int
    op: str
    a: Identifier
    b: Optional[Identifier] = None


class Limits(NamedTuple):
    hops: int = 3
    user_links: int = 100
    contact_links: int = 50


DEFAULTS = Limits()


class Identities(NamedTuple):
    accepted: dict[Pair, int]  # link -> first seen
    refused: dict[Pair, str]  # link -> claimed, shared or limit
    labels: dict[Identifier, Label]

    @property
    def profiles(self) -> dict[Identifier, str]:
        return {identifier: profile_id(label[3:]) for identifier, label in self.labels.items()}

    @property
    def persons(self) -> set[frozenset[Identifier]]:
        members = defaultdict(set)
        for identifier, profile in self.profiles.items():
            members[profile].add(identifier)
        return {frozenset(person) for person in members.values()}


def profile_id(anchor: tuple[str, str]) -> str:
    return "p" + hashlib.sha256(":".join(anchor).encode()).hexdigest()[:20]


def identities(events: Iterable[Event], commands: Iterable[Command] = (), limits: Limits = DEFAULTS) -> Identities:
    events, commands = list(events), list(commands)
    erased = {command.a for command in commands if command.op == "erase"}
    linked = after_commands(sightings(events), commands, erased)
    unshared, refused = after_sharing(linked)
    accepted, over = after_limits(unshared, limits)
    refused.update(over)
    first_seen = own_first_seen(events, commands, erased)
    labels = rounds(login_round(first_seen, accepted, limits.hops), accepted, limits.hops)
    return Identities(accepted, refused, labels)


def subject(event: Event) -> Optional[Identifier]:
    return min(event.identifiers, key=lambda identifier: STRENGTH.index(identifier[0]), default=None)


def sightings(events: Iterable[Event]) -> dict[Pair, int]:
    """Each pair of a subject and another identifier of its event -> earliest event."""
    seen: dict[Pair, int] = {}
    for event in events:
        strongest = subject(event)
        for other in (*event.identifiers, *event.previous):
            if strongest is not None and other != strongest:
                note(seen, pair(strongest, other), event.at)
    return seen


def after_commands(seen: Mapping[Pair, int], commands: Iterable[Command], erased: set[Identifier]) -> dict[Pair, int]:
    """Step 1: the latest of link and unlink decides (unlink when equal), and what is erased has no links."""
    links = dict(seen)
    linked: dict[Pair, int] = {}
    unlinked: dict[Pair, int] = {}
    for command in commands:
        if command.b is None or command.a == command.b:
            continue
        both = pair(command.a, command.b)
        if command.op == "link":
            note(links, both, command.at)
        latest = linked if command.op == "link" else unlinked
        latest[both] = max(command.at, latest.get(both, command.at))
    return {
        link: at
        for link, at in links.items()
        if not (link in unlinked and unlinked[link] >= linked.get(link, unlinked[link])) and not erased & set(link)
    }


def after_sharing(links: Mapping[Pair, int]) -> tuple[dict[Pair, int], dict[Pair, str]]:
    """Step 2: a contact keeps its first login, a device or anonymous id of several logins keeps nothing."""
    logins = defaultdict(list)  # contact, device or anonymous id -> [(first_seen, user id)]
    for (a, b), at in links.items():
        for one, other in ((a, b), (b, a)):
            if one[0] == "user_id" and other[0] != "user_id":
                logins[other].append((at, one[1]))
    kept, refused = {}, {}
    for link, at in links.items():
        if any(TIER[end[0]] == 2 and len(logins[end]) > 1 for end in link):
            refused[link] = "shared"
        elif any(
            TIER[end[0]] == 1 and other[0] == "user_id" and (at, other[1]) != min(logins[end])
            for end, other in (link, link[::-1])
        ):
            refused[link] = "claimed"
        else:
            kept[link] = at
    return kept, refused


def after_limits(links: Mapping[Pair, int], limits: Limits) -> tuple[dict[Pair, int], dict[Pair, str]]:
    """Step 3: both ends of a link must keep it among their least."""
    most = {0: limits.user_links, 1: limits.contact_links, 2: len(links)}
    ends = defaultdict(list)
    for (a, b), at in links.items():
        ends[a].append((at, *b))
        ends[b].append((at, *a))
    least = {end: set(sorted(others)[: most[TIER[end[0]]]]) for end, others in ends.items()}
    kept = {(a, b): at for (a, b), at in links.items() if (at, *b) in least[a] and (at, *a) in least[b]}
    return kept, {link: "limit" for link in links if link not in kept}


def own_first_seen(
    events: Iterable[Event], commands: Iterable[Command], erased: set[Identifier]
) -> dict[Identifier, int]:
    """Every identifier seen in an event or a link command and not erased -> when it was first."""
    seen: dict[Identifier, int] = {}
    for event in events:
        for identifier in (*event.identifiers, *event.previous):
            note(seen, identifier, event.at)
    for command in commands:
        if command.op == "link" and command.b is not None and command.a != command.b:
            note(seen, command.a, command.at)
            note(seen, command.b, command.at)
    return {identifier: at for identifier, at in seen.items() if identifier not in erased}


def login_round(
    first_seen: Mapping[Identifier, int], accepted: Mapping[Pair, int], hops: int
) -> dict[Identifier, Label]:
    neighbours = adjacency(accepted)
    labels = {}
    for x, seen in first_seen.items():
        logins = {y: at for y, at in neighbours[x].items() if y[0] == "user_id"}
        if x[0] == "user_id":
            labels[x] = (0, 0, 0, "user_id", joined(x, neighbours, hops))
        elif logins:
            ((login, at),) = logins.items()  # sharing leaves one at most
            labels[x] = (0, 1, at, "user_id", joined(login, neighbours, hops))
        else:
            labels[x] = (TIER[x[0]], 0, min(neighbours[x].values(), default=seen), *x)
    return labels


def joined(login: Identifier, neighbours: Mapping[Identifier, Mapping[Identifier, int]], hops: int) -> str:
    """The least id among the logins within so many links between logins, which only commands make."""
    reached = {login}
    for _ in range(hops):
        reached |= {y for x in reached for y in neighbours[x] if y[0] == "user_id"}
    return min(reached)[1]


def rounds(labels: Mapping[Identifier, Label], accepted: Mapping[Pair, int], hops: int) -> dict[Identifier, Label]:
    soft = adjacency({link: at for link, at in accepted.items() if all(end[0] != "user_id" for end in link)})
    current = dict(labels)
    for _ in range(hops - 1):
        current = {x: min([own, *(carried(current[y]) for y in soft[x])]) for x, own in current.items()}
    return current


def carried(label: Label) -> Label:
    tier, hops, *rest = label
    return (tier, hops + 1 if tier == 0 else hops, *rest)  # type: ignore[return-value]


def adjacency(links: Mapping[Pair, int]) -> defaultdict[Identifier, dict[Identifier, int]]:
    neighbours: defaultdict[Identifier, dict[Identifier, int]] = defaultdict(dict)
    for (a, b), at in links.items():
        neighbours[a][b] = at
        neighbours[b][a] = at
    return neighbours


def pair(a: Identifier, b: Identifier) -> Pair:
    return (a, b) if a <= b else (b, a)


def note(earliest: dict, key: object, at: int) -> None:
    earliest[key] = min(at, earliest.get(key, at))
