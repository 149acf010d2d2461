"""Masking of free-form objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.masking import MAX_DEPTH, Masker


def _email(text: str) -> str | None:
    return "E" if text.strip().lower() in ("ann@example.com", "o'neil@example.com") else None


def _phone(text: str) -> str | None:
    return "P" if text == "13800138000" else None


MASKER = Masker(_email, _phone)


def mask(value: dict[str, Any], **known: str) -> dict[str, Any]:
    return MASKER.mask(value, known).value


@pytest.mark.parametrize(
    "name",
    ["email", "Email", "E-Mail", "email_address", "userEmail", "email2", "mail", "work.email", "邮箱", "联系邮箱"],
)
def test_fields_named_email_are_masked_or_hidden(name: str) -> None:
    assert mask({name: "ann@example.com"}) == {name: "E"}
    assert mask({name: "ann at example"}) == {name: "***"}


@pytest.mark.parametrize(
    "name",
    [
        "phone",
        "Phone",
        "mobile",
        "mobile_no",
        "homePhone",
        "phone_number",
        "PHONE 2",
        "tel",
        "cell",
        "msisdn",
        "手机号",
    ],
)
def test_fields_named_phone_are_masked_or_hidden_as_text_and_as_number(name: str) -> None:
    assert mask({name: "13800138000"}) == {name: "P"}
    assert mask({name: 13800138000}) == {name: "P"}
    assert mask({name: "ext. 5"}) == {name: "***"}
    assert mask({name: 1.5}) == {name: "***"}


@pytest.mark.parametrize("name", ["hotel", "email_opened", "cellar", "mailbox_size", "phonetic", "telemetry"])
def test_fields_with_other_names_stay(name: str) -> None:
    assert mask({name: "13800138000"}) == {name: "13800138000"}


def test_booleans_and_nulls_stay_under_any_name() -> None:
    assert mask({"mobile": True, "email": None}) == {"mobile": True, "email": None}


def test_what_is_inside_a_field_named_phone_is_masked_at_any_depth() -> None:
    value = {"phones": [], "phone": {"work": ["13800138000", {"n": 13800138000}], "label": "desk"}}
    assert mask(value) == {"phones": [], "phone": {"work": ["P", {"n": "P"}], "label": "***"}}


def test_a_text_that_is_a_whole_address_is_masked_under_any_name() -> None:
    assert mask({"user": " Ann@example.com ", "list": ["o'neil@example.com"]}) == {"user": "E", "list": ["E"]}


def test_addresses_inside_text_and_in_names_are_masked() -> None:
    assert mask({"note": "ask bob@example.org", "bob@example.org": 1}) == {
        "note": "ask b***@e***.org",
        "b***@e***.org": 1,
    }


def test_a_known_phone_is_masked_under_any_name() -> None:
    assert MASKER.mask({"login": "138-0013", "x": ["138-0013"]}, {"138-0013": "K"}).value == {"login": "K", "x": ["K"]}


def test_addresses_of_pages_lose_their_query() -> None:
    value = {"url": "https://a.example/p?tel=1", "referrer": "/x#y", "search": "?q=1", "title": "Why? Because"}
    assert mask(value) == {"url": "https://a.example/p", "referrer": "/x", "search": "", "title": "Why? Because"}
    assert mask({"search": "what is this? a shoe"}) == {"search": "what is this? a shoe"}


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"email": "ann@example.com"}
    for _ in range(levels - 1):
        value = {"in": value}
    return value


def test_what_is_nested_too_deep_is_cut_off_and_reported() -> None:
    deepest = MASKER.mask(_nested(MAX_DEPTH), {})
    assert not deepest.truncated
    assert '"E"' in json.dumps(deepest.value)
    deeper = MASKER.mask(_nested(MAX_DEPTH + 1), {})
    assert deeper.truncated
    assert json.dumps(deeper.value).count("{") == MAX_DEPTH
    assert MASKER.mask(json.loads('{"a":' * 900 + "1" + "}" * 900), {}).truncated


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), _JSON, max_size=5))
def test_the_given_object_is_never_changed(value: dict[str, Any]) -> None:
    before = json.dumps(value)
    mask(value)
    assert json.dumps(value) == before


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "phone", "email"]), _JSON, max_size=5))
def test_the_order_of_fields_changes_nothing(value: dict[str, Any]) -> None:
    assert mask(dict(reversed(list(value.items())))) == mask(value)


def test_names_are_without_the_letter_that_elasticsearch_refuses() -> None:
    masked = Masker(lambda text: None, lambda text: None).mask({"a\0b": {"\0": "\0"}}, {})
    assert masked.value == {"a\ufffdb": {"\ufffd": "\0"}}
