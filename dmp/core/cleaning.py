"""Cleaning: the bytes of one raw event become one clean event or one reject with its reason.

Pure: the same bytes, rules and keys give the same result. Spec: the Segment spec, and sections 5 and 9 of the design.
JSON null counts as an absent field everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Callable, NamedTuple, Optional

import orjson

from dmp.core.caching import cached_by_text
from dmp.core.enrichment import (
    campaign,
    channel,
    currency,
    readable_text,
    referrer_host,
    revenue_micros,
    text_or_none,
    user_agent,
)
from dmp.core.identifiers import (
    MAX_IDENTIFIER,
    Blocklist,
    CleaningRules,
    identifier_text,
    normalise,
    normalise_email,
    normalise_phone,
    subject,
)
from dmp.core.masking import Masker
from dmp.core.privacy import (
    PrivacyKeys,
    cut_url,
    mask_email,
    mask_embedded_emails,
    mask_phone,
    parse_ip,
    pseudonym,
)
from dmp.core.timestamps import event_time

#: Most bytes of a raw event, without its line end.
MAX_EVENT_BYTES = 32_768

EVENT_TYPES = ("track", "identify", "page", "screen", "group", "alias")

#: In the order in which they are tried.
REJECT_REASONS = ("malformed_json", "not_an_object", "too_large", "unknown_type", "missing_event", "bad_timestamp")

FLAGS = (
    "blocked_identifier", "invalid_email", "invalid_phone", "invalid_revenue", "long_identifier", "no_consent",
    "truncated",
)  # fmt: skip

#: Most traits of one event, and most bytes of one, name and value as JSON text. A profile keeps as many (see
#: jobs/profiles.sql), and has to fit into a message of Kafka and into the terms of Elasticsearch.
MAX_TRAITS = 200
MAX_TRAIT_BYTES = 2048

#: Finds (country, city) of a full IP address; either may be None.
GeoLookup = Callable[[str], tuple[Optional[str], Optional[str]]]


class CleanEvent(NamedTuple):
    """One clean event; the order of fields is that of the columns of `dmp.events.clean`. None where absent.

    message_id: text of messageId, else `sha256:` and the hex digest of the raw bytes. event_ms: epoch milliseconds.
    event: the track name, else the type. email, phone: pseudonyms. previous_id: of an alias with a login.
    ip: cut to /24 or /48. revenue_micros: millionths. traits, properties: compact JSON objects. traits are the
    person's (an identify call's over those in the context), within MAX_TRAITS and MAX_TRAIT_BYTES, properties for a
    group call the company's traits; keys are sorted and contacts masked. In event, campaign and page columns e-mail
    addresses are masked too.
    flags: sorted, from FLAGS. Without consent to analytics (flag `no_consent`) every identifier is None, and so is what
    may hold one: group_id, ip, country, city, order_id, traits, properties.
    """

    message_id: str
    event_ms: int
    type: str
    event: str
    channel: str | None
    user_id: str | None
    email: str | None
    phone: str | None
    device_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    subject_type: str | None
    subject_id: str | None
    email_masked: str | None
    phone_masked: str | None
    campaign: str | None
    campaign_source: str | None
    campaign_medium: str | None
    page_url: str | None
    page_title: str | None
    referrer_host: str | None
    ip: str | None
    country: str | None
    city: str | None
    browser: str | None
    os: str | None
    device_kind: str | None
    bot: bool
    consent_analytics: bool | None
    consent_marketing: bool | None
    revenue_micros: int | None
    currency: str | None
    order_id: str | None
    traits: str | None
    properties: str | None
    library: str | None
    flags: tuple[str, ...]


class Reject(NamedTuple):
    """Why an event was refused. The detail has positions, field names and sizes, never values of the event (PII)."""

    reason: str
    detail: str


class _Contact(NamedTuple):
    """An e-mail address or phone: its pseudonym, masked form and itself, or the flag that says why it has none."""

    id: str | None = None
    masked: str | None = None
    original: str | None = None
    flag: str | None = None


_NO_CONTACT = _Contact()
_BLOCKED = _Contact(flag="blocked_identifier")

# An entry takes about 700 bytes, so the two caches of contacts stay within 25 MB.
_CONTACTS_CACHED = 16_384

_NOTHING: Mapping[str, Any] = {}


class _RawIdentifiers(NamedTuple):
    """The JSON values of an event's identifiers, not yet normalised."""

    message: Any
    user: Any
    email: Any
    phone: Any
    device: Any
    anonymous: Any
    previous: Any
    group: Any
    order: Any


