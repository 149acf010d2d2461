"""Identifiers: normalisation, blocked values, validity, the subject."""

from __future__ import annotations

import email_validator
import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dmp.core.identifiers import (
    Blocklist,
    CleaningRules,
    identifier_text,
    normalise,
    normalise_email,
    normalise_phone,
    parse_identifier,
    subject,
)
from dmp.core.privacy import PrivacyKeys, pseudonym

BLOCKLIST = Blocklist(())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("u1", "u1"),
        (42, "42"),
        (42.0, "42"),
        (-1, "-1"),
        (1.5, "1.5"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (18_446_744_073_709_551_615, "18446744073709551615"),
        (True, "true"),
        (False, "false"),
        (None, None),
        ({}, None),
        (["u1"], None),
    ],
)
def test_json_values_become_text(value: object, text: str | None) -> None:
    assert identifier_text(value) == text


def test_full_width_letters_and_spaces_are_normalised_and_case_is_kept() -> None:
    assert normalise("\u3000Ｕｓｅｒ１ \n") == "User1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "null",
        "NULL",
        "none",
        "None",
        "nil",
        "undefined",
        "NaN",
        "anonymous",
        "Guest",
        "unknown",
        "n/a",
        "N/A",
        "true",
        "False",
        "0",
        "-1",
        "[object Object]",
        "[OBJECT OBJECT]",
        "000",
        "-",
        "--",
        "0-0",
        "ＮＵＬＬ",
        " NaN ",
        "00000000-0000-0000-0000-000000000000",
        "—",
        "０",
    ],
)
@pytest.mark.parametrize("quotes", ["{}", '"{}"', "'{}'", "`{}`", "\"'{}'\"", "' \"{} \"'", '"{}'])
def test_placeholders_are_blocked_in_any_case_and_in_any_quotes(text: str, quotes: str) -> None:
    assert BLOCKLIST.blocks(normalise(quotes.format(text)))


@pytest.mark.parametrize("text", ["u1", "nullable", "10", "-10", "0x0", "1", "-2", "null null", "a-0", "no", "n.a."])
def test_other_values_are_not_blocked(text: str) -> None:
    assert not BLOCKLIST.blocks(text)


def test_patterns_must_match_the_whole_value_in_any_case_and_without_its_quotes() -> None:
    blocklist = Blocklist(("test-.*", r"\d{3}"))
    assert blocklist.blocks("TEST-17")
    assert blocklist.blocks("'123'")
    assert not blocklist.blocks("my test-17")
    assert not blocklist.blocks("1234")


def test_rules_name_the_pattern_that_is_no_regular_expression() -> None:
    with pytest.raises(ValueError, match=r"block pattern '\(' is no regular expression"):
        CleaningRules(block=("ok", "("))


def test_rules_name_the_region_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="phone_region 'China' is no region"):
        CleaningRules(phone_region="China")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann.Lee@Example.COM", "ann.lee@example.com"),
        ("ann+tag@example.com", "ann+tag@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("安@example.com", "安@example.com"),
        ("ann@EXÄMPLE.de", "ann@exämple.de"),
        ("ann@xn--exmple-cua.de", "ann@exämple.de"),
        ("Postmaster@example.com", "postmaster@example.com"),
    ],
)
def test_email_addresses_become_lower_case_and_keep_dots_and_tags(text: str, address: str) -> None:
    assert normalise_email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "ann.lee at example.com",
        "ann@",
        "@example.com",
        "ann",
        "ann@localhost",
        "ann@example",
        "a..b@example.com",
        ".a@example.com",
        "ann@example..com",
        "ann@-example.com",
        "ann@example.com,bob@example.com",
        "ann@host.invalid",
        '"ann lee"@example.com',
        "ann@[127.0.0.1]",
        "Ann <ann@example.com>",
        "a" * 250 + "@example.com",
        "a b@example.com",
    ],
)
def test_what_email_validator_refuses_is_no_address(text: str) -> None:
    assert normalise_email(text) is None


_LOCAL = st.text(alphabet="abz09._+-'!#@ \"", min_size=0, max_size=12)
_DOMAIN = st.one_of(
    st.sampled_from(["example.com", "mail.example.org", "localhost", "x.test", "xn--exmple-cua.de", "a_b.com", "1.2"]),
    st.text(alphabet="abz09.-_@", max_size=12),
    st.text(max_size=5),
)


@given(_LOCAL, _DOMAIN)
@example("a", "example.com.")
@example("a" * 242, "example.com")
@example("a" * 243, "example.com")
def test_the_short_cut_for_ordinary_addresses_equals_email_validator(local: str, domain: str) -> None:
    address = f"{local}@{domain}".lower()
    try:
        expected = email_validator.validate_email(address, check_deliverability=False).normalized.lower()
    except ValueError:
        expected = None
    assert normalise_email(address) == expected


