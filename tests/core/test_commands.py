"""Commands about identities: what is one, what it becomes, and what people are shown of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.cleaning import Cleaner, CleanEvent, Reject
from dmp.core.commands import OPERATIONS, Command, CommandParser, message, readable, readable_id
from dmp.core.identifiers import IDENTIFIER_TYPES, CleaningRules
from dmp.core.privacy import PrivacyKeys, pseudonym
from dmp.core.timestamps import MAX_EVENT_MS, MIN_EVENT_MS

TEN = 1_740_823_200_000  # 2025-03-01T10:00:00Z
RULES, KEYS = CleaningRules(), PrivacyKeys(b"key")
PARSER = CommandParser(RULES, KEYS)
ANN = pseudonym(b"key", "ann@example.com")
SECRET = "secret-value"


def parse(**fields: Any) -> Command | Reject:
    """What becomes of a link of u1 and c1 with these fields; a field given as None is left out."""
    given_fields = {"at": "2025-03-01T10:00:00Z", "op": "link", "a": "user_id:u1", "b": "anonymous_id:c1", **fields}
    return PARSER.parse(json.dumps({name: value for name, value in given_fields.items() if value is not None}).encode())


def complaint(result: Command | Reject) -> str:
    assert isinstance(result, Reject), result
    assert result.reason == "bad_command"
    assert SECRET not in result.detail
    assert "\n" not in result.detail
    return result.detail


@pytest.mark.parametrize("op", ["link", "unlink"])
def test_a_command_about_two_identifiers(op: str) -> None:
    assert parse(op=op) == Command(TEN, op, "user_id", "u1", "anonymous_id", "c1")


def test_erase_concerns_one() -> None:
    assert parse(op="erase", b=None) == Command(TEN, "erase", "user_id", "u1", None, None)
    raw = b'{"at":"2025-03-01T10:00:00Z","op":"erase","a":"user_id:u1","b":null}'  # null is absent
    assert PARSER.parse(raw) == Command(TEN, "erase", "user_id", "u1", None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("email: Ann@Example.com ", ("email", ANN)),
        (f"email:{ANN}", ("email", ANN)),
        (f"phone: {ANN}\n", ("phone", ANN)),
        ("phone:138-0013-8000", ("phone", pseudonym(b"key", "+8613800138000"))),
        (f"user_id:{ANN}", ("user_id", ANN)),
        ("device_id:Ｄ1", ("device_id", "D1")),
        ("user_id:a:b|c", ("user_id", "a:b|c")),
    ],
)
def test_raw_values_become_what_cleaning_makes_of_them_and_pseudonyms_stay(
    text: str, expected: tuple[str, str]
) -> None:
    assert parse(op="erase", a=text, b=None) == Command(TEN, "erase", *expected, None, None)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("user_id", {"userId": "{}"}),
        ("anonymous_id", {"anonymousId": "{}"}),
        ("device_id", {"context": {"device": {"id": "{}"}}}),
        ("email", {"properties": {"email": "{}"}}),
        ("phone", {"properties": {"phone": "{}"}}),
    ],
)
@given(st.sampled_from(["Ann@Example.com", " '0' ", "13800138000", "NULL", "x", "ﷺ"]) | st.text(max_size=20))
def test_an_identifier_is_taken_exactly_if_cleaning_keeps_it(kind: str, field: dict[str, Any], value: str) -> None:
    body = json.dumps({"type": "page", "timestamp": 1_740_823_200, **field})
    event = Cleaner(RULES, KEYS).clean(body.replace('"{}"', json.dumps(value)).encode())
    assert isinstance(event, CleanEvent)
    result = parse(op="erase", a=f"{kind}:{value}", b=None)
    kept = getattr(event, kind)
    if kept is None:
        assert isinstance(result, Reject)
    else:
        assert result == Command(TEN, "erase", kind, kept, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-01T18:00:00+08:00",
        "2025-03-01 10:00:00.000Z",
        " 2025-03-01t10:00:00.0009z",
    ],
)
def test_one_moment_however_it_is_written(text: str) -> None:
    assert parse(at=text) == parse()


@pytest.mark.parametrize(
    "at",
    [None, "", SECRET, "2025-03-01T10:00:00", "2025-03-01", "2025-02-30T10:00:00Z", "1740823200", TEN, True, {}],
)
def test_a_time_must_be_rfc_3339_with_an_offset(at: Any) -> None:
    assert complaint(parse(at=at)).startswith("at must be RFC 3339 with an offset")


def test_times_have_the_bounds_of_events() -> None:
    assert "before the year 2000" in complaint(parse(at="1999-12-31T23:59:59.999Z"))
    assert isinstance(parse(at="2000-01-01T00:00:00Z"), Command)
    assert "after 9999" in complaint(parse(at="9999-12-31T23:59:59-01:00"))


@pytest.mark.parametrize("op", [None, SECRET, "Link", "merge", 1, [], {}])
def test_an_unknown_operation_is_refused(op: Any) -> None:
    assert complaint(parse(op=op)) == "op must be one of link, unlink, erase"


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "must be an identifier: text of the form type:value"),
        (17, "must be an identifier: text of the form type:value"),
        ([SECRET], "must be an identifier: text of the form type:value"),
        (SECRET, "an identifier is written type:value"),
        (f"cookie:{SECRET}", "an identifier is written type:value"),
        ("user_id:", "this user_id is blocked"),
        ("device_id: 'Null' ", "this device_id is blocked"),
        ("anonymous_id:00000000-0000-0000-0000-000000000000", "this anonymous_id is blocked"),
        (f"email:{SECRET}", "this email is not valid"),
        (f"phone:{SECRET}", "this phone is not valid"),
        (f"email:{ANN.upper()}", "this email is not valid"),
        (f"phone:{ANN[1:]}", "this phone is not valid"),
    ],
)
def test_a_bad_identifier_is_refused_by_its_name(name: str, value: Any, detail: str) -> None:
    assert complaint(parse(**{name: value})).startswith((f"{name}: {detail}", f"{name} {detail}"))


def test_settings_of_cleaning_hold() -> None:
    parser = CommandParser(CleaningRules(phone_region="US", block=("test-.*",)), KEYS)
    assert "a: this user_id is blocked" in complaint(_erase(parser, "user_id:Test-7"))
    american = Command(TEN, "erase", "phone", pseudonym(b"key", "+16502530000"), None, None)
    assert _erase(parser, "phone:650-253-0000") == american


def _erase(parser: CommandParser, text: str) -> Command | Reject:
    return parser.parse(json.dumps({"at": "2025-03-01T10:00:00Z", "op": "erase", "a": text}).encode())


@pytest.mark.parametrize("op", ["link", "unlink"])
@pytest.mark.parametrize(
    ("a", "b"),
    [("user_id:u1", "user_id: ｕ1"), ("email:Ann@Example.com", f"email:{ANN}")],
)
def test_an_identifier_is_not_linked_with_itself(op: str, a: str, b: str) -> None:
    assert complaint(parse(op=op, a=a, b=b)) == f"a and b are the same identifier: there is nothing to {op}"


def test_equal_values_of_two_types_are_two_identifiers() -> None:
    assert parse(a="user_id:x", b="anonymous_id:x") == Command(TEN, "link", "user_id", "x", "anonymous_id", "x")


def test_erase_with_two_identifiers_is_refused() -> None:
    assert complaint(parse(op="erase")) == "erase concerns one identifier: leave out b"


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("OP", "1 unknown field(s); did you mean op?; known: at, op, a, b"),
        ("bb", "1 unknown field(s); did you mean b?; known: at, op, a, b"),
        (SECRET, "1 unknown field(s); known: at, op, a, b"),
    ],
)
def test_unknown_fields_are_refused_with_a_suggestion(name: str, detail: str) -> None:
    assert complaint(parse(**{name: "x"})) == detail


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "not JSON in UTF-8, at character 0 of line 1"),
        (b"link user_id:u1", "not JSON in UTF-8"),
        (b'{"a": "\xff"}', "not JSON in UTF-8"),
        (b'{"a": "user_id:\\ud800"}', "not JSON in UTF-8"),
        (b"{} {}", "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"[]", "the JSON text is no object"),
        (b"null", "the JSON text is no object"),
        (b"{}", "at must be RFC 3339"),
    ],
)
def test_what_is_no_object_is_refused(raw: bytes, detail: str) -> None:
    assert complaint(PARSER.parse(raw)).startswith(detail)


def test_line_ends_do_not_matter() -> None:
    raw = b'{"at": "2025-03-01T10:00:00Z", "op": "link", "a": "user_id:u1", "b": "anonymous_id:c1"}'
    assert PARSER.parse(raw + b"\r\n") == PARSER.parse(raw) == parse()


_IDENTIFIERS = st.builds(
    "{}:{}".format,
    st.sampled_from(IDENTIFIER_TYPES),
    st.sampled_from(["Ann@Example.com", "13800138000", ANN, "null", "\x00", "\u2028", "a|b", "ﷺ", " x "])
    | st.text(max_size=12),
)
_ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.lists(st.text(max_size=3), max_size=2)
)
_COMMANDS = st.fixed_dictionaries(
    {},
    optional={
        "at": st.sampled_from(["2025-03-01T10:00:00.123Z", "1970-01-01T00:00:00Z"]) | _ANYTHING,
        "op": st.sampled_from(OPERATIONS) | _ANYTHING,
        "a": _IDENTIFIERS | _ANYTHING,
        "b": _IDENTIFIERS | _ANYTHING,
    },
)


@given(st.binary(max_size=60) | _COMMANDS.map(lambda fields: json.dumps(fields).encode()))
def test_any_bytes_give_a_command_or_a_reject(raw: bytes) -> None:
    result = PARSER.parse(raw)
    if isinstance(result, Reject):
        assert complaint(result)
        result.detail.encode()
    else:
        assert result.op in OPERATIONS
        assert (result.b_type is None) == (result.b_id is None) == (result.op == "erase")
        assert (result.a_type, result.a_id) != (result.b_type, result.b_id)


@given(st.sampled_from(["link", "unlink"]), _IDENTIFIERS, _IDENTIFIERS, st.integers(MIN_EVENT_MS, MAX_EVENT_MS))
def test_a_message_says_what_the_command_says(op: str, a: str, b: str, command_ms: int) -> None:
    try:
        command = PARSER.command(command_ms, op, a, b)
    except ValueError:
        return
    assert PARSER.parse(message(command)) == command


def test_a_message_has_no_raw_contact() -> None:
    command = PARSER.command(TEN + 7, "link", "email:Ann@Example.com", "phone:13800138000")
    assert json.loads(message(command)) == {
        "at": "2025-03-01T10:00:00.007Z",
        "op": "link",
        "a": f"email:{ANN}",
        "b": f"phone:{pseudonym(b'key', '+8613800138000')}",
    }
    assert list(json.loads(message(PARSER.command(TEN, "erase", "user_id:u1")))) == ["at", "op", "a"]


def test_text_that_is_no_unicode_is_refused_without_showing_it() -> None:
    """Arguments of a command line can hold such text."""
    with pytest.raises(ValueError, match="a: this is not valid Unicode") as caught:
        PARSER.command(TEN, "erase", f"email:{SECRET}\udcff")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("email:Ann@Example.com", "email:a***@e***.com"),
        ("phone:138-0013-8000", "phone:+86 138****8000"),
        (f"email:{ANN}", f"email:{ANN[:8]}…"),
        ("user_id:u1", "user_id:u1"),
        ("user_id:ann@example.com", "user_id:a***@e***.com"),
        ("anonymous_id:a\x1b[2Jb\u202ec", "anonymous_id:a?[2Jb?c"),
        ("device_id:" + "d" * 41, "device_id:" + "d" * 40 + "…"),
    ],
)
def test_people_see_no_contact_and_no_control_characters(text: str, shown: str) -> None:
    assert readable(text, RULES) == shown


def test_a_stored_pseudonym_is_shown_in_short() -> None:
    assert readable_id("email", ANN) == f"email:{ANN[:8]}…"
