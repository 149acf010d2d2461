"""Bodies of the Tracking API as messages. Pure, but for the ids of events that have neither id nor time."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any, Optional

import orjson

from connectors.collect.receipt import Event, TooLarge, receive
from connectors.kafka.messages import Headers, Message
from dmp.core.cleaning import MAX_EVENT_BYTES

MAX_BATCH_BYTES = 500 * 1024

TYPES = ("track", "identify", "page", "screen", "group", "alias")
CALLS = {
    **{name: name for name in TYPES},
    **{name[0]: name for name in TYPES},  # as analytics.js abbreviates them
    "batch": "batch",
    "b": "batch",
    "import": "batch",
}
"""The last part of a path, and what is called by it."""


class Refused(Exception):
    """The answer to a request that is not taken: HTTP status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str, retry_after: Optional[int] = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


@dataclass(frozen=True)
class Client:
    """Where a request of a browser comes from; what its events do not say themselves."""

    ip: str
    user_agent: str


def max_body_bytes(call: str) -> int:
    return MAX_BATCH_BYTES if call == "batch" else MAX_EVENT_BYTES


def too_large(call: str) -> Refused:
    what = "a batch" if call == "batch" else "an event"
    return Refused(413, "too_large", f"{what} has at most {max_body_bytes(call):,} bytes")


def unzip(body: bytes, call: str) -> bytes:
    """The content of a gzip body, however small it was packed never more than allowed."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(body, max_body_bytes(call) + 1)
    except zlib.error:
        raise Refused(400, "bad_gzip", "the body is not gzip") from None
    if len(content) > max_body_bytes(call):
        raise too_large(call)
    if not inflater.eof or inflater.unused_data:
        raise Refused(400, "bad_gzip", "the gzip body is cut off, or something follows it")
    return content


def parse(body: bytes) -> Event:
    """The object that a body is."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, "malformed_json", "the body is not JSON in UTF-8") from None
    if not isinstance(payload, dict):
        raise Refused(400, "not_an_object", "the body is no JSON object")
    return payload


def write_key(authorization: Optional[str], payload: Event) -> str:
    """The key that a request shows: user name of Basic authorization, else the member writeKey, as browsers send it."""
    if authorization is None:
        key = payload.get("writeKey")
        return key if isinstance(key, str) else ""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def events(call: str, payload: Event) -> list[Any]:
    """The events of a request, without what is not theirs; members of a batch can be any JSON value."""
    if call != "batch":
        return [{**_without_key(payload), "type": call}]
    batch = payload.get("batch")
    if not isinstance(batch, list):
        raise Refused(400, "no_batch", "the member batch must be a list of events")
    return [_with_shared(_without_key(event), payload) if isinstance(event, dict) else event for event in batch]


def _without_key(event: Event) -> Event:
    return {name: value for name, value in event.items() if name != "writeKey"}


def _with_shared(event: Event, batch: Event) -> Event:
    """The event with the context and the sending time of its batch where it has none of its own."""
    if event.get("sentAt") is None and "sentAt" in batch:
        event["sentAt"] = batch["sentAt"]
    shared, own = batch.get("context"), event.get("context")
    if isinstance(shared, dict) and shared and isinstance(own, (dict, type(None))):
        event["context"] = {**shared, **(own or {})}
    return event


def message(event: Any, received_at: str, client: Optional[Client], headers: Headers) -> Message:
    """The message of one event. What is no event is passed on as it is, for cleaning to reject and keep."""
    try:
        # The batch's sending time differs when a batch is sent again, the event stays the same.
        sent = orjson.dumps(
            {name: event[name] for name in event if name != "sentAt"} if isinstance(event, dict) else event
        )
        if not isinstance(event, dict):
            return Message(sent, None, headers)
        return receive(_from(client, event), received_at, sent, headers)
    except orjson.JSONEncodeError:
        raise Refused(400, "malformed_json", "an event is nested too deeply") from None
    except TooLarge:
        raise too_large("event") from None


def _from(client: Optional[Client], event: Event) -> Event:
    """The event with the address and the browser that it came from, unless it has an opinion of its own."""
    context = event.get("context")
    if client and isinstance(context, (dict, type(None))):
        event["context"] = {"ip": client.ip, "userAgent": client.user_agent, **(context or {})}
    return event
