"""The key of a raw event's message: it keeps what one person does in order, as far as a collector can see it."""

from __future__ import annotations

from typing import Any, Optional

MAX_KEY_BYTES = 1024


def message_key(event: Any) -> Optional[bytes]:
    """The strongest identifier of an event in the form of the Segment spec, as it was sent; None if there is none.

    In this order: userId, email, phone, context.device.id, anonymousId, as cleaning ranks them, but not normalised.
    `event` is any decoded JSON value.
    """
    if not isinstance(event, dict):
        return None
    context = _object(event, "context")
    people = [_object(event, "traits")] if event.get("type") == "identify" else []
    people += [_object(context, "traits"), _object(event, "properties")]
    candidates = [
        event.get("userId"),
        *(person.get("email") for person in people),
        *(person.get("phone") for person in people),
        _object(context, "device").get("id"),
        event.get("anonymousId"),
    ]
    for value in candidates:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).strip():
            return str(value).encode("utf-8", "replace")[:MAX_KEY_BYTES]
    return None


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}
