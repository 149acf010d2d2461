"""Names of persons, and how persons differ between two results of identity."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

#: What happened to persons, as `changes` tells it.
KINDS = ("merged", "split", "rearranged", "renamed", "new", "gone")


class Change(NamedTuple):
    """Persons (profile ids, sorted) that have identifiers in common, before and after, and how many identifiers.

    kind: `merged` (several became one), `split` (one became several), `rearranged` (several became several others),
    `renamed` (the same identifiers under another profile id), `new`, `gone`.
    """

    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    identifiers: int


def profile_id(anchor_type: str, anchor_id: str) -> str:
    """The name of the person whom an identifier stands for (of e-mail and phone the pseudonym)."""
    return "p" + hashlib.sha256(f"{anchor_type}:{anchor_id}".encode()).hexdigest()[:20]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """What changed between two maps from identifier to profile id; persons that did not change are left out.

    A person that only gained or lost identifiers that the other side does not know at all has not changed.
    """
    neighbours: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    for side, persons in (("before", before), ("after", after)):
        for identifier, profile in persons.items():
            members[side, profile].add(identifier)
    for identifier in before.keys() & after.keys():
        old, new = ("before", before[identifier]), ("after", after[identifier])
        neighbours[old].add(new)
        neighbours[new].add(old)
    found = (_change(group, members) for group in _groups(members, neighbours))
    return sorted(change for change in found if change)


def _groups(
    members: Mapping[tuple[str, str], set[str]], neighbours: Mapping[tuple[str, str], set[tuple[str, str]]]
) -> list[set[tuple[str, str]]]:
    """The persons of both sides, those together that are connected."""
    groups, seen = [], set()
    for person in members:
        if person not in seen:
            group, waiting = {person}, [person]
            while waiting:
                for other in neighbours.get(waiting.pop(), ()):
                    if other not in group:
                        group.add(other)
                        waiting.append(other)
            seen |= group
            groups.append(group)
    return groups


def _change(group: set[tuple[str, str]], members: Mapping[tuple[str, str], set[str]]) -> Change | None:
    before = tuple(sorted(profile for side, profile in group if side == "before"))
    after = tuple(sorted(profile for side, profile in group if side == "after"))
    if before == after and len(before) == 1:
        return None
    identifiers = len(set().union(*(members[person] for person in group)))
    return Change(_kind(len(before), len(after)), before, after, identifiers)


def _kind(before: int, after: int) -> str:
    if not before or not after:
        return "gone" if before else "new"
    if before == after == 1:
        return "renamed"
    if after == 1:
        return "merged"
    return "split" if before == 1 else "rearranged"
