"""Rows of dmp.metrics and dmp.quality for tests, as their topics have them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def times(start_ms: int) -> dict[str, str]:
    moments = (datetime.fromtimestamp(ms / 1000, timezone.utc) for ms in (start_ms, start_ms + 10_000))
    begin, end = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
    return {"window_start": begin, "window_end": end}


def metrics_row(start_ms: int, channel: str, event: str, events: int) -> dict[str, Any]:
    counted = {"events": events, "persons": 1, "revenue": events * 9.5, "late": 0}
    return {**times(start_ms), "channel": channel, "event": event, "campaign": "", **counted}


def quality_row(start_ms: int, measure: str, label: str, value: float) -> dict[str, Any]:
    return {**times(start_ms), "measure": measure, "label": label, "value": float(value)}


def as_given(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its times in epoch milliseconds."""
    moments = {
        name: round(datetime.fromisoformat(row[name].replace("Z", "+00:00")).timestamp() * 1000)
        for name in ("window_start", "window_end")
    }
    return {**row, **moments}
