"""What the platform must arrive at, counted anew from the raw bytes in plain Python.

Independent on purpose: it shares no code with dmp.core and knows only what the traffic of these tests needs. Who is one
person is worked out by the model of identity. Windows are those of `metrics`:
{(window_start, channel, event, campaign): (events, persons, revenue)}.
"""

from __future__ import annotations

import hmac
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

from tests.identity import model
from tests.identity.model import Identifier

WINDOW_MS = 10_000
WATERMARK_MS = 5_000
TYPES = {"track", "identify", "page", "screen", "group", "alias"}
BLOCKED = {"", "null", "none", "nil", "undefined", "nan", "anonymous", "guest", "unknown", "n/a", "true", "false", "0"}
BLOCKED |= {"-1", "[object object]"}
CHANNELS = {"web", "app", "social", "store", "iot"}
SESSION_MS = 30 * 60 * 1000
WindowKey = tuple[str, str, str, str]
#: identifiers, events, first and last event (epoch ms), sessions, revenue
Profile = tuple[int, int, int, int, int, float]


@dataclass
class Recount:
    """Totals, windows, and who is who, of some raw messages and commands."""

    received: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    suppressed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    windows: dict[WindowKey, tuple[int, int, float]] = field(default_factory=dict)
    identities: dict[Identifier, str] = field(default_factory=dict)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)


def recount(messages: Iterable[tuple[int, bytes]], commands: Iterable[bytes], pii_key: bytes) -> Recount:
    """Count (partition, raw event) in the order of each partition. Commands are as `dmp` writes them."""
    result = Recount()
    accepted = _accept(messages, result)
    sightings = [_sighting(event, pii_key) for event in accepted]
    orders = list(map(_command, commands))
    stitched = model.identities(sightings, orders)
    result.identities = stitched.profiles
    result.refused = {(":".join(a), ":".join(b)): reason for (a, b), reason in stitched.refused.items()}
    erased = {order.a for order in orders if order.op == "erase"}
    subjects = [model.subject(sighting) for sighting in sightings]
    counted = [(event, subject) for event, subject in zip(accepted, subjects) if subject not in erased]
    result.suppressed = len(accepted) - len(counted)
    result.windows = _windows(counted, result.identities)
    result.profiles = _profiles(counted, result.identities)
    return result


def _accept(messages: Iterable[tuple[int, bytes]], result: Recount) -> list[dict[str, Any]]:
    """The accepted events, each once; totals are added up in `result`."""
    accepted = []
    seen: set[object] = set()
    greatest: dict[int, int] = defaultdict(int)
    for partition, raw in messages:
        result.received += 1
        reason, event = _parse(raw)
        if event is None:
            result.rejected[str(reason)] += 1
            continue
        greatest[partition] = max(greatest[partition], event["ms"])
        if (message := str(event.get("messageId") or "") or raw) in seen:
            result.duplicates += 1
        else:
            seen.add(message)
            result.accepted += 1
            result.late += event["ms"] // WINDOW_MS * WINDOW_MS + WINDOW_MS <= greatest[partition] - WATERMARK_MS
            accepted.append(event)
    return accepted


Counted = list[tuple[dict[str, Any], Optional[Identifier]]]


def _windows(counted: Counted, persons: dict[Identifier, str]) -> dict[WindowKey, tuple[int, int, float]]:
    events: Counter[WindowKey] = Counter()
    found: dict[WindowKey, set[str]] = defaultdict(set)
    revenue: dict[WindowKey, Decimal] = defaultdict(Decimal)
    for event, subject in counted:
        key = _window(event)
        events[key] += 1
        revenue[key] += _revenue(event)
        if subject:
            found[key].add(persons[subject])
    return {key: (count, len(found[key]), float(revenue[key])) for key, count in events.items()}


def _profiles(counted: Counted, persons: dict[Identifier, str]) -> dict[str, Profile]:
    times: dict[str, list[int]] = defaultdict(list)
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for event, subject in counted:
        if subject:
            times[persons[subject]].append(event["ms"])
            revenue[persons[subject]] += _revenue(event)
    identifiers = Counter(persons.values())
    return {
        person: (identifiers[person], len(of), min(of), max(of), _sessions(sorted(of)), float(revenue[person]))
        for person, of in times.items()
    }


def _sessions(times: list[int]) -> int:
    return 1 + sum(later - earlier > SESSION_MS for earlier, later in zip(times, times[1:]))


def _command(raw: bytes) -> model.Command:
    fields = json.loads(raw)
    ends = [tuple(fields[end].split(":", 1)) for end in ("a", "b") if fields.get(end)]
    return model.Command(_ms(fields["at"]), fields["op"], *ends)  # type: ignore[arg-type]


