"""Identifiers of persons: how they are normalised, which values are blocked, and which one is an event's subject."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import email_validator
import phonenumbers
import re2  # type: ignore[import-untyped]

from dmp.core.caching import cached_by_text
from dmp.core.numbers import plain_notation, to_decimal
from dmp.core.privacy import PrivacyKeys, pseudonym

#: All types, the strongest first unless configured otherwise.
IDENTIFIER_TYPES = ("user_id", "email", "phone", "device_id", "anonymous_id")
_POSITIONS = {kind: position for position, kind in enumerate(IDENTIFIER_TYPES)}

#: Most characters of a normalised identifier: it comes in many rows, keys and states, and NFKC may have made eighteen
#: characters of one, so that a single event would be more than Kafka takes.
MAX_IDENTIFIER = 1024

#: What broken tags and default values send instead of an identifier. Compared in lower case, without quotes around it.
BLOCKED_VALUES = frozenset(
    {"", "null", "none", "nil", "undefined", "nan", "anonymous", "guest", "unknown", "n/a", "true", "false"}
    | {"0", "-1", "[object object]"}
)
# Quotes, and the white space there may be between layers of them. NFKC has made ordinary spaces of the rest.
_PEEL = "'\"` \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u1680\u2028\u2029"
# ASCII's hyphen, Unicode's hyphens and dashes, the minus sign.
_ZEROS_AND_DASHES = "0-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"


@dataclass(frozen=True)
class CleaningRules:
    """Settings of cleaning.

    phone_region: ISO 3166 code of the region whose numbering plan a phone without country code follows.
    block: regular expressions (any case) that must match a whole identifier to block it; see `compile_block`.
    order: the types of identifiers, the strongest first, which is an event's subject.
    Raises ValueError, one line, for an unknown region or a pattern that does not compile.
    """

    phone_region: str = "CN"
    block: tuple[str, ...] = ()
    order: tuple[str, ...] = IDENTIFIER_TYPES

    def __post_init__(self) -> None:
        if self.phone_region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(
                f"phone_region {self.phone_region!r} is no region with phone numbers; give one like CN or US"
            )
        try:
            compile_block(self.block)
        except ValueError as error:
            raise ValueError(f"block pattern {error}") from None


def compile_block(patterns: Sequence[str]) -> Callable[[str], object]:
    """The test whether one of the patterns of `block` matches a whole text, in any case.

    RE2 takes time linear in the text, whatever the patterns: it does not backtrack, and has Python's syntax without
    look-around and back-references. ValueError, one line, names the first pattern that is none.
    """
    tests = [_compile(pattern, pattern) for pattern in patterns]
    if len(tests) < 2:
        return tests[0] if tests else lambda text: None
    return _compile("|".join(f"(?:{pattern})" for pattern in patterns), f"{patterns[0]} and others together")


def _compile(pattern: str, name: str) -> Callable[[str], object]:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options).fullmatch  # type: ignore[no-any-return]
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} is no regular expression: it is no valid Unicode") from None
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise ValueError(
            f"{name!r} is no regular expression: {reason}; those of RE2 have no look-around and no back-references"
        ) from None


class Blocklist:
    """The test for blocked values; `patterns` are those of CleaningRules."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._matches = compile_block(patterns)

    def blocks(self, text: str) -> bool:
        """Whether a normalised text, in any case and without quotes around it, is blocked."""
        bare = text.strip(_PEEL)
        if bare.lower() in BLOCKED_VALUES or not bare.strip(_ZEROS_AND_DASHES):
            return True
        return bool(self._matches(bare))


def identifier_text(value: object) -> str | None:
    """The text of a JSON value that stands for an identifier; None for null, objects and lists, which are none.

    Numbers become plain decimal notation, so 42, 42.0 and "42" are one identifier (as in JavaScript, through which
    events often pass).
    """
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = to_decimal(value)
    return None if number is None else plain_notation(number)


