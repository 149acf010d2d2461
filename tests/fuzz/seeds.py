"""Inputs to begin with, good ones and nasty ones, and the words that the languages of the entrances are made of."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from typing import Any

ACCESS_LOG_LINE = (
    b'203.0.113.9 - ann [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 2326 "https://x.example/" "Mozilla/5.0"'
)


def event(**fields: Any) -> bytes:
    """A page event with these fields."""
    return json.dumps({"type": "page", "timestamp": 1_740_823_200, **fields}, ensure_ascii=False).encode()


def _nested(depth: int, value: str) -> bytes:
    return b'{"type":"identify","timestamp":1740823200,"traits":' + value.encode() * depth + b"1" + b"}" * depth + b"}"


RICH = event(
    type="identify", messageId="m1", userId="u1", anonymousId="c1", receivedAt="2025-03-01T10:00:00Z",
    traits={"email": "ann@example.com", "phone": "13800138000", "plan": "gold", "address": {"city": "x"}},
    properties={"revenue": 9.99, "currency": "EUR", "order_id": "o1"},
    context={
        "ip": "203.0.113.9", "userAgent": "Mozilla/5.0 (iPhone)", "channel": "web", "device": {"id": "d1"},
        "page": {"url": "https://x.example/?utm_campaign=c#f", "referrer": "https://y.example/", "title": "t"},
        "consent": {"categoryPreferences": {"analytics": True, "marketing": False}},
        "library": {"name": "analytics.js"}, "traits": {"name": "A"},
    },
)  # fmt: skip

#: What broke something, here or elsewhere.
NASTY = (
    b"", b"\0", b"\xff\xfe", b"null", b"NaN", b'"\\ud800"', b"[" * 5000, b'{"a":' * 5000,
    event(userId="\ufdfa" * 10_850),  # eighteen letters each after NFKC
    event(userId=10**30, anonymousId=1e308, messageId=-0.0),
    event(type="identify", traits={f"k{i}": i for i in range(2000)}),
    event(type="identify", traits={"a\0b": {"c\0d": 1}, "\U0001f600": 1, "\u2028\x01\"\\": 2, "": 3, ".": 4}),
    event(type="identify", traits={"k" * 30_000: "v" * 1000, "\u8a9e": "\u8a9e" * 9000}),
    event(type="identify", traits={"a@b." + "\ufdfa" * 9000: 1}),
    event(type="alias", userId="u", previousId="x" * 30_000, event="\x1f"),
    event(timestamp="9999-12-31T23:59:59.999999999999Z", context={"page": {"url": "//[::1"}, "ip": "::1%" + "x" * 900}),
    _nested(250, '{"a":'), _nested(900, '{"a":'), event(properties={"revenue": "9" * 30_000}),
    event(type="track", event="a@b.\ufdfa" * 1000),
)  # fmt: skip

EVENTS = (RICH, event(type="track", event="Order Completed", properties={"revenue": "12.50"}), *NASTY)

COMMANDS = (
    b'{"at":"2026-01-31T08:00:00Z","op":"link","a":"user_id:u1","b":"email:ann@example.com"}',
    b'{"at":"2026-01-31T08:00:00Z","op":"erase","a":"phone:13800138000"}',
    b'{"at":"2026-01-31T08:00:00Z","op":"unlink","a":"device_id:d","b":"anonymous_id:c","reason":"x"}',
    b'{"at":"2026-01-31T08:00:00Z","op":"erase","a":"user_id:' + "\ufdfa".encode() * 9000 + b'"}',
    *NASTY[:8],
)

ACCESS_LOG = (
    ACCESS_LOG_LINE,
    ACCESS_LOG_LINE.replace(b"17/May/2015", b"01/Jan/0001").replace(b"+0000", b"+0200"),
    ACCESS_LOG_LINE.replace(b"17/May/2015:10", b"31/Dec/9999:23").replace(b"+0000", b"-0200"),
    ACCESS_LOG_LINE.replace(b"2326", b"9" * 25),
    ACCESS_LOG_LINE.replace(b"2326", b"9" * 5000) + b"\n" + ACCESS_LOG_LINE.replace(b"GET", b'\\"\xff\0'),
    b"a b c [d] " + b'"\\' * 20_000,
    b"\r\n\n",
)

MAPPING = b"""
csv: {delimiter: ",", quote: '"', encoding: utf-8-sig, columns: [a, b]}
event:
  type: {constant: track}
  event: {constant: "Page Read"}
  timestamp: {column: b, time: epoch}
  userId: {column: a, prefix: u, hash: true}
  properties.revenue: {column: a, number: true}
  properties.born: {column: b, time: "%Y-%m-%d", zone: Asia/Shanghai}
  context.channel: {column: a, values: {"1": web}, otherwise: app}
