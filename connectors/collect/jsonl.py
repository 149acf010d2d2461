"""Events that are already JSON, one a line: their bytes go into Kafka untouched."""

from __future__ import annotations

import orjson

from connectors.collect.files import Convert, Line
from connectors.kafka.messages import Message
from connectors.keys import message_key


def converter(first_line: bytes) -> Convert:
    """What makes a message of a line. Cleaning judges the bytes; here they are only looked at for the key."""
    return _convert


def _convert(line: Line) -> Message:
    try:
        event = orjson.loads(line.data)
    except orjson.JSONDecodeError:
        event = None
    return Message(line.data, message_key(event))
