"""Pseudonyms, masks, cut addresses."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.identifiers import normalise_phone
from dmp.core.privacy import (
    PrivacyKeys,
    cut_url,
    mask_email,
    mask_embedded_emails,
    mask_phone,
    parse_ip,
    pseudonym,
)


def test_the_pseudonym_is_hmac_sha256_in_lower_case_hex() -> None:
    expected = hmac.new("clé".encode(), b"ann@example.com", hashlib.sha256).hexdigest()
    assert pseudonym("clé".encode(), "ann@example.com") == expected
    assert pseudonym(b"key", "The quick brown fox jumps over the lazy dog") == (
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="the PII key is empty"):
        PrivacyKeys(b"")


def test_keys_are_not_in_their_repr() -> None:
    assert "the-pii-secret" not in repr(PrivacyKeys(b"the-pii-secret"))


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("jane@example.com", "j***@e***.com"),
        ("j@example.co.uk", "j***@e***.uk"),
        ("安娜@例子.中国", "安***@例***.中国"),
    ],
)
def test_an_email_shows_first_letters_and_top_level_domain(address: str, masked: str) -> None:
    assert mask_email(address) == masked


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+8613812345678", "+86 138****5678"),
        ("+16502530000", "+1 65****0000"),
        ("+4915123456789", "+49 151****6789"),
        ("+6561234567", "+65 ****4567"),
        ("+3726123456", "+372 ****456"),
        ("+29022222", "+290 ****2"),
    ],
)
def test_a_phone_shows_country_code_and_at_most_three_first_and_four_last_digits(number: str, masked: str) -> None:
    assert mask_phone(number) == masked


@given(st.from_regex(r"(\+86 1[3-9][0-9]{9}|\+1 [2-9][0-9]{9}|\+49[0-9]{5,11}|\+65[0-9]{8})", fullmatch=True))
def test_a_masked_phone_hides_at_least_four_digits(text: str) -> None:
    number = normalise_phone(text, "CN")
    if number is not None:
        masked = mask_phone(number)
        assert sum(map(str.isdigit, masked)) <= len(number) - 1 - 4
        assert number not in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to ann@example.com, or bob@mail.example.org!", "write to a***@e***.com, or b***@m***.org!"),
        ("<ann@example.com>", "<a***@e***.com>"),
        ("/unsubscribe/ann%40example.com/now", "/unsubscribe/a***@e***.com/now"),
        ("?email=ann%40example.com&x=1", "?email=a***@e***.com&x=1"),
        ("ＡＮＮ＠ｅｘａｍｐｌｅ．ｃｏｍ", "A***@e***.com"),
        ("mailto:ann@example.com?subject=hi", "mailto:a***@e***.com?subject=hi"),
        ("@ann follows @bob", "@ann follows @bob"),
        ("2 @ 3.50", "2 @ 3.50"),
        ("react@18", "react@18"),
        ("j***@e***.com", "j***@e***.com"),
        ("no address here", "no address here"),
    ],
)
def test_addresses_inside_text_are_masked(text: str, masked: str) -> None:
    assert mask_embedded_emails(text) == masked


@given(st.text(alphabet="ab@.% 40<>,é", max_size=60))
def test_masking_text_twice_is_masking_it_once(text: str) -> None:
    once = mask_embedded_emails(text)
    assert mask_embedded_emails(once) == once


@pytest.mark.parametrize(
    ("url", "cut"),
    [
        ("https://shop.example.com/p/1?email=a%40b.com#x", "https://shop.example.com/p/1"),
        ("https://shop.example.com/#/p?token=1", "https://shop.example.com/"),
        ("https://ann:secret@shop.example.com/p", "https://shop.example.com/p"),
        ("https://shop.example.com/u/ann@example.com/edit", "https://shop.example.com/u/a***@e***.com/edit"),
        ("/p/1?x=1", "/p/1"),
        ("?q=1", ""),
        ("not a url", "not a url"),
    ],
)
def test_a_url_loses_user_info_query_and_fragment(url: str, cut: str) -> None:
    assert cut_url(url) == cut


@pytest.mark.parametrize(
    ("text", "full", "cut"),
    [
        ("203.0.113.77", "203.0.113.77", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("2001:DB8:FFFF:2::1", "2001:db8:ffff:2::1", "2001:db8:ffff::"),
        ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0"),
        ("fe80::1:2:3:4%eth0", "fe80::1:2:3:4", "fe80::"),
    ],
)
def test_an_ip_address_is_cut_to_24_or_48_bits(text: str, full: str, cut: str) -> None:
    assert parse_ip(text) == (full, cut)


@pytest.mark.parametrize(
    "text", ["", "203.0.113", "203.0.113.256", "203.0.113.7:80", "1.1.1.1, 2.2.2.2", "::g", "localhost"]
)
def test_what_is_no_ip_address_is_dropped(text: str) -> None:
    assert parse_ip(text) is None


def test_what_is_too_long_for_a_top_level_domain_is_hidden() -> None:
    assert mask_email("ann@x." + "y" * 63) == "a***@x***." + "y" * 63
    assert mask_email("ann@x." + "y" * 64) == "a***@x***.***"
