"""Pseudonyms, masks, cut addresses, the vault."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

from dmp.core.identifiers import normalise_phone
from dmp.core.privacy import (
    PrivacyKeys,
    Vault,
    cut_url,
    mask_email,
    mask_embedded_emails,
    mask_phone,
    open_vault,
    parse_ip,
    pseudonym,
)

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def test_the_pseudonym_is_hmac_sha256_in_lower_case_hex() -> None:
    expected = hmac.new("clé".encode(), b"ann@example.com", hashlib.sha256).hexdigest()
    assert pseudonym("clé".encode(), "ann@example.com") == expected
    assert pseudonym(b"key", "The quick brown fox jumps over the lazy dog") == (
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )


def test_keys_of_wrong_length_are_refused_without_showing_them() -> None:
    with pytest.raises(ValueError, match="the PII key is empty"):
        PrivacyKeys(b"")
    with pytest.raises(ValueError, match="the vault key has 5 bytes; AES-256 needs 32") as caught:
        PrivacyKeys(b"x", b"short")
    assert "short" not in str(caught.value)
    with pytest.raises(ValueError, match="id of the vault key is empty"):
        PrivacyKeys(b"x", KEY, "")


def test_keys_are_not_in_their_repr() -> None:
    text = repr(PrivacyKeys(b"the-pii-secret", KEY))
    assert "the-pii-secret" not in text
    assert "kkk" not in text


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


def _sealed(key: bytes, key_id: str) -> str:
    vault = Vault(key, key_id)
    envelope = vault.envelope(vault.seal("email", "ann@example.com"), vault.seal("phone", "+8613800138000"))
    assert envelope is not None
    return envelope


def test_the_vault_gives_originals_back_with_the_key_of_its_id() -> None:
    keys = {"old": OTHER_KEY, "new": KEY}
    for envelope in (_sealed(KEY, "new"), _sealed(OTHER_KEY, "old")):
        assert open_vault(envelope, keys) == {"email": "ann@example.com", "phone": "+8613800138000"}


def test_the_vault_shows_no_original_and_is_the_same_each_time() -> None:
    envelope = _sealed(KEY, "1")
    assert "ann" not in envelope
    assert "8613800138000" not in envelope
    assert envelope == _sealed(KEY, "1") != _sealed(OTHER_KEY, "1")
    assert set(json.loads(envelope)) == {"kid", "email", "phone"}


def test_the_vault_is_plain_aes_gcm_that_any_tool_can_open() -> None:
    data = base64.b64decode(json.loads(_sealed(KEY, "1"))["email"])
    assert AESGCM(KEY).decrypt(data[:12], data[12:], b"email") == b"ann@example.com"


def test_different_values_and_fields_never_share_a_nonce() -> None:
    vault = Vault(KEY, "1")
    nonces = {vault.seal(name, f"value {n}")[:16] for n in range(500) for name in ("email", "phone")}
    assert len(nonces) == 1000


def test_an_envelope_without_values_is_none() -> None:
    assert Vault(KEY, "1").envelope(None, None) is None


def test_the_vault_refuses_an_unknown_key_a_wrong_key_and_changed_content() -> None:
    envelope = _sealed(KEY, "1")
    content = json.loads(envelope)
    with pytest.raises(ValueError, match="not among the given keys"):
        open_vault(envelope, {"2": KEY})
    with pytest.raises(ValueError, match="was changed, or its key"):
        open_vault(envelope, {"1": OTHER_KEY})
    with pytest.raises(ValueError, match="was changed, or its key"):
        open_vault(json.dumps({"kid": "1", "email": content["phone"]}), {"1": KEY})
    with pytest.raises(ValueError, match="was changed, or its key"):
        open_vault(json.dumps({"kid": "1", "email": "AAAA"}), {"1": KEY})


@given(st.one_of(st.text(), st.from_regex(r'\{"kid": ?(1|"1"|\[\]), ?"email": ?("[A-Za-z=]*"|1|null)\}')))
@example("[]")
@example('"kid"')
@example('{"kid":"1","email":null}')
@example('{"kid":[],"email":""}')
def test_what_is_no_vault_content_is_refused_with_one_error(envelope: str) -> None:
    with contextlib.suppress(ValueError):
        assert open_vault(envelope, {"1": KEY}) == {}


def test_what_is_too_long_for_a_top_level_domain_is_hidden() -> None:
    assert mask_email("ann@x." + "y" * 63) == "a***@x***." + "y" * 63
    assert mask_email("ann@x." + "y" * 64) == "a***@x***.***"