def normalise(text: str) -> str:
    """Unicode NFKC (full-width letters and digits become ordinary ones), then without white space around it."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).strip()


_DOT_ATOM_ADDRESS = re.compile(
    r"[a-z0-9_!#$%&'*+\-/=?^`{|}~]+(?:\.[a-z0-9_!#$%&'*+\-/=?^`{|}~]+)*@([a-z0-9.-]+)"
).fullmatch
_EMAIL_MAX_LENGTH = 254


@cached_by_text(16_384)
def _is_plain_domain(domain: str) -> bool:
    """Whether email-validator accepts this ASCII domain and leaves it as it is."""
    return _validate_email("a@" + domain) == "a@" + domain


def _validate_email(address: str) -> str | None:
    try:
        validated = email_validator.validate_email(address, check_deliverability=False)
    except ValueError:  # EmailNotValidError, or a UnicodeError of the domain's encoding
        return None
    return validated.normalized


def normalise_email(text: str) -> str | None:
    """A normalised text as lower-case e-mail address; None if email-validator (defaults, no DNS) refuses it.

    Dots and `+tags` are kept: they belong to the address at many providers.
    """
    address = text.lower()
    if len(address) > _EMAIL_MAX_LENGTH:
        return None
    # email-validator takes 20 microseconds. For an ASCII address all it adds to this pattern is the test of the domain,
    # and domains repeat.
    match = _DOT_ATOM_ADDRESS(address)
    if match and _is_plain_domain(match[1]):
        return address
    validated = _validate_email(address)
    return None if validated is None else validated.lower()


@cache
def _mobile_numbers(region: str) -> Callable[[str], re.Match[str] | None]:
    """A test for texts of digits alone that surely are mobile numbers of the region; group 1 is the number in it.

    For such a text, all that phonenumbers' parsing and validation (18 microseconds) come down to is this pattern of its
    own metadata: nothing to strip (no trunk, carrier or international prefix, no leading zero), the region alone on its
    country code. Texts that do not match may be valid numbers all the same.
    """
    plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if plan is None or plan.general_desc is None or plan.mobile is None:
        return lambda text: None
    if phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(plan.country_code or 0) != (region,):
        return lambda text: None
    lengths = "|".join(f".{{{length}}}" for length in plan.mobile.possible_length)
    prefixes = "|".join(filter(None, ["0", plan.international_prefix, plan.national_prefix_for_parsing]))
    return re.compile(
        rf"(?:\+{plan.country_code})?"
        rf"((?!{prefixes})(?=(?:{lengths})\Z)(?=(?:{plan.general_desc.national_number_pattern})\Z)"
        rf"(?:{plan.mobile.national_number_pattern}))",
        re.ASCII,
    ).fullmatch


def normalise_phone(text: str, region: str) -> str | None:
    """A normalised text as E.164 number (`+8613800138000`); None if phonenumbers does not hold it for valid.

    `region` is used for numbers without country code. An extension is left out.
    """
    mobile = _mobile_numbers(region)(text)
    if mobile is not None:
        return f"+{phonenumbers.country_code_for_region(region)}{mobile[1]}"
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def subject(
    identifiers: Sequence[str | None], order: Sequence[str] = IDENTIFIER_TYPES
) -> tuple[str | None, str | None]:
    """Type and id of the strongest identifier there is; (None, None) without any.

    `identifiers`: an id or None for each of IDENTIFIER_TYPES. `order`: these types, the strongest first.
    """
    for kind in order:
        value = identifiers[_POSITIONS[kind]]
        if value is not None:
            return kind, value
    return None, None


def parse_identifier(text: str, rules: CleaningRules, keys: PrivacyKeys) -> tuple[str, str]:
    """Type and id of `type:value` with a raw value, exactly as cleaning would store them.

    Raises ValueError, one line without the value in it.
    """
    kind, colon, value = text.partition(":")
    if not colon or kind not in IDENTIFIER_TYPES:
        raise ValueError(f"an identifier is written type:value, with a type of {', '.join(IDENTIFIER_TYPES)}")
    normal = normalise(value)
    blocklist = Blocklist(rules.block)
    if blocklist.blocks(normal):
        raise ValueError(f"this {kind} is blocked: empty, a placeholder like null, or by a pattern of the settings")
    if kind not in ("email", "phone"):
        if len(normal) > MAX_IDENTIFIER:
            raise ValueError(f"this {kind} is longer than {MAX_IDENTIFIER:,} characters")
        return kind, normal
    contact = normalise_email(normal) if kind == "email" else normalise_phone(normal, rules.phone_region)
    if contact is None:
        raise ValueError(f"this {kind} is not valid")
    if blocklist.blocks(contact):
        raise ValueError(f"this {kind} is blocked by a pattern of the settings")
    return kind, pseudonym(keys.pii_key, contact)
