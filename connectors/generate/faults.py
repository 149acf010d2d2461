"""Events that cleaning must refuse, with the reason that it must give (DESIGN section 5)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

Event = dict[str, Any]

TOO_LARGE_BYTES = 33_000


class Fault(NamedTuple):
    """How to spoil a well-formed event, and the reason for which it is then refused."""

    reason: str
    spoil: Callable[[Event], bytes]


def _json(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _changed(remove: tuple[str, ...] = (), **members: object) -> Callable[[Event], bytes]:
    return lambda event: _json({**{name: event[name] for name in event if name not in remove}, **members})


def _timed(**times: str) -> Callable[[Event], bytes]:
    """The event with no other times than these."""
    return _changed(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), **times)


FAULTS: tuple[Fault, ...] = (
    Fault("malformed_json", lambda event: _json(event)[:-20]),
    Fault("malformed_json", lambda event: _json(event) + b" trailing"),
    Fault("malformed_json", lambda event: _json(event)[:-1] + b',"load":NaN}'),
    Fault("malformed_json", lambda event: _json(event)[:-1] + b',"name":"\xff\xfe"}'),
    Fault("malformed_json", lambda event: b"GET /index.html HTTP/1.1"),
    Fault("not_an_object", lambda event: _json([event])),
    Fault("not_an_object", lambda event: b'"just text"'),
    Fault("too_large", _changed(note="x" * TOO_LARGE_BYTES)),
    Fault("unknown_type", _changed(type="Track")),
    Fault("unknown_type", _changed(type="purchase")),
    Fault("unknown_type", _changed(("type",))),
    Fault("missing_event", _changed(("event",), type="track")),
    Fault("missing_event", _changed(type="track", event="  ")),
    Fault("missing_event", _changed(type="track", event=42)),
    Fault("bad_timestamp", _timed(timestamp="yesterday")),
    Fault("bad_timestamp", _timed(timestamp="2024-02-30T10:00:00Z")),
    Fault("bad_timestamp", _timed(timestamp="2024-02-20T10:00:00")),
    Fault("bad_timestamp", _timed(timestamp="1999-12-31T23:59:59Z")),
    Fault("bad_timestamp", _timed(timestamp="2024-02-20T10:00:00Z", receivedAt="2024-02-18T10:00:00Z")),
    Fault("bad_timestamp", _timed()),
)


REASONS = tuple(dict.fromkeys(fault.reason for fault in FAULTS))


def spoil(value: bytes, number: int, reasons: tuple[str, ...] = REASONS) -> tuple[str, bytes]:
    """The expected reason and the bytes of a spoiled event; `number` picks the fault, all of these reasons in turn."""
    faults = [fault for fault in FAULTS if fault.reason in reasons]
    fault = faults[number % len(faults)]
    return fault.reason, fault.spoil(json.loads(value))
