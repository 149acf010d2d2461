"""Fields that people keep by hand about a person, and changes of them.

An identifier's fields are `{name: {"value": ..., "at": RFC 3339, "by": who}}`. Values are text, numbers or booleans;
e-mails and phones in them are masked as in traits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Optional, Union

import orjson

from dmp.core.identifiers import normalise_email, normalise_phone
from dmp.core.masking import Masker
from dmp.core.numbers import to_decimal
from dmp.core.privacy import mask_email, mask_phone

Value = Union[str, int, float, bool, None]
Fields = dict[str, dict[str, Any]]
Identifier = tuple[str, str]

MAX_TEXT = 1000
MAX_NUMBER = 2**53
"""Up to here every JSON reader keeps integers exact."""

_CHANGE = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,63})(\+?=)(.*)", re.DOTALL)


class Change(NamedTuple):
    """`set` a field to a value, None to remove it, or `add` a number to what it is; what is not there is 0."""

    field: str
    op: Literal["set", "add"]
    value: Value


class Edit(NamedTuple):
    """A field as it holds for a person: the latest of those that the person's identifiers have."""

    value: Value
    at: str
    by: str
    identifier: Identifier


def parse_change(text: str, phone_region: str) -> Change:
    """`field=value` or `field+=number`; the value is a JSON scalar, null to remove the field, or else plain text.

    ValueError, one line, for anything else.
    """
    match = _CHANGE.fullmatch(text)
    if not match:
        raise ValueError(
            "a change has the form field=value or field+=number; a field begins with a letter, followed by at most 63 "
            "letters, digits and underscores"
        )
    field, op, value = match[1], match[2], _value(match[3])
    if op == "=":
        return Change(field, "set", _masked(field, value, phone_region))
    if isinstance(value, (str, bool)) or value is None:
        raise ValueError(f"{field}+= needs a number")
    return Change(field, "add", value)


def _value(text: str) -> Value:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    if isinstance(value, (dict, list)):
        raise ValueError("a value is text, a number, true, false or null: no object and no list")
    if isinstance(value, str) and not 0 < len(value) <= MAX_TEXT:
        raise ValueError(f"text has 1 to {MAX_TEXT:,} characters; field=null removes a field")
    if isinstance(value, (int, float)):
        _check_number(value)
    return value  # type: ignore[no-any-return]


def _check_number(value: float) -> None:
    if abs(value) > MAX_NUMBER:
        raise ValueError(f"a number is at most {MAX_NUMBER:,}")


def _masked(field: str, value: Value, phone_region: str) -> Value:
    def email(text: str) -> Optional[str]:
        normal = normalise_email(text)
        return mask_email(normal) if normal else None

    def phone(text: str) -> Optional[str]:
        normal = normalise_phone(text, phone_region)
        return mask_phone(normal) if normal else None

    return Masker(email, phone).mask({field: value}, {}).value[field]  # type: ignore[no-any-return]


def apply_changes(fields: Fields, changes: Sequence[Change], at: str, by: str) -> Fields:
    """The fields after the changes, in order. ValueError when a number is to be added to something else."""
    changed = dict(fields)
    for field, op, value in changes:
        result = _sum(field, changed.get(field, {}).get("value"), value) if op == "add" else value
        if result is None:
            changed.pop(field, None)
        else:
            changed[field] = {"value": result, "at": at, "by": by}
    return changed


def _sum(field: str, before: Value, more: Value) -> Value:
    total = to_decimal(0 if before is None or isinstance(before, str) else before)
    if total is None or isinstance(before, str):
        raise ValueError(f"{field} is {before!r}, no number to add to: set it first")
    total += to_decimal(more) or Decimal()
    result = int(total) if total == total.to_integral_value() else float(total)
    _check_number(result)
    return result


def of_person(by_identifier: Mapping[Identifier, Fields]) -> dict[str, Edit]:
    """What holds for a person: of each field the latest edit, of equally late ones that of the least identifier."""
    latest: dict[str, Edit] = {}
    for identifier in sorted(by_identifier):
        for name, field in by_identifier[identifier].items():
            if name not in latest or field["at"] > latest[name].at:
                latest[name] = Edit(field["value"], field["at"], field["by"], identifier)
    return dict(sorted(latest.items()))
