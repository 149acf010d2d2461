"""Personal data: pseudonyms, masked forms for people to read, and cut addresses."""

from __future__ import annotations

import hmac
import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from dmp.core.caching import cached_by_text

_LABEL = 63  # most characters of a part of a domain name (RFC 1035); what is longer is none and may be anything

#: What stands for a value that cannot be shown in part.
HIDDEN = "***"


@dataclass(frozen=True)
class PrivacyKeys:
    """Secrets of the cleaning job; their values never appear in its repr.

    pii_key: key of the pseudonyms, any length but 0. Raises ValueError, one line.
    """

    pii_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.pii_key:
            raise ValueError("the PII key is empty")


def pseudonym(pii_key: bytes, value: str) -> str:
    """HMAC-SHA256 of the normalised value as 64 lower-case hex digits."""
    return hmac.digest(pii_key, value.encode(), "sha256").hex()


def mask_email(address: str) -> str:
    """`jane@example.com` as `j***@e***.com`: the first letters and the top-level domain stay."""
    local, _, domain = address.rpartition("@")
    top_level = domain.rpartition(".")[2]
    return f"{local[:1]}***@{domain[:1]}***.{top_level if len(top_level) <= _LABEL else HIDDEN}"


def mask_phone(number: str) -> str:
    """An E.164 number as `+86 138****5678`: country code, at most 3 first and 4 last digits, 4 or more hidden."""
    digits = number[1:]
    # No country code is the beginning of another one, so the first that fits is the one (ITU-T E.164).
    code = next((digits[:n] for n in (1, 2, 3) if int(digits[:n]) in COUNTRY_CODE_TO_REGION_CODE), "")
    national = digits[len(code) :]
    head = max(0, min(3, len(national) - 8))
    tail = max(0, min(4, len(national) - 4 - head))
    return f"+{code} {national[:head]}****{national[len(national) - tail :]}"


_WIDE_AT_SIGN = re.compile("[\uff20\ufe6b]").search
_TOKEN = re.compile(r"[^\s<>()\[\]{}\"'`,;:=&?#/\\|]+")


def has_at_sign(text: str) -> bool:
    """Whether there is an at sign in the text, also percent-encoded or in one of the forms that NFKC makes one."""
    return "@" in text or "%40" in text or (not text.isascii() and _WIDE_AT_SIGN(text) is not None)


def _mask_token(match: re.Match[str]) -> str:
    token = match[0]
    if not has_at_sign(token):
        return token
    text = unicodedata.normalize("NFKC", unquote(token))
    local, _, domain = text.rpartition("@")
    if not local or not ("." in domain or "\u3002" in domain):
        return token
    return mask_email(text)


def mask_embedded_emails(text: str) -> str:
    """The text with everything in it that looks like an e-mail address masked, also percent-encoded or full-width."""
    return _TOKEN.sub(_mask_token, text) if has_at_sign(text) else text


_USER_INFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/@]*@")


def cut_url(url: str) -> str:
    """The address without user info, query and fragment, and with e-mail addresses in its path masked."""
    address = url.partition("#")[0].partition("?")[0]
    return mask_embedded_emails(_USER_INFO.sub(r"\1", address)) if has_at_sign(address) else address


class Address(NamedTuple):
    """An IP address: in full for look-ups, and cut for keeping."""

    full: str
    cut: str


@cached_by_text(16_384)
def parse_ip(text: str) -> Address | None:
    """An IPv4 address cut to /24 or an IPv6 address cut to /48 (the network's first address); None if it is neither."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            network = ipaddress.IPv6Address(address.packed[:6] + bytes(10))
            return Address(str(ipaddress.IPv6Address(address.packed)), str(network))  # packed is without a scope id
        address = address.ipv4_mapped
    full = str(address)
    return Address(full, full.rpartition(".")[0] + ".0")
