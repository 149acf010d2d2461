"""Lines of a web server's access log as page events.

Format: the Combined Log Format of Apache httpd and NGINX (https://httpd.apache.org/docs/current/logs.html#combined), or
the Common Log Format, which lacks the last two fields. A line that is neither goes into Kafka as it is, where cleaning
rejects it as malformed and keeps its bytes.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import orjson

from connectors.collect.files import Convert, Line, LineIds
from connectors.kafka.messages import Message
from connectors.keys import message_key

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r'(?P<host>[^\s"]+) '
    rf"\S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] {_QUOTED} (?P<status>[0-9]{{3}}) (?P<bytes>[0-9]{{1,18}}|-)"
    rf"(?: {_QUOTED} {_QUOTED}(?: .*)?)?",
    re.DOTALL,
)
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})", re.ASCII)
_ESCAPED = re.compile(r'\\(["\\])')
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}  # strptime's depend on the locale


class AccessLog:
    """Makes messages of the lines of one log.

    A visitor is known by nothing but address and browser. As anonymousId stands HMAC-SHA256(`pii_key`, address,
    browser, day in UTC): without the key, nobody can try out the few addresses of a network and so undo the cut of
    the address, and with the day in it, nobody is followed for longer than that.
    """

    def __init__(self, pii_key: bytes) -> None:
        self._pii_key = pii_key

    def converter(self, first_line: bytes) -> Convert:
        """What makes a message of a line of the log that begins with `first_line`."""
        ids = LineIds(first_line)

        def convert(line: Line) -> Message:
            event = parse(line.data)
            if event is None:
                return Message(line.data, None)
            event["messageId"] = f"log-{ids.of(line)}"
            event["anonymousId"] = self._visitor(event)
            return Message(orjson.dumps(event), message_key(event))

        return convert

    def _visitor(self, event: dict[str, Any]) -> str:
        context = event["context"]
        day = datetime.fromisoformat(event["timestamp"]).astimezone(timezone.utc).date()
        visitor = f"{context['ip']}\n{context.get('userAgent', '')}\n{day}"
        return hmac.digest(self._pii_key, visitor.encode(), "sha256").hex()[:32]


def parse(data: bytes) -> Optional[dict[str, Any]]:
    """The event of a line, without messageId and anonymousId; None if the line is not in one of the formats."""
    match = _LINE.fullmatch(data.decode("utf-8", "backslashreplace"))
    timestamp = match and _rfc3339(match["time"])
    if not match or not timestamp:
        return None
    request, referrer, agent = (None if text in (None, "", "-") else _unescape(text) for text in match.group(4, 7, 8))
    method, target, protocol = _request(request)
    path, _, query = target.partition("?") if target else (None, "", "")
    page = {"url": target, "path": path, "search": f"?{query}" if query else None, "referrer": referrer}
    properties = {
        "method": method, "protocol": protocol, "status": int(match["status"]),
        "bytes": 0 if match["bytes"] == "-" else int(match["bytes"]), "request": None if target else request,
    }  # fmt: skip
    return _without_none(
        type="page",
        userId=None if match["user"] == "-" else match["user"],
        timestamp=timestamp,
        properties=_without_none(**page, **properties),
        context=_without_none(
            ip=match["host"],
            userAgent=agent,
            channel="web",
            page=_without_none(**page),
            library={"name": "dmp-access-log", "version": "1"},
        ),
    )


def _request(request: Optional[str]) -> tuple[Optional[str], Optional[str], Optional[str]]:
    """Method, target and protocol of a request line; None for each if it is no HTTP."""
    parts = request.split(" ") if request else []
    if len(parts) == 3 and parts[2].startswith("HTTP/"):
        return parts[0], parts[1], parts[2]
    return None, None, None


def _rfc3339(text: str) -> Optional[str]:
    """`17/May/2015:10:05:03 +0200` as `2015-05-17T10:05:03+02:00`; None if there is no such time."""
    match = _TIME.fullmatch(text)
    if not match or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[number]) for number in (1, 3, 4, 5, 6))
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        zone = timezone(-offset if match[7] == "-" else offset)
        moment = datetime(year, _MONTHS[match[2]], day, hour, minute, second, tzinfo=zone)
        moment.astimezone(timezone.utc)  # the first and the last hours of the calendar are outside of it in UTC
    except (ValueError, OverflowError):
        return None
    return moment.isoformat()


def _unescape(text: str) -> str:
    """Quotes and backslashes as they were sent; other escapes, such as \\x16, stay readable as they are."""
    return _ESCAPED.sub(r"\1", text)


def _without_none(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