class _Identity(NamedTuple):
    """The columns of CleanEvent from user_id to phone_masked."""

    user_id: str | None = None
    email: str | None = None
    phone: str | None = None
    device_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    email_masked: str | None = None
    phone_masked: str | None = None


class _Place(NamedTuple):
    """The columns of CleanEvent from ip to city."""

    ip: str | None = None
    country: str | None = None
    city: str | None = None


_NO_IDENTITY = _Identity()
_NOWHERE = _Place()


def _without_line_end(raw: bytes) -> bytes:
    body = raw[:-1] if raw[-1:] == b"\n" else raw
    return body[:-1] if body[-1:] == b"\r" else body


class _Accepted(NamedTuple):
    """An event that cleaning takes: its JSON object, type, name, and time in epoch milliseconds."""

    event: dict[str, Any]
    kind: str
    name: str
    event_ms: int


def _accept(body: bytes) -> _Accepted | Reject:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Reject("malformed_json", f"not JSON in UTF-8, at character {error.pos} of line {error.lineno}")
    if type(event) is not dict:
        return Reject("not_an_object", "the JSON text is no object")
    if len(body) > MAX_EVENT_BYTES:
        return Reject("too_large", f"{len(body)} bytes; at most {MAX_EVENT_BYTES} are allowed")
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        return Reject("unknown_type", f"type must be one of {', '.join(EVENT_TYPES)}, in lower case")
    name = event.get("event") if kind == "track" else kind
    if not isinstance(name, str) or not name.strip():
        return Reject("missing_event", "a track event needs a name in event: text that is not blank")
    try:
        event_ms = event_time(event)
    except ValueError as error:
        return Reject("bad_timestamp", str(error))
    return _Accepted(event, kind, name, event_ms)


def _identifiers(body: bytes, event: Mapping[str, Any], kind: str) -> _RawIdentifiers:
    raw = _raw_identifiers(event, kind)
    return _raw_identifiers(_with_exact_integers(body), kind) if float in map(type, raw) else raw


def _raw_identifiers(event: Mapping[str, Any], kind: str) -> _RawIdentifiers:
    context, properties = _object(event, "context"), _object(event, "properties")
    in_context = _object(context, "traits")
    # The traits of a group call are the company's, so only an identify call's own count.
    own = _object(event, "traits") if kind == "identify" else _NOTHING
    return _RawIdentifiers(
        event.get("messageId"),
        event.get("userId"),
        _first(own.get("email"), in_context.get("email"), properties.get("email")),
        _first(own.get("phone"), in_context.get("phone"), properties.get("phone")),
        _object(context, "device").get("id"),
        event.get("anonymousId"),
        event.get("previousId"),
        event.get("groupId"),
        properties.get("order_id"),
    )


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if type(value) is dict else _NOTHING


def _choices(context: Mapping[str, Any]) -> Mapping[str, Any]:
    return _object(_object(context, "consent"), "categoryPreferences")


def _first(*values: Any) -> Any:
    """The first that is there decides, without a second try when it turns out invalid."""
    for value in values:
        if value is not None:
            return value
    return None


def _with_exact_integers(body: bytes) -> Any:
    """The event with integers as text. orjson rounds those beyond 64 bits, and two persons' ids would become one."""
    try:
        return json.loads(body.decode(), parse_int=str)
    except RecursionError:  # nested deeper than json can go: orjson's reading has to do
        return orjson.loads(body)


