"""Lines of text without any form, each an event of its own."""

from __future__ import annotations

import time
from typing import Any

import orjson

from connectors.collect.files import Convert, Line, LineIds
from connectors.kafka.messages import Message
from dmp.core.timestamps import rfc3339


def text_event(data: bytes, **context: str) -> dict[str, Any]:
    """The event of a line, without times and ids. Bytes that are no UTF-8 are replaced."""
    return {
        "type": "track",
        "event": "Text Received",
        "properties": {"text": data.decode("utf-8", "replace")},
        "context": {**context, "library": {"name": "dmp-text", "version": "1"}},
    }


def converter(first_line: bytes) -> Convert:
    """What makes a message of a line of the file that begins with `first_line`; its time is when it is read."""
    ids = LineIds(first_line)

    def convert(line: Line) -> Message:
        now = rfc3339(time.time_ns() // 1_000_000)
        return Message(orjson.dumps({**text_event(line.data), "messageId": f"text-{ids.of(line)}", "receivedAt": now}))

    return convert
