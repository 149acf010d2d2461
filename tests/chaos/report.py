"""What a run came to, for people and for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.chaos.run import Outcome


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """{"faults", "events", "differences", "kinds": {kind: {"faults", "median_seconds", "max_seconds"}}}."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        seconds[outcome.kind].append(outcome.seconds)
    return {
        "faults": len(outcomes),
        "events": sum(outcome.events for outcome in outcomes),
        "differences": sum(bool(outcome.difference) for outcome in outcomes),
        "kinds": {
            kind: {"faults": len(of), "median_seconds": round(median(of), 1), "max_seconds": round(max(of), 1)}
            for kind, of in sorted(seconds.items())
        },
    }


def table(found: dict[str, Any]) -> str:
    """The summary as a table of Markdown."""
    lines = ["| fault | injected | recovery, median s | max s |", "|---|---|---|---|"]
    lines += [
        f"| {kind} | {of['faults']} | {of['median_seconds']} | {of['max_seconds']} |"
        for kind, of in found["kinds"].items()
    ]
    return "\n".join([*lines, f"| **all** | {found['faults']} | | |"])