def _message_id(value: Any, body: bytes) -> str:
    text = identifier_text(value) if not isinstance(value, bool) else None
    return text or "sha256:" + hashlib.sha256(body).hexdigest()


def _person_traits(event: Mapping[str, Any], kind: str, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an event says of the person: an identify call's traits before those in the context."""
    in_context = _object(context, "traits")
    return {**in_context, **_object(event, "traits")} if kind == "identify" else in_context


def _within_limits(traits: str | None, flags: set[str]) -> str | None:
    """The traits without those that are too large and, by name, those that are too many."""
    if traits is None or len(traits) <= MAX_TRAIT_BYTES // 4:  # a character has 4 bytes at most, a trait 4 at least
        return traits
    given: dict[str, Any] = orjson.loads(traits)
    fitting = {name: value for name, value in given.items() if len(orjson.dumps({name: value})) <= MAX_TRAIT_BYTES}
    kept = dict(islice(fitting.items(), MAX_TRAITS))
    if len(kept) == len(given):
        return traits
    flags.add("truncated")
    return orjson.dumps(kept).decode() if kept else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


class Cleaner:
    """Cleans events by fixed rules and keys. Make one for each worker process: it caches and cannot be pickled."""

    def __init__(self, rules: CleaningRules, keys: PrivacyKeys, geo: GeoLookup | None = None) -> None:
        self._rules = rules
        self._pii_key = keys.pii_key
        self._geo = geo
        self._blocklist = Blocklist(rules.block)
        self._email = cached_by_text(_CONTACTS_CACHED)(self._read_email)
        self._phone = cached_by_text(_CONTACTS_CACHED)(self._read_phone)
        self._masker = Masker(lambda text: self._email(text).masked, lambda text: self._phone(text).masked)

    def clean(self, raw: bytes) -> CleanEvent | Reject:
        """The clean event, or the first of REJECT_REASONS that holds. Never raises, whatever the bytes."""
        body = _without_line_end(raw)
        accepted = _accept(body)
        return accepted if isinstance(accepted, Reject) else self._clean(body, *accepted)

    def originals(self, raw: bytes) -> dict[str, tuple[str, str]]:
        """By type, pseudonym and original (normalised) of the e-mail and phone that `clean` finds in the event."""
        body = _without_line_end(raw)
        accepted = _accept(body)
        if isinstance(accepted, Reject) or _choices(_object(accepted.event, "context")).get("analytics") is False:
            return {}
        found = _identifiers(body, accepted.event, accepted.kind)
        contacts = (
            ("email", self._contact(found.email, self._email, set())),
            ("phone", self._contact(found.phone, self._phone, set())),
        )
        return {kind: (read.id, read.original) for kind, read in contacts if read.id and read.original}

    def _clean(self, body: bytes, event: dict[str, Any], kind: str, name: str, event_ms: int) -> CleanEvent:
        flags: set[str] = set()
        context = _object(event, "context")
        properties = _object(event, "properties")
        choices = _choices(context)
        consent = _boolean(choices.get("analytics"))
        raw = _identifiers(body, event, kind)

        identity, place, order_id, traits, properties_text = _NO_IDENTITY, _NOWHERE, None, None, None
        if consent is False:
            flags.add("no_consent")
        else:
            identity = self._identity(raw, kind, flags)
            place = self._place(context.get("ip"))
            order_id = text_or_none(identifier_text(raw.order))
            known = {identifier_text(raw.phone) or "": identity.phone_masked} if identity.phone_masked else _NOTHING
            traits = _within_limits(self._masked(_person_traits(event, kind, context), known, flags), flags)
            properties_text = self._masked(_object(event, "traits") if kind == "group" else properties, known, flags)

        revenue = properties.get("revenue")
        micros = None if revenue is None else revenue_micros(revenue)
        if revenue is not None and micros is None:
            flags.add("invalid_revenue")

        page = _object(context, "page")
        url = text_or_none(page.get("url"))
        referrer = text_or_none(page.get("referrer"))
        agent = user_agent(context.get("userAgent"))
        library = text_or_none(_object(context, "library").get("name"))
        return CleanEvent(
            _message_id(raw.message, body),
            event_ms,
            kind,
            mask_embedded_emails(name),
            channel(context.get("channel"), library),
            *identity,
            *campaign(context, url),
            cut_url(url) if url else None,
            readable_text(page.get("title")),
            referrer_host(referrer) if referrer else None,
            *place,
            agent.browser,
            agent.os,
            agent.device_kind,
            agent.bot,
            consent,
            _boolean(choices.get("marketing")),
            micros,
            currency(properties.get("currency")),
            order_id,
            traits,
            properties_text,
            library,
            tuple(sorted(flags)),
        )

    def _identity(self, raw: _RawIdentifiers, kind: str, flags: set[str]) -> _Identity:
        user_id = self._plain(raw.user, flags)
        email = self._contact(raw.email, self._email, flags)
        phone = self._contact(raw.phone, self._phone, flags)
        device_id = self._plain(raw.device, flags)
        anonymous_id = self._plain(raw.anonymous, flags)
        # Without the login there is nothing that the previous id could be an alias of.
        aliased = kind == "alias" and user_id is not None
        return _Identity(
            user_id,
            email.id,
            phone.id,
            device_id,
            anonymous_id,
            self._plain(raw.previous, flags) if aliased else None,
            self._plain(raw.group, flags) if kind == "group" else None,
            *subject((user_id, email.id, phone.id, device_id, anonymous_id), self._rules.order),
            email.masked,
            phone.masked,
        )

    def _plain(self, value: Any, flags: set[str]) -> str | None:
        if value is None or (text := identifier_text(value)) is None:
            return None
        normal = normalise(text)
        if self._blocklist.blocks(normal):
            flags.add("blocked_identifier")
            return None
        if len(normal) > MAX_IDENTIFIER:
            flags.add("long_identifier")
            return None
        return normal

    def _contact(self, value: Any, read: Callable[[str], _Contact], flags: set[str]) -> _Contact:
        if value is None or (text := identifier_text(value)) is None:
            return _NO_CONTACT
        contact = read(text)
        if contact.flag is not None:
            flags.add(contact.flag)
        return contact

    def _read_email(self, text: str) -> _Contact:
        normal = normalise(text)
        if self._blocklist.blocks(normal):
            return _BLOCKED
        email = normalise_email(normal)
        if email is None:
            return _Contact(flag="invalid_email")
        if email != normal and self._blocklist.blocks(email):
            return _BLOCKED
        return _Contact(pseudonym(self._pii_key, email), mask_email(email), email)

    def _read_phone(self, text: str) -> _Contact:
        normal = normalise(text)
        if self._blocklist.blocks(normal):
            return _BLOCKED
        phone = normalise_phone(normal, self._rules.phone_region)
        if phone is None:
            return _Contact(flag="invalid_phone")
        if self._blocklist.blocks(phone):
            return _BLOCKED
        return _Contact(pseudonym(self._pii_key, phone), mask_phone(phone), phone)

    def _place(self, ip: Any) -> _Place:
        address = parse_ip(ip) if isinstance(ip, str) else None
        if address is None:
            return _NOWHERE
        return _Place(address.cut, *self._geo(address.full)) if self._geo is not None else _Place(address.cut)

    def _masked(self, value: Mapping[str, Any], known: Mapping[str, str], flags: set[str]) -> str | None:
        """Compact JSON of the masked object, None for an empty one."""
        if not value:
            return None
        masked, truncated = self._masker.mask(value, known)
        if truncated:
            flags.add("truncated")
        return orjson.dumps(masked, option=orjson.OPT_SORT_KEYS).decode()
