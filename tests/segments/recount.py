"""Who must be in which segment, worked out in plain Python from profile documents and purchases.

Independent on purpose: it shares no code with the rules and knows only the ten shipped segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Optional

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
Purchase = tuple[int, float]
"""Event time (epoch ms), revenue."""


def members(
    profiles: Iterable[Mapping[str, Any]], purchases: Mapping[str, list[Purchase]], now_ms: int
) -> set[tuple[str, str]]:
    """(segment, profile_id) of all that are in a segment at `now_ms`."""
    return {
        (segment, profile["profile_id"])
        for profile in profiles
        for segment in judge(profile, purchases.get(profile["profile_id"], []), now_ms)
    }


def judge(profile: Mapping[str, Any], purchases: list[Purchase], now_ms: int) -> set[str]:
    """The segments of one person."""
    first, last = _ms(profile["first_seen"]), _ms(profile["last_seen"])
    cart, order = _ms(profile["last_cart_at"]), _ms(profile["last_order_at"])
    touch, consented = profile["first_touch"], profile["consent"]["marketing"] is True
    kinds, away = profile["device_kinds"], max(now_ms - last, 0) // DAY
    recent = sum(revenue for at, revenue in purchases if at // HOUR > now_ms // HOUR - 720)
    found = {
        "new": now_ms - first < 7 * DAY,
        "active": now_ms - last < 7 * DAY,
        "at_risk": (profile["orders"] > 0 or profile["sessions"] > 2) and 30 <= away < 90,
        "lost": away >= 90,
        "big_spender": round(recent, 6) >= 500,
        "cart_abandoner": consented
        and bool(cart and (not order or order < cart) and HOUR <= now_ms - cart < 168 * HOUR),
        "campaign_acquired": bool(touch and touch["campaign"] and _ms(touch["at"]) - first < 31 * MINUTE),
        "multi_device": profile["identifiers"]["device_id"] > 1
        or sum(kinds[kind] > 0 for kind in ("desktop", "mobile", "tablet", "tv")) > 1,
        "bot_like": 2 * kinds["bot"] >= profile["events"] or profile["events"] >= 500 * profile["sessions"],
        "marketing_consented": consented,
    }
    return {segment for segment, member in found.items() if member}


def _ms(text: Optional[str]) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000) if text else 0
