"""Numbers as events carry them: JSON numbers and numeric text, read exactly."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMERIC_TEXT = re.compile(r"\s*[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?\s*").fullmatch


def to_decimal(value: object) -> Decimal | None:
    """The exact value of a JSON number or of numeric text, None for anything else (booleans included).

    Text follows JSON's grammar for numbers, but may have a leading `+`, leading zeros and white space around it.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):  # repr gives back the digits that were sent; Decimal(value) would show binary noise
        number = Decimal(repr(value))
        return number if number.is_finite() else None
    if isinstance(value, str) and _NUMERIC_TEXT(value):
        return Decimal(value.strip())
    return None


def plain_notation(number: Decimal) -> str:
    """A finite number in plain decimal notation without exponent and trailing zeros: 42.0, 4.2e1 and 42 give `42`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
