"""What an event tells besides its identifiers: the browser and device, campaign, channel, referrer, revenue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import ua_parser

from dmp.core.caching import cached_by_text
from dmp.core.numbers import to_decimal
from dmp.core.privacy import mask_embedded_emails

CHANNELS = ("web", "app", "social", "store", "iot")


class Agent(NamedTuple):
    """What a user agent string tells. browser and os are ua-parser's families, None where it knows none."""

    browser: str | None
    os: str | None
    device_kind: str | None
    bot: bool


_NO_AGENT = Agent(None, None, None, False)

# Longer user agents are cut before parsing: real ones are shorter, and it bounds the cache.
_MAX_USER_AGENT = 1024

# Programs that ua-parser does not call Spider. `bot` must end a word: Cubot makes telephones.
_BOT = re.compile(
    r"(?<!cu)bots?\b|crawler|spider|slurp|scrapy|headless|phantomjs|lighthouse|pingdom|uptime|facebookexternalhit"
    r"|mediapartners|feedfetcher|curl/|wget/|libwww|python-|aiohttp|httpx/|go-http-client|java/|node-fetch|axios/|postman",
    re.IGNORECASE,
).search
_TV = re.compile(
    r"smart-?tv|apple ?tv|google ?tv|android ?tv|hbbtv|netcast|web0s|bravia|roku|crkey|aft[a-z]+ build|\btv\b",
    re.IGNORECASE,
).search
_TABLET = re.compile(r"ipad|tablet(?! pc)|kindle|silk/|playbook", re.IGNORECASE).search
_MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone|blackberry", re.IGNORECASE).search
_MOBILE_SYSTEMS = frozenset({"Android", "iOS", "Windows Phone", "BlackBerry OS", "KaiOS", "HarmonyOS", "Firefox OS"})
_DESKTOP_SYSTEMS = frozenset(
    {"Mac OS X", "Mac OS", "Linux", "Ubuntu", "Fedora", "Debian", "Red Hat", "SUSE", "Arch Linux", "Gentoo", "Mint"}
    | {"CentOS", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD", "Solaris"}
)


@lru_cache(maxsize=1)
def _resolver() -> ua_parser.Resolver:
    """ua-parser's compiled rules, in Rust; loading takes a quarter of a second. The cache in front of it is ours."""
    if ua_parser.RegexResolver is None:
        raise ImportError("ua-parser is without its fast engine: install ua-parser[regex]")
    return ua_parser.RegexResolver(ua_parser.load_builtins())


def user_agent(value: object) -> Agent:
    """Browser, system, kind of device and whether it is a bot.

    The kind is the first that fits of: `bot` (ua-parser's device family Spider, or a well-known program), `tv`,
    `tablet` (iPad, Tablet, or an Android browser that does not say Mobile, which is Google's rule), `mobile` (Mobi, as
    MDN recommends, or a system of telephones), `desktop` (by the system), `other`.
    """
    text = text_or_none(value)
    return _parse_agent(text[:_MAX_USER_AGENT]) if text else _NO_AGENT


@lru_cache(maxsize=16_384)
def _parse_agent(agent: str) -> Agent:
    result = _resolver()(agent, ua_parser.Domain.ALL)
    browser = result.user_agent.family if result.user_agent else None
    system = result.os.family if result.os else None
    spider = result.device is not None and result.device.family == "Spider"
    bot = spider or _BOT(agent) is not None
    return Agent(browser, system, "bot" if bot else _device_kind(agent, system or ""), bot)


def _device_kind(agent: str, system: str) -> str:
    if _TV(agent):
        return "tv"
    if _TABLET(agent):
        return "tablet"
    if agent.startswith("Mozilla/") and "Android" in agent and "Mobi" not in agent:
        return "tablet"
    if _MOBILE(agent) or system in _MOBILE_SYSTEMS:
        return "mobile"
    if system in _DESKTOP_SYSTEMS or system.startswith("Windows"):
        return "desktop"
    return "other"


class Campaign(NamedTuple):
    name: str | None
    source: str | None
    medium: str | None


_NO_CAMPAIGN = Campaign(None, None, None)


def campaign(context: Mapping[str, Any], page_url: str | None) -> Campaign:
    """Each of name, source and medium: from `context.campaign`, else from the utm_ parameters of the page's address.

    Blank text counts as missing; of a repeated parameter the first counts.
    """
    query = page_url.partition("#")[0].partition("?")[2] if page_url else ""
    tagged = _utm_parameters(query) if query else _NO_CAMPAIGN
    given = context.get("campaign")
    if type(given) is not dict:
        return tagged
    return Campaign(
        readable_text(given.get("name")) or tagged.name,
        readable_text(given.get("source")) or tagged.source,
        readable_text(given.get("medium")) or tagged.medium,
    )


@cached_by_text(8192)
def _utm_parameters(query: str) -> Campaign:
    if "utm" not in query:
        return _NO_CAMPAIGN
    values: dict[str, str] = {}
    for name, value in parse_qsl(query):
        if value.strip():
            values.setdefault(name, mask_embedded_emails(value))
    return Campaign(values.get("utm_campaign"), values.get("utm_source"), values.get("utm_medium"))


def text_or_none(value: object) -> str | None:
    """The value if it is text that is not blank, else None."""
    return value if isinstance(value, str) and value.strip() else None


def readable_text(value: object) -> str | None:
    """Text that is not blank, with the e-mail addresses in it masked; else None."""
    return mask_embedded_emails(value) if isinstance(value, str) and value.strip() else None


_WEB_LIBRARY = re.compile(r"analytics\.js").search
_APP_LIBRARY = re.compile(r"(?<![a-z])(?:ios|android|flutter|react[-_ ]?native|kotlin|swift)(?![a-z])").search


def channel(given: object, library: str | None) -> str | None:
    """`context.channel` if it is one of CHANNELS, else the one the name of the SDK tells, else None."""
    if isinstance(given, str) and given in CHANNELS:
        return given
    return _library_channel(library) if library else None


@cached_by_text(1024)
def _library_channel(library: str) -> str | None:
    name = library.lower()
    if _WEB_LIBRARY(name):
        return "web"
    return "app" if _APP_LIBRARY(name) else None


@cached_by_text(16_384)
def referrer_host(url: str) -> str | None:
    """The host of an address in lower case, without port and user info; None if there is none."""
    try:
        return urlsplit(url).hostname or None
    except ValueError:
        return None


MAX_REVENUE = 10**12
_MICRO = Decimal("0.000001")


def revenue_micros(value: object) -> int | None:
    """A revenue in millionths, rounded half to even; None unless it is a number or numeric text within +-1e12."""
    if type(value) is int:
        return value * 1_000_000 if -MAX_REVENUE < value < MAX_REVENUE else None
    number = to_decimal(value)
    if number is None or abs(number) >= MAX_REVENUE:
        return None
    return int(number.quantize(_MICRO, ROUND_HALF_EVEN).scaleb(6))


_CURRENCY = re.compile(r"[A-Za-z]{3}").fullmatch


def currency(value: object) -> str | None:
    """An ISO 4217 code in upper case; None for what does not look like one."""
    return value.upper() if isinstance(value, str) and _CURRENCY(value) else None
