"""Who is in which segment by Elasticsearch, by the changes played back, and by a recount."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

from tests.pipeline.platform import Platform, wait_for
from tests.segments.recount import Purchase, members

Member = tuple[str, str]
"""Segment, profile_id."""


def segments(platform: Platform) -> set[Member]:
    return {(row["segment"], row["profile_id"]) for row in platform.documents("dmp-segments")}


def changes(platform: Platform) -> list[dict[str, Any]]:
    """What the topic tells, in order for each person."""
    return [json.loads(message.value) for message in platform.topic("dmp.segment_changes")]


def played_back(platform: Platform) -> set[Member]:
    found: set[Member] = set()
    for row in changes(platform):
        member = (row["segment"], row["profile_id"])
        assert (member in found) == (row["change"] == "left"), row
        (found.add if row["change"] == "entered" else found.remove)(member)
    return found


def recount(platform: Platform) -> set[Member]:
    purchases: dict[str, list[Purchase]] = defaultdict(list)
    persons = platform.identities()
    for message in platform.topic("dmp.events.clean"):
        row = json.loads(message.value)
        owner = persons.get((row["subject_type"], row["subject_id"]))
        if owner and row["revenue_micros"] is not None:
            purchases[owner].append((row["event_ms"], row["revenue_micros"] / 1_000_000))
    return members(platform.documents("dmp-profiles"), purchases, round(time.time() * 1000))


def assert_exact(platform: Platform) -> set[Member]:
    """Wait until segments are those of a recount, and changes played back give them."""
    platform.assert_exact()
    wait_for("the recounted segments", lambda: segments(platform) == recount(platform))
    wait_for("the changes to be committed", lambda: played_back(platform) == segments(platform))
    return segments(platform)
