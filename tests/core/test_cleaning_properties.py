"""What holds for every input, found by searching for a counterexample."""

from __future__ import annotations

import json
import random
import time
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmp.core.cleaning import EVENT_TYPES, FLAGS, MAX_EVENT_BYTES, REJECT_REASONS, Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys, pseudonym

CLEANER = Cleaner(CleaningRules(), PrivacyKeys(b"key"), lambda ip: (None, None))

_ODD_TEXT = st.sampled_from(
    [
        "null",
        "'0'",
        "ann@example.com",
        "13800138000",
        "http://[x",
        "?utm_campaign=%ff",
        "\x00",
        "ﷺ",
        "İ",
        "1e9",
        "NaN",
        "2025-03-01T10:00:00Z",
        "::1",
        "1.2.3.4",
        "web",
        "track",
        "CNY",
        "a@b.c " * 50,
        "@",
        "%40",
        "-",
        "１２３",
    ]
)
_SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_VALUE = st.recursive(
    _SCALAR | _ODD_TEXT | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def _object_of(*names: str, **nested: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with some of these fields, each of them anything; the nested ones mostly what they should be."""
    fields = dict.fromkeys(names, _VALUE)
    fields.update({name: st.one_of(value, value, value, _VALUE) for name, value in nested.items()})
    return st.fixed_dictionaries({}, optional=fields)


_TRAITS = _object_of("email", "phone", "name", "mobile", "url")
_PROPERTIES = _object_of("email", "phone", "revenue", "currency", "order_id", "x")
_CONTEXT = _object_of(
    "ip",
    "userAgent",
    "channel",
    device=_object_of("id"),
    page=_object_of("url", "referrer", "title"),
    campaign=_object_of("name", "source", "medium"),
    library=_object_of("name"),
    consent=_object_of(categoryPreferences=_object_of("analytics", "marketing")),
    traits=_TRAITS,
)
_TIME = st.sampled_from([1_740_823_200, "2025-03-01T10:00:00Z", "1740823200.5", "2025-03-01 10:00:00.9+08:00"])
EVENTS = _object_of(
    *("messageId", "userId", "anonymousId", "previousId", "groupId", "originalTimestamp", "sentAt", "receivedAt"),
    type=st.sampled_from(EVENT_TYPES),
    event=st.just("Page Read"),
    timestamp=_TIME,
    context=_CONTEXT,
    traits=_TRAITS,
    properties=_PROPERTIES,
)


def _check(result: CleanEvent | Reject) -> None:
    """What every result must be, so that each column can be written: right types, UTF-8, valid JSON."""
    if isinstance(result, Reject):
        assert result.reason in REJECT_REASONS
        assert result.detail
        return
    columns = result._asdict()
    flags = columns.pop("flags")
    assert list(flags) == sorted(set(flags))
    assert set(flags) <= set(FLAGS)
    for name in ("event_ms", "revenue_micros"):
        value = columns.pop(name)
        assert value is None or (type(value) is int and -(2**63) <= value < 2**63)
    for name in ("bot", "consent_analytics", "consent_marketing"):
        assert columns.pop(name) in (True, False, None)
    for name in ("traits", "properties"):
        text = columns[name]
        assert text is None or isinstance(json.loads(text), dict)
    for value in columns.values():
        if value is not None:
            value.encode()
    assert (result.subject_type is None) == (result.subject_id is None)
    if result.subject_type is not None:
        assert getattr(result, result.subject_type) == result.subject_id


@given(st.binary(max_size=200))
def test_any_bytes_are_cleaned_or_rejected(raw: bytes) -> None:
    _check(CLEANER.clean(raw))


@given(_VALUE)
def test_any_json_is_cleaned_or_rejected(value: object) -> None:
    _check(CLEANER.clean(json.dumps(value).encode()))


@settings(max_examples=400)
@given(EVENTS)
def test_any_event_is_cleaned_or_rejected_and_the_same_again(event: dict[str, Any]) -> None:
    raw = json.dumps(event).encode()
    result = CLEANER.clean(raw)
    _check(result)
    assert Cleaner(CleaningRules(), PrivacyKeys(b"key"), lambda ip: (None, None)).clean(raw) == result


@settings(max_examples=400)
@given(EVENTS)
def test_the_vault_gets_the_originals_of_the_columns_and_nothing_else(event: dict[str, Any]) -> None:
    raw = json.dumps(event).encode()
    result, originals = CLEANER.clean(raw), CLEANER.originals(raw)
    expected = {} if isinstance(result, Reject) else {"email": result.email, "phone": result.phone}
    assert {kind: found[0] for kind, found in originals.items()} == {k: v for k, v in expected.items() if v}
    assert all(pseudonym(b"key", original) == found for found, original in originals.values())


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_fields_changes_nothing_but_the_hash(event: dict[str, Any], random_: random.Random) -> None:
    event = {**event, "messageId": "m1"}

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random_.shuffle(items)
            return {name: shuffled(item) for name, item in items}
        return value

    assert CLEANER.clean(json.dumps(shuffled(event)).encode()) == CLEANER.clean(json.dumps(event).encode())


@given(EVENTS)
def test_escapes_and_spaces_in_the_json_change_nothing_but_the_hash(event: dict[str, Any]) -> None:
    event = {**event, "messageId": "m1"}
    escaped = json.dumps(event, ensure_ascii=True, indent=1).encode()
    plain = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if b"\\ud" not in escaped:  # halves of surrogate pairs are malformed either way
        assert CLEANER.clean(escaped) == CLEANER.clean(plain)


@given(EVENTS)
def test_without_consent_no_identifier_is_left(event: dict[str, Any]) -> None:
    context = event.get("context")
    consent = {"consent": {"categoryPreferences": {"analytics": False}}}
    event = {**event, "context": {**(context if isinstance(context, dict) else {}), **consent}}
    result = CLEANER.clean(json.dumps(event).encode())
    if isinstance(result, CleanEvent):
        assert set(result[5:17]) == {None}
        assert (result.traits, result.properties, result.ip) == (None, None, None)


# --- no PII leaves cleaning. The marked values occur nowhere else, in any form that can be read back.

_LOCAL, _DOMAIN, _DIGITS = "marked.person", "marked-domain.example.com", "13987654321"
_EMAILS = st.sampled_from(
    [
        f"{_LOCAL}@{_DOMAIN}",
        f" {_LOCAL.upper()}@{_DOMAIN.title()} ",
        f"{_LOCAL}%40{_DOMAIN}",
        f"ｍarked.person＠{_DOMAIN}",
        f"Somebody <{_LOCAL}@{_DOMAIN}>",
        f"mailto:{_LOCAL}@{_DOMAIN}",
        f"https://x.example/?email={_LOCAL}@{_DOMAIN}&a=b",
        f"o'{_LOCAL}@{_DOMAIN}",
        f"{_LOCAL}@{_DOMAIN}, {_LOCAL}@{_DOMAIN}",
    ]
)
_PHONES = st.sampled_from([_DIGITS, f"+86{_DIGITS}", f"86 {_DIGITS}", int(_DIGITS), f"0086{_DIGITS}", f"x{_DIGITS}"])
_PII = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("email", "Email", "note", "username", "contact_email", "url", "title"), _EMAILS),
        **dict.fromkeys(("phone", "mobile", "homePhone", "tel"), _PHONES),
        "nested": st.fixed_dictionaries({"email": _EMAILS, "list": st.lists(_EMAILS, max_size=2), "phone": _PHONES}),
    },
)


@settings(max_examples=300)
@given(
    st.sampled_from(EVENT_TYPES),
    st.sampled_from([1_740_823_200, f"{_LOCAL}@{_DOMAIN}", f"x{_DIGITS}", 1]),
    st.sampled_from(["Page Read", "", f"Mail to {_LOCAL}@{_DOMAIN}"]),
    _PII,
    _PII,
    _PII,
    _EMAILS,
)
def test_no_column_and_no_detail_shows_an_email_or_phone(
    type_: str,
    timestamp: object,
    name: str,
    traits: dict[str, Any],
    properties: dict[str, Any],
    context_traits: dict[str, Any],
    email: str,
) -> None:
    page = {
        "url": f"https://x.example/u/{email}?p={_DIGITS}",
        "title": email,
        "referrer": f"https://y.example/?{email}",
    }
    event = {
        "type": type_,
        "event": name,
        "timestamp": timestamp,
        "context": {"traits": context_traits, "page": page, "campaign": {"name": email, "source": email}},
        "traits": traits,
        "properties": properties,
    }
    _assert_nothing_shown(CLEANER.clean(json.dumps(event, ensure_ascii=False).encode()))


@given(st.integers(0, 300), st.sampled_from([b"", b"\xff", b"}", b"NaN"]))
def test_broken_events_show_nothing_in_their_detail(position: int, insert: bytes) -> None:
    raw = json.dumps({"type": f"{_LOCAL}@{_DOMAIN}", "timestamp": _DIGITS, _DIGITS: _LOCAL, "event": {}}).encode()
    _assert_nothing_shown(CLEANER.clean(raw[:position] + insert + raw[position + 1 :]))


def _assert_nothing_shown(result: CleanEvent | Reject) -> None:
    shown = repr(tuple(result)).lower()
    for secret in (_LOCAL, _DOMAIN, "marked", _DIGITS, _DIGITS[:8]):
        assert secret not in shown


def test_a_known_phone_is_masked_wherever_it_stands_in_traits() -> None:
    raw = json.dumps({"type": "identify", "timestamp": 1_740_823_200, "traits": {"phone": _DIGITS, "login": _DIGITS}})
    result = CLEANER.clean(raw.encode())
    _assert_nothing_shown(result)
    assert isinstance(result, CleanEvent)
    assert result.traits == '{"login":"+86 139****4321","phone":"+86 139****4321"}'


_REPEATED = [
    "' ",
    "@",
    "a@",
    "a.",
    "%40",
    "9",
    "-",
    " ",
    "http://",
    "utm_campaign&",
    "=&",
    "\u00a8",
    "\ufdfa",
    "<a@b.c>",
]
_PLACES: list[Callable[[str], dict[str, Any]]] = [
    lambda text: {"userId": text},
    lambda text: {"timestamp": text},
    lambda text: {"traits": {"email": text}},
    lambda text: {"traits": {"phone": text}},
    lambda text: {"traits": {"note": text}},
    lambda text: {"traits": {text: 1}},
    lambda text: {"properties": {"revenue": text}},
    lambda text: {"context": {"userAgent": text}},
    lambda text: {"context": {"ip": text}},
    lambda text: {"context": {"page": {"url": "https://x.example/" + text}}},
    lambda text: {"context": {"page": {"url": "https://x.example/?" + text}}},
    lambda text: {"context": {"page": {"referrer": text}}},
    lambda text: {"context": {"library": {"name": text}}},
]


@pytest.mark.parametrize("place", _PLACES)
def test_no_text_takes_long_to_clean(place: Callable[[str], dict[str, Any]]) -> None:
    """Texts of nearly the greatest size that could make a pattern or a loop quadratic, which would take a second."""
    CLEANER.clean(b'{"type":"page","timestamp":1740823200,"context":{"userAgent":"loads the rules of ua-parser"}}')
    for text in _REPEATED:
        long = text * (32_000 // len(text.encode()))
        for value in (long, "1" + long + "@b.example.com"):
            event = {"type": "identify", "timestamp": 1_740_823_200, **place(value)}
            raw = json.dumps(event, ensure_ascii=False).encode()
            assert len(raw) <= MAX_EVENT_BYTES
            _check(CLEANER.clean(raw))
            # Once of three times: a busy machine may slow down one, a quadratic pattern all of them.
            assert any(_cpu_seconds(raw) < 0.25 for _ in range(3)), text


def _cpu_seconds(raw: bytes) -> float:
    started = time.process_time()
    CLEANER.clean(raw)
    return time.process_time() - started