@pytest.mark.parametrize(
    "text",
    [
        "13800138000",
        "+86 138 0013 8000",
        "0086-138-0013-8000",
        "(+86)138-0013-8000",
        "138-0013-8000",
        "tel:+8613800138000",
    ],
)
def test_one_chinese_number_however_it_is_written(text: str) -> None:
    assert normalise_phone(text, "CN") == "+8613800138000"


@given(
    st.sampled_from(["CN", "DE", "IT", "US", "GB", "BR", "MX", "SG"]),
    st.from_regex(r"(\+|00|86|\+?49|0|1)?[0-9]{5,12}"),
)
@example("CN", "13800138000")
@example("CN", "+8613800138000")
@example("CN", "8613800138000")
@example("CN", "013800138000")
@example("CN", "17951138000")
@example("CN", "1795113800138000")
def test_the_short_cut_for_mobile_numbers_equals_phonenumbers(region: str, text: str) -> None:
    text = normalise(text)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        expected = None
    else:
        valid = phonenumbers.is_valid_number(number)
        expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None
    assert normalise_phone(text, region) == expected


def test_the_region_decides_for_numbers_without_country_code() -> None:
    assert normalise_phone("650-253-0000", "US") == "+16502530000"
    assert normalise_phone("650-253-0000", "CN") is None
    assert normalise_phone("+1 650 253 0000", "CN") == "+16502530000"


@pytest.mark.parametrize(
    "text", ["12345", "phone", "", "+", "+999123456789", "1" * 300, "1380013800", "+86138001380000"]
)
def test_what_is_no_valid_number_is_dropped(text: str) -> None:
    assert normalise_phone(text, "CN") is None


@given(st.text(max_size=30))
@example("¨x")
@example("İ@example.com")
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    address = normalise_email(once)
    assert address is None or normalise_email(normalise(address)) == address


@given(st.from_regex(r"\+?[0-9 ()-]{5,18}", fullmatch=True), st.sampled_from(["CN", "US", "DE", "IT", "MX", "AR"]))
@example("+390236618300", "CN")
def test_a_normalised_phone_stays_what_it_is_in_any_region(text: str, region: str) -> None:
    number = normalise_phone(text, region)
    assert number is None or normalise_phone(number, "CN") == number


_OPTIONAL_ID = st.one_of(st.none(), st.just("x"))


@given(st.tuples(_OPTIONAL_ID, _OPTIONAL_ID, _OPTIONAL_ID, _OPTIONAL_ID, _OPTIONAL_ID))
def test_the_subject_is_the_first_identifier_in_order_of_strength(ids: tuple[str | None, ...]) -> None:
    names = ("user_id", "email", "phone", "device_id", "anonymous_id")
    present = [(name, value) for name, value in zip(names, ids) if value is not None]
    assert subject(ids) == (present[0] if present else (None, None))


RULES, KEYS = CleaningRules(), PrivacyKeys(b"key")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user_id: Ｕ1 ", ("user_id", "U1")),
        ("user_id:a:b", ("user_id", "a:b")),
        ("device_id:d1", ("device_id", "d1")),
        ("anonymous_id:c1", ("anonymous_id", "c1")),
        ("email: Ann@Example.com", ("email", pseudonym(b"key", "ann@example.com"))),
        ("phone:138-0013-8000", ("phone", pseudonym(b"key", "+8613800138000"))),
    ],
)
def test_an_identifier_of_a_command_is_what_cleaning_makes_of_it(text: str, expected: tuple[str, str]) -> None:
    assert parse_identifier(text, RULES, KEYS) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("secret-value", "written type:value"),
        ("cookie:secret-value", "written type:value"),
        ("user_id:'null'", "this user_id is blocked"),
        ("phone:none", "this phone is blocked"),
        ("email:secret-value", "this email is not valid"),
        ("phone:secret-value", "this phone is not valid"),
    ],
)
def test_a_bad_identifier_of_a_command_is_refused_without_showing_it(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_identifier(text, RULES, KEYS)
    assert "secret-value" not in str(caught.value)


def test_a_pattern_blocks_a_phone_in_its_normalised_form_too() -> None:
    rules = CleaningRules(block=(r"\+8613800138000",))
    with pytest.raises(ValueError, match="blocked by a pattern"):
        parse_identifier("phone:138-0013-8000", rules, KEYS)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+", "(.*a){20}", "(a*)*b"])
def test_no_pattern_takes_long_on_any_value(pattern: str) -> None:
    """Python's own `re` would be at each of these for longer than the universe has been there."""
    assert not Blocklist((pattern, "other")).blocks("a" * 30_000 + "!")


def test_a_pattern_that_would_need_backtracking_is_refused() -> None:
    with pytest.raises(ValueError, match=r"block pattern '\(\?=a\)b' is no regular expression: .* no look-around"):
        CleaningRules(block=("ok", "(?=a)b"))