def _parse(raw: bytes) -> tuple[Optional[str], Optional[dict[str, Any]]]:
    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        event = json.loads(raw.decode("utf-8"), parse_constant=no_constant, parse_float=Decimal)
    except ValueError:
        return "malformed_json", None
    if not isinstance(event, dict):
        return "not_an_object", None
    if len(raw) > 32_768:
        return "too_large", None
    if event.get("type") not in TYPES:
        return "unknown_type", None
    if event["type"] == "track" and not (isinstance(event.get("event"), str) and event["event"].strip()):
        return "missing_event", None
    try:
        event["ms"] = _event_ms(event)
    except ValueError:
        return "bad_timestamp", None
    return None, event


def _event_ms(event: dict[str, Any]) -> int:
    names = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
    times = {name: _ms(event[name]) for name in names if name in event}
    if {"originalTimestamp", "sentAt", "receivedAt"} <= times.keys():
        result = times["receivedAt"] - (times["sentAt"] - times["originalTimestamp"])
    else:
        result = next((times[name] for name in ("timestamp", "originalTimestamp", "receivedAt") if name in times), 0)
    if "receivedAt" in times and result > times["receivedAt"] + 86_400_000:
        raise ValueError("ahead")
    if result < 946_684_800_000:
        raise ValueError("before 2000")
    return result


def _ms(value: Any) -> int:
    if isinstance(value, (int, Decimal)):
        return int(value) if abs(value) >= 10**11 else int(value * 1000)
    text = value.replace("Z", "+00:00")
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("no offset")
    return (parsed - datetime(1970, 1, 1, tzinfo=timezone.utc)) // _MILLISECOND


_MILLISECOND = datetime(1970, 1, 1, 0, 0, 0, 1000) - datetime(1970, 1, 1)


def _window(event: dict[str, Any]) -> WindowKey:
    start = event["ms"] - event["ms"] % WINDOW_MS
    text = datetime.fromtimestamp(start / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = event["event"] if event["type"] == "track" else event["type"]
    return text, _channel(event), name, _campaign(event)


def _channel(event: dict[str, Any]) -> str:
    context = event.get("context", {})
    if context.get("channel") in CHANNELS:
        return str(context["channel"])
    library = context.get("library", {}).get("name", "")
    if library == "analytics.js":
        return "web"
    mobile = ("ios", "android", "flutter", "react-native", "kotlin", "swift")
    return "app" if any(name in library for name in mobile) else ""


def _campaign(event: dict[str, Any]) -> str:
    context = event.get("context", {})
    name = context.get("campaign", {}).get("name")
    if name:
        return str(name)
    query = parse_qs(urlsplit(context.get("page", {}).get("url", "")).query)
    return query.get("utm_campaign", [""])[0]


def _revenue(event: dict[str, Any]) -> Decimal:
    value = event.get("properties", {}).get("revenue", 0)
    try:
        return Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        return Decimal(0)


def _sighting(event: dict[str, Any], pii_key: bytes) -> model.Event:
    context, properties = event.get("context", {}), event.get("properties", {})
    if context.get("consent", {}).get("categoryPreferences", {}).get("analytics") is False:
        return model.Event(event["ms"], ())
    holders = [event.get("traits", {})] if event["type"] == "identify" else []
    holders += [context.get("traits", {}), properties]
    email = _email(next((holder["email"] for holder in holders if "email" in holder), None))
    phone = _phone(next((holder["phone"] for holder in holders if "phone" in holder), None))
    candidates = [
        ("user_id", _plain(event.get("userId"))),
        ("email", _pseudonym(email, pii_key)),
        ("phone", _pseudonym(phone, pii_key)),
        ("device_id", _plain(context.get("device", {}).get("id"))),
        ("anonymous_id", _plain(event.get("anonymousId"))),
    ]
    identifiers = tuple((kind, value) for kind, value in candidates if value)
    previous = _plain(event.get("previousId")) if event["type"] == "alias" and candidates[0][1] else None
    return model.Event(event["ms"], identifiers, (("anonymous_id", previous),) if previous else ())


def _pseudonym(value: Optional[str], pii_key: bytes) -> Optional[str]:
    return hmac.new(pii_key, value.encode(), "sha256").hexdigest() if value else None


def _plain(value: Any) -> Optional[str]:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = unicodedata.normalize("NFKC", str(value)).strip()
    bare = text.strip("\"'` ").lower()
    return None if bare in BLOCKED or set(bare) <= set("0-") or len(text) > 1024 else text


def _email(value: Any) -> Optional[str]:
    match = re.fullmatch(r"([^\s@]+)@([^\s@]+\.[^\s@]+)", _plain(value) or "")
    return match.group().lower() if match else None


def _phone(value: Any) -> Optional[str]:
    text = _plain(value)
    digits = "".join(c for c in text or "" if c.isdigit())
    return f"+86{digits[-11:]}" if len(digits) >= 11 else None
