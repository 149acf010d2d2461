"""Masking of free-form objects (traits, properties): people read them, but find no e-mail address or phone there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from dmp.core.caching import cached_by_text
from dmp.core.privacy import HIDDEN, cut_url, has_at_sign, mask_embedded_emails

#: Objects and lists nested deeper are replaced by null. Elasticsearch's `flattened` takes 20 levels, orjson writes 254.
MAX_DEPTH = 16

_EMAIL, _PHONE, _URL = "email", "phone", "url"
_EMAIL_ENDINGS = (
    "email",
    "emailaddress",
    "emailaddr",
    "emailid",
    "mailaddress",
    "邮箱",
    "邮箱地址",
    "电子邮件",
    "邮件地址",
)
_PHONE_ENDINGS = ("phone", "phonenumber", "phoneno", "mobile", "mobilenumber", "mobileno", "msisdn", "whatsapp")
_PHONE_ENDINGS_ZH = ("手机", "手机号", "手机号码", "电话", "电话号码")
_SHORT_NAMES = {"mail": _EMAIL, "tel": _PHONE, "telno": _PHONE, "cell": _PHONE, "cellnumber": _PHONE}
# Copies of the page's address that Segment's page call has in its properties; they carry PII in their queries.
_URL_NAMES = frozenset(["url", "referrer", "referer", "search"])
_URL_STARTS = ("http://", "https://", "/", "?")

_NO_LETTERS = re.compile(r"[\W\d_]+")


class _Key(NamedTuple):
    name: str
    holds: str | None


@cached_by_text(8192)
def _classify(key: str) -> _Key:
    """What a field holds by its name; case, digits and separators don't matter (`homePhone`, `E-Mail`, `email_2`)."""
    bare = _NO_LETTERS.sub("", key.lower())
    if bare.endswith(_EMAIL_ENDINGS):
        holds: str | None = _EMAIL
    elif bare.endswith(_PHONE_ENDINGS + _PHONE_ENDINGS_ZH):
        holds = _PHONE
    elif bare in _URL_NAMES:
        holds = _URL
    else:
        holds = _SHORT_NAMES.get(bare)
    # Elasticsearch refuses a document with U+0000 in the name of a `flattened` field.
    return _Key(mask_embedded_emails(key).replace("\0", "\ufffd"), holds)


class Masked(NamedTuple):
    """A masked copy, and whether something nested too deep was left out of it."""

    value: dict[str, Any]
    truncated: bool


class Masker:
    """Masks JSON objects. `email` and `phone` give the masked form of a text, or None when it is no valid one.

    Text is masked when the name of its field, or of a field around it, says e-mail or phone (hidden entirely if it is
    not valid), when it is or contains an e-mail address, and when it is one of `known` (an event's own phone under
    another name). Numbers are masked by field name only.
    """

    def __init__(self, email: Callable[[str], str | None], phone: Callable[[str], str | None]) -> None:
        self._email = email
        self._phone = phone

    def mask(self, value: Mapping[str, Any], known: Mapping[str, str]) -> Masked:
        truncated: list[bool] = []
        return Masked(self._mask_object(value, None, known, 1, truncated), bool(truncated))

    def _mask_object(
        self, value: Mapping[str, Any], around: str | None, known: Mapping[str, str], depth: int, truncated: list[bool]
    ) -> dict[str, Any]:
        masked = {}
        for key, item in value.items():
            name, holds = _classify(key)
            masked[name] = self._mask_item(item, holds or around, known, depth, truncated)
        return masked

    def _mask_item(
        self, item: Any, holds: str | None, known: Mapping[str, str], depth: int, truncated: list[bool]
    ) -> Any:
        kind = type(item)
        if kind is str:
            return self._mask_text(item, holds) if item not in known else known[item]
        if kind is dict or kind is list:
            if depth == MAX_DEPTH:
                truncated.append(True)
                return None
            if kind is dict:
                return self._mask_object(item, holds, known, depth + 1, truncated)
            return [self._mask_item(element, holds, known, depth + 1, truncated) for element in item]
        if holds is not None and holds is not _URL and (kind is int or kind is float):
            return self._mask_text(str(item), holds)
        return item

    def _mask_text(self, text: str, holds: str | None) -> str:
        if holds is _EMAIL:
            return self._email(text) or HIDDEN
        if holds is _PHONE:
            return self._phone(text) or HIDDEN
        if holds is _URL and text.startswith(_URL_STARTS):
            return cut_url(text)
        if has_at_sign(text):
            # A whole address may hold characters that end one inside a longer text: o'neil@example.com.
            return self._email(text) or mask_embedded_emails(text)
        return text
