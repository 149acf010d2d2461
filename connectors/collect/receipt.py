"""What a server adds to an event that comes in: when it was received, and an id if the sender gave none.

Source: https://segment.com/docs/connections/spec/common/ (messageId, receivedAt, originalTimestamp, context.ip).
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Optional

import orjson

from connectors.kafka.messages import Headers, Message
from connectors.keys import message_key
from dmp.core.cleaning import MAX_EVENT_BYTES

Event = dict[str, Any]


class TooLarge(ValueError):
    """The event has more bytes than cleaning accepts."""


def receive(event: Event, received_at: str, sent: bytes, headers: Optional[Headers] = None) -> Message:
    """The message of an event, which is changed: receivedAt, messageId and originalTimestamp are filled in.

    `sent` is the event as its sender gave it. Without messageId, an event that tells its time is known again by a hash
    of `sent`, however often a sender repeats it; one that tells no time is another event whenever it comes.
    An event that only these additions would make too large is kept as it was sent. TooLarge if it was so before.
    """
    if len(sent) > MAX_EVENT_BYTES:
        raise TooLarge
    if event.get("messageId") in (None, ""):
        timed = event.get("timestamp") or event.get("originalTimestamp")
        event["messageId"] = f"hash-{hashlib.sha256(sent).hexdigest()[:32]}" if timed else str(uuid.uuid4())
    if "timestamp" in event:
        event.setdefault("originalTimestamp", event["timestamp"])  # with sentAt it corrects the sender's clock
    event["receivedAt"] = received_at
    value = orjson.dumps(event)
    return Message(value if len(value) <= MAX_EVENT_BYTES else sent, message_key(event), headers)
