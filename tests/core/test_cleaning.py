"""One event through the whole of cleaning: rejection, identifiers, consent, and what each column holds."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable

import pytest

from dmp.core.cleaning import FLAGS, MAX_EVENT_BYTES, REJECT_REASONS, Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys, pseudonym

TIME = "2025-03-01T10:00:00Z"
ANN, PHONE = "ann.lee@example.com", "+8613800138000"

Clean = Callable[..., CleanEvent]
Run = Callable[..., "CleanEvent | Reject"]


def hashed(value: str, keys: PrivacyKeys) -> str:
    return pseudonym(keys.pii_key, value)


# --- rejection


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"\n",
        b"{",
        b'{"type":"page"',
        b"{'type':'page'}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":01}',
        b'{"a":1,}',
        b'{"a":1} x',
        b'{"a":1}{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x00"}',
        b"\xef\xbb\xbf{}",
        '{"type":"page"}'.encode("utf-16"),
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b"// comment\n{}",
        b"x" * 40_000,
    ],
)
def test_what_is_not_exactly_one_json_text_in_utf_8_is_malformed(cleaner: Cleaner, raw: bytes) -> None:
    assert cleaner.clean(raw)[0] == "malformed_json"


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"text"', b"true", b"[" + b"1," * 20_000 + b"1]"])
def test_json_that_is_no_object_is_not_an_object_whatever_its_size(cleaner: Cleaner, raw: bytes) -> None:
    assert cleaner.clean(raw)[0] == "not_an_object"


def _event_of(size: int, **fields: Any) -> bytes:
    event = {"type": "page", "timestamp": TIME, "x": "", **fields}
    event["x"] = "a" * (size - len(json.dumps(event)))
    return json.dumps(event).encode()


@pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n"])
def test_exactly_32768_bytes_without_the_line_end_are_allowed(cleaner: Cleaner, line_end: bytes) -> None:
    assert MAX_EVENT_BYTES == 32_768
    assert isinstance(cleaner.clean(_event_of(32_768) + line_end), CleanEvent)
    assert cleaner.clean(_event_of(32_769) + line_end) == ("too_large", "32769 bytes; at most 32768 are allowed")


def test_only_one_line_end_is_left_out_of_the_size(cleaner: Cleaner) -> None:
    assert cleaner.clean(_event_of(32_768) + b"\n\n")[0] == "too_large"


@pytest.mark.parametrize("type_", [None, "", "Track", "TRACK", " track", "delete", 1, True, {}, ["track"]])
def test_a_type_that_is_none_of_the_six_as_they_are_written_is_unknown(run: Run, type_: object) -> None:
    assert run(type=type_)[0] == "unknown_type"


@pytest.mark.parametrize("type_", ["identify", "page", "screen", "group", "alias"])
def test_every_other_type_is_its_own_event_name(clean: Clean, type_: str) -> None:
    assert clean(type=type_, event="ignored")[2:4] == (type_, type_)


@pytest.mark.parametrize("event", [None, "", "  ", "\u3000\t", 5, True, {}, ["Order Completed"]])
def test_a_track_without_a_name_is_missing_event(run: Run, event: object) -> None:
    assert run(type="track", event=event)[0] == "missing_event"


def test_the_name_of_a_track_is_kept_as_it_is(clean: Clean) -> None:
    assert clean(type="track", event=" Page Read ").event == " Page Read "


@pytest.mark.parametrize("timestamp", [None, "2025-03-01T10:00:00", "soon", 1, "1999-12-31T23:59:59Z", True, {}])
def test_an_event_without_a_usable_time_has_a_bad_timestamp(run: Run, timestamp: object) -> None:
    assert run(timestamp=timestamp)[0] == "bad_timestamp"


def test_an_event_a_day_and_a_bit_ahead_of_its_receipt_has_a_bad_timestamp(run: Run, clean: Clean) -> None:
    assert run(timestamp="2025-03-02T10:00:00.001Z", receivedAt=TIME)[0] == "bad_timestamp"
    assert clean(timestamp="2025-03-02T10:00:00Z", receivedAt=TIME).event_ms == 1_740_909_600_000


def test_the_clock_skew_of_the_sender_is_taken_out(clean: Clean) -> None:
    times = {"originalTimestamp": "2025-03-01T12:00:00Z", "sentAt": "2025-03-01T12:00:01Z", "receivedAt": TIME}
    assert clean(**times).event_ms == 1_740_823_199_000


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"x":"' + b"a" * 40_000, "malformed_json"),
        (b'["' + b"a" * 40_000 + b'"]', "not_an_object"),
        (_event_of(40_000, type="none"), "too_large"),
        (b'{"type":"none","timestamp":"soon"}', "unknown_type"),
        (b'{"type":"track","timestamp":"soon"}', "missing_event"),
        (b'{"type":"track","event":"a","timestamp":"soon"}', "bad_timestamp"),
    ],
)
def test_reasons_are_tried_in_their_order(cleaner: Cleaner, raw: bytes, reason: str) -> None:
    assert cleaner.clean(raw)[0] == reason


def test_every_reason_is_known(cleaner: Cleaner) -> None:
    assert REJECT_REASONS == (
        "malformed_json",
        "not_an_object",
        "too_large",
        "unknown_type",
        "missing_event",
        "bad_timestamp",
    )


# --- message ids


def test_a_number_as_message_id_equals_its_text(clean: Clean) -> None:
    assert (
        clean(messageId=17).message_id == clean(messageId=17.0).message_id == clean(messageId="17").message_id == "17"
    )


@pytest.mark.parametrize("message_id", ["", None, [], {}, True])
def test_without_a_message_id_the_hash_of_the_bytes_counts(cleaner: Cleaner, message_id: object) -> None:
    raw = json.dumps({"messageId": message_id, "type": "page", "timestamp": TIME}).encode()
    expected = "sha256:" + hashlib.sha256(raw).hexdigest()
    for line in (raw, raw + b"\n", raw + b"\r\n"):
        assert cleaner.clean(line)[0] == expected


def test_other_bytes_without_message_id_are_another_event(cleaner: Cleaner) -> None:
    raw = b'{"type":"page","timestamp":1740823200}'
    assert cleaner.clean(raw)[0] != cleaner.clean(raw.replace(b":", b": "))[0]


def test_a_message_id_is_kept_as_it_is(clean: Clean) -> None:
    assert clean(messageId=" Ｍ1 ").message_id == " Ｍ1 "


# --- identifiers


def test_all_identifiers_of_an_event(clean: Clean, keys: PrivacyKeys) -> None:
    event = clean(
        type="identify",
        userId=" Ｕ1 ",
        anonymousId="c1",
        traits={"email": "Ann.Lee@Example.COM ", "phone": "138-0013-8000"},
        context={"device": {"id": "D1"}},
    )
    assert event.user_id == "U1"
    assert event.email == hashed(ANN, keys)
    assert event.phone == hashed(PHONE, keys)
    assert event.device_id == "D1"
    assert event.anonymous_id == "c1"
    assert (event.subject_type, event.subject_id) == ("user_id", "U1")
    assert (event.email_masked, event.phone_masked) == ("a***@e***.com", "+86 138****8000")
    assert event.flags == ()


@pytest.mark.parametrize(
    ("fields", "subject_type"),
    [
        ({"userId": "u", "traits": {"email": ANN}, "anonymousId": "c"}, "user_id"),
        ({"traits": {"email": ANN, "phone": PHONE}, "anonymousId": "c"}, "email"),
        ({"traits": {"phone": PHONE}, "context": {"device": {"id": "d"}}}, "phone"),
        ({"context": {"device": {"id": "d"}}, "anonymousId": "c"}, "device_id"),
        ({"anonymousId": "c"}, "anonymous_id"),
        ({"userId": "null", "anonymousId": "c"}, "anonymous_id"),
        ({"userId": "null"}, None),
        ({}, None),
    ],
)
def test_the_strongest_identifier_is_the_subject(
    clean: Clean, fields: dict[str, Any], subject_type: str | None
) -> None:
    assert clean(type="identify", **fields).subject_type == subject_type


@pytest.mark.parametrize(
    "value", ["null", "NULL", '"null"', "'None'", " NaN ", "", 0, -1, True, False, "ＮＵＬＬ", "0-0"]
)
def test_blocked_identifiers_are_dropped_and_flagged_and_the_event_stays(clean: Clean, value: object) -> None:
    event = clean(userId=value, anonymousId="c1", context={"device": {"id": value}})
    assert (event.user_id, event.device_id, event.anonymous_id) == (None, None, "c1")
    assert event.flags == ("blocked_identifier",)


@pytest.mark.parametrize("value", [None, {}, {"id": "u1"}, [], ["u1"]])
def test_nulls_objects_and_lists_are_no_identifiers_and_no_fault(clean: Clean, value: object) -> None:
    event = clean(userId=value, anonymousId="c1")
    assert (event.user_id, event.subject_id, event.flags) == (None, "c1", ())


def test_the_quotes_of_an_identifier_that_is_not_blocked_are_its_own(clean: Clean) -> None:
    assert clean(userId='"u1"').user_id == '"u1"'


def test_numbers_are_identifiers_with_all_their_digits(cleaner: Cleaner, clean: Clean) -> None:
    assert clean(userId=42).user_id == clean(userId=42.0).user_id == "42"
    raw = (
        b'{"type":"page","timestamp":1740823200,"userId":123456789012345678901234567,"messageId":98765432109876543210}'
    )
    event = cleaner.clean(raw)
    assert isinstance(event, CleanEvent)
    assert event.user_id == "123456789012345678901234567"
    assert event.message_id == "98765432109876543210"


def test_a_number_with_a_huge_exponent_costs_nothing(cleaner: Cleaner) -> None:
    raw = b'{"type":"page","timestamp":1740823200,"userId":1e-999999999,"messageId":123456789012345678901234567890}'
    event = cleaner.clean(raw)
    assert isinstance(event, CleanEvent)
    assert (event.user_id, event.flags) == (None, ("blocked_identifier",))


def test_numbers_in_a_document_too_deep_for_exact_reading_do_no_harm(cleaner: Cleaner) -> None:
    deep = b'{"a":' * 1000 + b"1" + b"}" * 1000
    raw = b'{"type":"page","timestamp":1740823200,"userId":1.5,"properties":' + deep + b"}"
    event = cleaner.clean(raw)
    assert isinstance(event, CleanEvent)
    assert (event.user_id, event.flags) == ("1.5", ("truncated",))


@pytest.mark.parametrize(
    ("type_", "fields", "address"),
    [
        ("identify", {"traits": {"email": "a@example.com"}, "context": {"traits": {"email": "b@example.com"}}}, "a"),
        (
            "identify",
            {"context": {"traits": {"email": "b@example.com"}}, "properties": {"email": "c@example.com"}},
            "b",
        ),
        ("track", {"traits": {"email": "a@example.com"}, "properties": {"email": "c@example.com"}}, "c"),
        ("page", {"traits": {"email": "a@example.com"}}, None),
        ("group", {"traits": {"email": "a@example.com"}}, None),
        ("group", {"traits": {"email": "a@example.com"}, "context": {"traits": {"email": "b@example.com"}}}, "b"),
        ("alias", {"userId": "u", "traits": {"email": "a@example.com"}}, None),
        ("identify", {"traits": {"email": "broken"}, "context": {"traits": {"email": "b@example.com"}}}, None),
        ("identify", {"traits": {"email": "none"}, "properties": {"email": "c@example.com"}}, None),
        ("identify", {"traits": {"email": None}, "properties": {"email": "c@example.com"}}, "c"),
        ("identify", {"traits": "a@example.com", "properties": {"email": "c@example.com"}}, "c"),
    ],
)
def test_the_first_place_with_an_email_decides_without_a_second_try(
    clean: Clean, keys: PrivacyKeys, type_: str, fields: dict[str, Any], address: str | None
) -> None:
    expected = None if address is None else hashed(f"{address}@example.com", keys)
    assert clean(type=type_, event="e", **fields).email == expected


@pytest.mark.parametrize("value", ["Ann.Lee@Example.COM", " ann.lee@example.com\n", "ＡＮＮ.lee@example.com\u3000"])
def test_one_address_in_any_case_with_spaces_and_full_width(clean: Clean, keys: PrivacyKeys, value: str) -> None:
    assert clean(properties={"email": value}).email == hashed(ANN, keys)


@pytest.mark.parametrize("value", [13800138000, "１３８００１３８０００", "0086-138-0013-8000", " (+86)138-0013-8000 "])
def test_one_phone_as_number_and_in_any_format(clean: Clean, keys: PrivacyKeys, value: object) -> None:
    assert clean(properties={"phone": value}).phone == hashed(PHONE, keys)


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("email", "ann.lee at example.com", "invalid_email"),
        ("email", 12345, "invalid_email"),
        ("email", '"ann@example.com"', "invalid_email"),
        ("phone", "12345", "invalid_phone"),
        ("phone", "ann@example.com", "invalid_phone"),
        ("email", "none", "blocked_identifier"),
        ("phone", "0", "blocked_identifier"),
        ("phone", "", "blocked_identifier"),
    ],
)
def test_a_contact_that_is_none_is_dropped_and_flagged_and_the_event_stays(
    clean: Clean, field: str, value: object, flag: str
) -> None:
    event = clean(type="identify", anonymousId="c1", traits={field: value})
    assert (event.email, event.phone, event.email_masked, event.phone_masked) == (None, None, None, None)
    assert (event.flags, event.subject_id) == ((flag,), "c1")


def test_patterns_of_the_rules_block_whole_values_of_every_identifier(keys: PrivacyKeys) -> None:
    rules = CleaningRules(block=("test-.*", r".*@blocked\.example\.com", r"\+8613800138000"))
    traits = {"email": "ann@blocked.example.com", "phone": "138-0013-8000"}
    raw = {"type": "identify", "userId": "TEST-1", "anonymousId": "my test-1", "traits": traits, "timestamp": TIME}
    event = Cleaner(rules, keys).clean(json.dumps(raw).encode())
    assert isinstance(event, CleanEvent)
    assert (event.user_id, event.email, event.phone, event.anonymous_id) == (None, None, None, "my test-1")
    assert event.flags == ("blocked_identifier",)


def test_the_region_of_the_rules_reads_national_numbers(keys: PrivacyKeys) -> None:
    raw = json.dumps({"type": "page", "timestamp": TIME, "properties": {"phone": "(650) 253-0000"}}).encode()
    event = Cleaner(CleaningRules(phone_region="US"), keys).clean(raw)
    assert isinstance(event, CleanEvent)
    assert event.phone == hashed("+16502530000", keys)


def test_alias_takes_the_previous_id_with_a_login_only(clean: Clean) -> None:
    alias = clean(type="alias", userId="u1", previousId=" c1 ", anonymousId="c2")
    assert (alias.user_id, alias.previous_id, alias.anonymous_id) == ("u1", "c1", "c2")
    no_logins: tuple[object, ...] = (None, "null", {})
    for user_id in no_logins:
        assert clean(type="alias", userId=user_id, previousId="c1", anonymousId="c2").previous_id is None
    assert clean(type="identify", userId="u1", previousId="c1").previous_id is None
    assert clean(type="alias", userId="u1", previousId="undefined").flags == ("blocked_identifier",)


def test_only_a_group_call_has_a_group(clean: Clean) -> None:
    assert clean(type="group", userId="u1", groupId=" g1 ").group_id == "g1"
    assert clean(type="track", event="e", groupId="g1").group_id is None


# --- consent


def _consent(analytics: object, **more: object) -> dict[str, Any]:
    return {"consent": {"categoryPreferences": {"analytics": analytics, **more}}}


def test_without_consent_to_analytics_nothing_of_the_person_is_kept_and_the_event_counts(clean: Clean) -> None:
    context = {
        **_consent(False, marketing=False),
        "channel": "web",
        "device": {"id": "d1"},
        "ip": "203.0.113.77",
        "traits": {"name": "Ann"},
        "campaign": {"name": "spring"},
    }
    properties = {"revenue": 5, "currency": "CNY", "order_id": "o1", "email": ANN, "phone": "12345"}
    event = clean(type="track", event="e", userId="u1", anonymousId="null", context=context, properties=properties)
    kept = {name for name, value in event._asdict().items() if value not in (None, False, ())}
    assert kept == {
        "message_id",
        "event_ms",
        "type",
        "event",
        "channel",
        "campaign",
        "revenue_micros",
        "currency",
        "flags",
    }
    assert event.consent_analytics is False
    assert event.consent_marketing is False
    assert event.flags == ("no_consent",)


@pytest.mark.parametrize("choice", [True, None, "false", 0, "no", [], {}])
def test_only_boolean_false_takes_consent_away(clean: Clean, choice: object) -> None:
    event = clean(userId="u1", context=_consent(choice, marketing=False))
    assert event.user_id == "u1"
    assert event.consent_analytics is (True if choice is True else None)
    assert event.consent_marketing is False


def test_alias_without_consent_links_nothing(clean: Clean) -> None:
    event = clean(type="alias", userId="u1", previousId="c1", context=_consent(False))
    assert (event.user_id, event.previous_id, event.subject_id) == (None, None, None)


# --- the other columns


def test_a_page_view_with_everything(keys: PrivacyKeys) -> None:
    places = {"203.0.113.77": ("NL", "Delft")}
    raw = {
        "type": "page",
        "messageId": "m1",
        "timestamp": TIME,
        "context": {
            "ip": "203.0.113.77",
            "library": {"name": "analytics.js"},
            "userAgent": "Mozilla/5.0 (iPad; CPU OS 15_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/15.0 Mobile/15E148 Safari/604.1",
            "page": {
                "url": "https://shop.example.com/p?utm_campaign=spring&utm_source=mail&utm_medium=email&e=a%40b.com",
                "title": "Shoes of ann@example.com",
                "referrer": "https://www.google.com/search?q=ann",
            },
        },
        "properties": {"revenue": "19.5", "currency": "cny", "order_id": 17},
    }
    event = Cleaner(CleaningRules(), keys, places.__getitem__).clean(json.dumps(raw).encode())
    assert isinstance(event, CleanEvent)
    assert (event.channel, event.library) == ("web", "analytics.js")
    assert (event.campaign, event.campaign_source, event.campaign_medium) == ("spring", "mail", "email")
    assert event.page_url == "https://shop.example.com/p"
    assert event.page_title == "Shoes of a***@e***.com"
    assert event.referrer_host == "www.google.com"
    assert (event.ip, event.country, event.city) == ("203.0.113.0", "NL", "Delft")
    assert (event.browser, event.os, event.device_kind, event.bot) == ("Mobile Safari", "iOS", "tablet", False)
    assert (event.revenue_micros, event.currency, event.order_id) == (19_500_000, "CNY", "17")
    assert event.properties == '{"currency":"cny","order_id":17,"revenue":"19.5"}'


def test_a_bare_event_has_nothing_but_its_time_and_type(clean: Clean) -> None:
    event = clean()
    present = {name for name, value in event._asdict().items() if value not in (None, False, ())}
    assert present == {"message_id", "event_ms", "type", "event"}


@pytest.mark.parametrize("junk", [None, 1, "text", True, [], [{}], {"nested": {}}])
def test_junk_in_the_place_of_an_object_is_nothing(clean: Clean, junk: object) -> None:
    event = clean(
        type="identify",
        context=dict.fromkeys(("traits", "device", "page", "campaign", "consent", "library", "ip", "userAgent"), junk),
        traits=junk,
        properties=junk,
    )
    assert clean(context=junk).flags == ()
    assert event.subject_id is None
    assert event.channel is None


def test_a_revenue_that_is_none_is_flagged_and_an_absent_one_is_not(clean: Clean) -> None:
    assert clean(properties={"revenue": "free"})[-1] == ("invalid_revenue",)
    assert clean(properties={"revenue": True}).revenue_micros is None
    assert clean(properties={"revenue": None})[-1] == ()
    assert clean(properties={"revenue": -3}).revenue_micros == -3_000_000


def test_traits_are_the_persons_and_a_groups_are_its_properties(clean: Clean) -> None:
    context = {"traits": {"plan": "old", "city": "Delft"}}
    assert clean(type="identify", traits={"plan": "new"}, context=context).traits == '{"city":"Delft","plan":"new"}'
    group = clean(type="group", traits={"email": "office@example.com", "seats": 5}, context=context)
    assert group.traits == '{"city":"Delft","plan":"old"}'
    assert group.properties == '{"email":"o***@e***.com","seats":5}'
    assert clean(type="page", traits={"plan": "new"}).traits is None


def test_an_event_name_and_a_campaign_with_an_address_in_it_are_masked(clean: Clean) -> None:
    event = clean(type="track", event="Mail to ann@example.com", context={"campaign": {"name": "for ann@example.com"}})
    assert (event.event, event.campaign) == ("Mail to a***@e***.com", "for a***@e***.com")


def test_originals_are_those_of_the_columns_and_of_nothing_else(clean: Clean, keys: PrivacyKeys) -> None:
    contacts = {"email": "Ann.Lee@example.com", "phone": 13800138000.0}
    fields: dict[str, Any] = {"type": "identify", "timestamp": TIME, "traits": contacts}
    cleaner = Cleaner(CleaningRules(), keys)

    def originals(**more: Any) -> dict[str, tuple[str, str]]:
        return cleaner.originals(json.dumps({**fields, **more}).encode() + b"\r\n")

    event = clean(**fields)
    assert originals() == {"email": (event.email, ANN), "phone": (event.phone, PHONE)}
    assert originals(type="track", event="x", properties={"email": ANN}) == {"email": (event.email, ANN)}
    assert originals(traits={"email": "nobody", "phone": "none"}) == {}
    assert originals(type="purchase") == originals(timestamp="never") == {}
    assert originals(context={"consent": {"categoryPreferences": {"analytics": False}}}) == {}


def test_flags_are_sorted_and_each_comes_once(clean: Clean) -> None:
    event = clean(
        type="group",
        userId="null",
        anonymousId="null",
        groupId="x" * 1025,
        context={"traits": {"email": "x", "phone": "x"}},
        properties={"revenue": "x"},
        traits={"deep": json.loads("[" * 20 + "]" * 20)},  # the company's
    )
    assert (*event.flags[:-1], "no_consent", event.flags[-1]) == FLAGS


def test_of_equal_fields_the_last_one_counts(cleaner: Cleaner) -> None:
    event = cleaner.clean(b'{"type":"page","userId":"a","timestamp":1740823200,"userId":"b"}')
    assert isinstance(event, CleanEvent)
    assert event.user_id == "b"


@pytest.mark.parametrize("letters", ["x" * 1024, "\ufb01" * 512])
def test_an_identifier_of_1024_characters_is_kept(clean: Clean, letters: str) -> None:
    event = clean(userId=letters, anonymousId="c1")
    assert (len(event.user_id or ""), event.subject_type, event.flags) == (1024, "user_id", ())


@pytest.mark.parametrize("letters", ["x" * 1025, "\ufdfa" * 5_000])
def test_a_longer_identifier_is_dropped_and_flagged(clean: Clean, letters: str) -> None:
    """Of these ligatures 10,000 were 330 KB after NFKC, thrice in a message: too much for Kafka, and the job failed."""
    event = clean(userId=letters, anonymousId="c1")
    assert (event.user_id, event.subject_type, event.flags) == (None, "anonymous_id", ("long_identifier",))


def test_traits_that_are_too_many_or_too_large_are_left_out_and_flagged(clean: Clean) -> None:
    large = {"large": "x" * 2048, "Large name " + "x" * 2048: 1, "nested": ["x" * 2048]}
    event = clean(type="identify", traits={**large, **{f"t{n:03d}": n for n in range(250)}})
    assert json.loads(event.traits or "") == {f"t{n:03d}": n for n in range(200)}
    assert event.flags == ("truncated",)


def test_traits_up_to_the_limits_stay(clean: Clean) -> None:
    fitting = {"x": "y" * (2048 - len('{"x":""}')), **{f"t{n}": "\U0001f600" for n in range(199)}}
    event = clean(type="identify", traits=fitting)
    assert (json.loads(event.traits or ""), event.flags) == (fitting, ())