"""

CSV = (
    MAPPING + b"\n---\n1,1740823200\n2,1e10\n",
    MAPPING + b'\n---\n"a\nb",-99999999999\n99999999999999999999,0001-01-01\n1e999,9999-12-31\n"',
    MAPPING.replace(b"utf-8-sig", b"raw_unicode_escape") + b"\n---\n\\ud800,1\n",
    MAPPING.replace(b"utf-8-sig", b"hex") + b"\n---\n1,2",
    MAPPING.replace(b'"Page Read"', b"1" + b"0" * 30) + b"\n---\n1,2",
    MAPPING.replace(b", columns: [a, b]", b"") + b"\n---\na,b\n1,1740823200\n1,2,3\n\0,\n",
    MAPPING + b"x: !!timestamp y\n---\n",
    b"[" * 3000,
)

CONFIG = (
    b'[cleaning]\nblock = ["(a+)+$", "(a|aa)+", "(.*a){20}", "test-.*"]\nphone_region = "DE"\n',
    b'[stack]\ndata_dir = "~nobody-of-this-name/x"\n[ports]\nkafka = 1\n',
    b'[identity]\nhops = 4\norder = ["user_id", "phone", "email", "device_id", "anonymous_id"]\n',
    b'_env_file = "x"\n__pydantic_self__ = 1\n[windows]\nseconds = 60',
    b'[cleaning]\nblock = ["(?=a)", "\\\\1", "[", "((a{1000}){1000})"]\n',
    b"a = " + b"[" * 3000,
    b'[segments]\nrules = "/a\\u0000b"\n[alerts]\nwebhook = "https://x"\n',
)


def _shipped(name: str) -> bytes:
    return files("dmp").joinpath(name).read_bytes()


SEGMENT_RULES = (
    _shipped("segments.yaml"),
    b"segments: [{name: a, description: b, condition: \"lower(channel) LIKE 'w%' AND NOT cart_open\"}]",
    b"segments: [{name: a, description: b, condition: \"trait('plan') IN ('a', 'b''c') OR TRUE -- */ x\"}]",
    b"segments: [{name: a, description: b, condition: 'events / 2 > 1e400', purpose: marketing}]",
    b"segments: [{name: a, description: b, condition: 'TRUE'}]\nrfm: {recency_days: [1, 2, 3, .inf]}",
    b"segments: [{name: a, description: b, condition: '" + b"(" * 2000 + b"'}]",
    b"a: &a [1]\nb: &b [*a, *a]\nsegments: [{name: x, description: y, condition: 'TRUE', purpose: *b}]",
    b"segments: [!!int '', 2001-99-99]",
    b"[" * 3000,
)

ALERT_RULES = (
    _shipped("alerts.yaml"),
    b"rules: [{kind: threshold, name: a, watch: revenue, above: .nan, where: {channel: web}, by: [event]}]",
    b"rules: [{kind: zscore, name: b, sigmas: 1e999, window: 20}, {kind: silence, name: c, windows: 3}]",
    b"rules: [!!bool x]",
    b"{" * 3000,
)

_BATCH = b'{"batch":[%b,"no event",{"writeKey":"k"}],"context":{"ip":"1.1.1.1"},"sentAt":"2025-03-01T10:00:00Z"}' % RICH
HTTP = [
    b"batch\n" + _BATCH,
    b"batch\n" + gzip.compress(_BATCH, mtime=0),
    b"batch\n" + gzip.compress(b"{}", mtime=0) + gzip.compress(_BATCH, mtime=0),
    b"batch\n" + gzip.compress(b" " * 1_000_000, mtime=0),
    *(b"page\n" + each for each in EVENTS),
]

#: Words for mutations: of JSON and events, of dates and numbers, of YAML, TOML and SQL.
WORDS = tuple(
    word.encode()
    for text in (
        "{ } [ ] : , \" \\ ( ) - . \0 ; ' ` \\u0000 \\ud800 \ufdfa \U0001f600 null true NaN Infinity 1e999 -0.0",
        '99999999999999999999 "traits": "properties": "context": "userId": "email": "phone": "timestamp": "messageId":',
        '"type":"identify" @ %40 ann@example.com +8613800138000 0001-01-01 9999-12-31 1740823200 +2359 ::1 user_id:',
        "email: !!int !!timestamp &a *a <<: | > # --- = [cleaning] block AND OR NOT LIKE BETWEEN IN IS NULL CASE TRUE",
        "trait( events /* -- */ (a+)+$",
    )
    for word in (*text.split(), "\n", "\r\n")
)
