"""The time of an event: RFC 3339, epoch seconds or milliseconds, corrected for the clock skew of the sender."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import ROUND_DOWN, Decimal
from typing import Any

from dmp.core.caching import cached_by_text
from dmp.core.numbers import to_decimal

_DAY_MS = 86_400_000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

#: The least and greatest event time, milliseconds since the epoch: the year 2000, and the last year RFC 3339 can write.
MIN_EVENT_MS = (date(2000, 1, 1).toordinal() - _EPOCH_ORDINAL) * _DAY_MS
MAX_EVENT_MS = (date.max.toordinal() - _EPOCH_ORDINAL + 1) * _DAY_MS - 1
#: How far an event may be ahead of its receipt.
MAX_AHEAD_MS = _DAY_MS

_YEAR_1_MS = (1 - _EPOCH_ORDINAL) * _DAY_MS
_MILLISECONDS_FROM = 10**11
_MILLI = Decimal("0.001")

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
).fullmatch


@cached_by_text(4096)
def _day_ms(text: str) -> int | None:
    """Midnight UTC of `YYYY-MM-DD` in epoch milliseconds; None when the calendar has no such day."""
    try:
        return (date(int(text[:4]), int(text[5:7]), int(text[8:])).toordinal() - _EPOCH_ORDINAL) * _DAY_MS
    except ValueError:
        return None


def _ends_a_month(utc_ms: int) -> bool:
    """Whether this moment is the midnight after a month's last day, the only place for a leap second (ITU-R TF.460)."""
    days, rest = divmod(utc_ms, _DAY_MS)
    ordinal = days + _EPOCH_ORDINAL
    return rest == 0 and 1 < ordinal <= date.max.toordinal() and date.fromordinal(ordinal).day == 1


def parse_rfc3339(text: str) -> int | None:
    """Milliseconds since the epoch of an RFC 3339 time with an offset, as `parse_timestamp` reads it; else None."""
    match = _RFC3339(text)
    if match is None:
        return None
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = match.groups()
    midnight = _day_ms(day)
    if midnight is None:
        return None
    whole = midnight + int(hour) * 3_600_000 + int(minute) * 60_000 + int(second) * 1000
    if sign:
        offset = int(offset_hour) * 3_600_000 + int(offset_minute) * 60_000
        whole += offset if sign == "-" else -offset
    if second == "60" and not _ends_a_month(whole):
        return None
    return whole + int((fraction + "00")[:3]) if fraction else whole


def rfc3339(epoch_ms: int) -> str:
    """Epoch milliseconds as RFC 3339 text in UTC with milliseconds: `2025-03-01T10:00:00.000Z`."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def _epoch_ms(number: Decimal) -> int | None:
    if abs(number) > MAX_EVENT_MS:
        return None
    seconds = abs(number) < _MILLISECONDS_FROM
    epoch_ms = int(number.quantize(_MILLI, ROUND_DOWN).scaleb(3) if seconds else number)
    return epoch_ms if _YEAR_1_MS <= epoch_ms <= MAX_EVENT_MS else None


def parse_timestamp(value: object) -> int | None:
    """Milliseconds since the epoch (UTC), or None for what is no timestamp.

    Accepted are RFC 3339 with an offset (`T`, `t` or a space between date and time; `Z`, `z` or `+hh:mm`; fractions of
    any length are cut to milliseconds; a leap second is the first second of the next day, as in POSIX time) and
    numbers or numeric text: |n| >= 1e11 are milliseconds since the epoch, smaller ones seconds. White space around
    text is ignored. Years 1 to 9999.
    """
    if isinstance(value, str):
        parsed = parse_rfc3339(value.strip())
        if parsed is not None:
            return parsed
    number = to_decimal(value)
    return None if number is None else _epoch_ms(number)


def event_time(event: Mapping[str, Any]) -> int:
    """The time of a raw event in epoch milliseconds; ValueError with the reason (no values in it) when it has none.

    With `originalTimestamp`, `sentAt` and `receivedAt` all readable, the sender's clock skew is taken out as the
    Segment spec says: receivedAt - (sentAt - originalTimestamp). Otherwise the first present of `timestamp`,
    `originalTimestamp` and `receivedAt` decides. JSON null is absent.
    """
    original = event.get("originalTimestamp")
    received = event.get("receivedAt")
    received_ms = None if received is None else parse_timestamp(received)

    time_ms = None
    if original is not None and received_ms is not None:
        original_ms, sent_ms = parse_timestamp(original), parse_timestamp(event.get("sentAt"))
        if original_ms is not None and sent_ms is not None:
            time_ms = received_ms - (sent_ms - original_ms)
    if time_ms is None:
        time_ms = _first_present(event)
    if time_ms < MIN_EVENT_MS:
        raise ValueError("the event time is before the year 2000")
    if time_ms > MAX_EVENT_MS:
        raise ValueError("the event time is after the year 9999")
    if received_ms is not None and time_ms > received_ms + MAX_AHEAD_MS:
        raise ValueError("the event time is more than 1 day ahead of receivedAt")
    return time_ms


def _first_present(event: Mapping[str, Any]) -> int:
    for name in ("timestamp", "originalTimestamp", "receivedAt"):
        value = event.get(name)
        if value is not None:
            parsed = parse_timestamp(value)
            if parsed is None:
                raise ValueError(f"{name} is neither RFC 3339 with an offset nor epoch seconds or milliseconds")
            return parsed
    raise ValueError("timestamp, originalTimestamp and receivedAt are all missing")
