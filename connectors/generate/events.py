"""Events as JSON text in the form of the Segment spec, as messy as real SDKs send them.

Text is put together from fragments that are made once (a product, a session's context), because building and
serialising a dictionary for each event takes several times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from connectors.generate import catalogue
from connectors.generate.people import People
from connectors.generate.shop import Channel, Flags, Indices, Sessions, Step, Timeline

SHARE_WITHOUT_MESSAGE_ID = 0.01
SHARE_BLOCKED_ID = 0.01
SHARE_MESSY_USER_ID = 0.03
SHARE_INVALID_CONTACT = 0.02
SHARE_INVALID_REVENUE = 0.01
SHARE_TOLD_CONSENT = 0.85
SHARE_NO_ANALYTICS = 0.03
SHARE_NO_MARKETING = 0.1
TIME_FORMAT_SHARES = (0.35, 0.45, 0.1, 0.1)  # in the order of EventWriter._times
CLOCK_ERROR_SECONDS = 60  # standard deviation
HOUR_US = 3_600_000_000

Key = Optional[bytes]


@dataclass(frozen=True)
class Times:
    """Moments of each event in microseconds since 1970."""

    happened: Indices  # whole milliseconds; what the cleaned event's time must be
    received: Indices


@dataclass(frozen=True)
class Circumstances:
    """What each event of the timeline meets with: whether payments fail, and how long it takes to be served in
    milliseconds, 0 for what is not told."""

    payments_fail: Flags
    service_ms: NDArray[np.float64]


Body = tuple[str, str, Key]
"""What is particular to an event: the members before its identifiers, what is added to its context, and the message
key if the event itself reveals a stronger identifier than its session. A plain tuple, being made for every event."""


def _library(name: str) -> str:
    return f',"library":{{"name":"{name}","version":"4.1.0"}}'


def _browser(agent: str) -> str:
    return f',"userAgent":"{agent}"{_library("analytics.js")}'


BROWSERS = tuple(_browser(agent) for agent in catalogue.BROWSERS)
BOTS = tuple(_browser(agent) for agent in catalogue.BOTS)
APPS = tuple(f',"userAgent":"{agent}"{_library(library)}' for library, agent in catalogue.APPS)
STORE = f',"channel":"store"{_library("pos")}'
IOT = f',"channel":"iot"{_library("iot-gateway")}'
SOCIAL = ',"channel":"social"'
CAMPAIGNS = tuple(
    f',"campaign":{{"name":"{name}","source":"{source}","medium":"{medium}"}}'
    for name, source, medium in catalogue.CAMPAIGNS
)
CONSENT = ',"consent":{"categoryPreferences":{"analytics":%s,"marketing":%s}}'
NO_ANALYTICS, NO_MARKETING, ALL = CONSENT % ("false", "false"), CONSENT % ("true", "false"), CONSENT % ("true", "true")


class SessionTexts:
    """What all events of a session have in common, as fragments of JSON; one entry for each session."""

    def __init__(self, people: People, sessions: Sessions, rng: np.random.Generator) -> None:
        count = len(sessions.person)
        self.channel = sessions.channel.tolist()
        self.user_id = people.user_ids(sessions.person)
        reveals = np.flatnonzero(sessions.steps[:, (Step.LOGIN, Step.ORDER)].any(axis=1))
        self.contact = dict(zip(reveals.tolist(), people.contacts(sessions.person[reveals])))
        self.choice = rng.integers(0, 2**31, count).tolist()
        self._chance = rng.random(count).tolist()
        self.cookie: list[str] = []
        self.referrer: list[str] = []
        self.query: list[str] = []
        self.context: list[str] = []
        # Identifiers and message key before and after the login.
        self.anonymous: list[tuple[str, Key]] = []
        self.known: list[tuple[str, Key]] = []
        columns = zip(
            people.cookies(sessions.person, sessions.device),
            people.device_ids(sessions.person, sessions.device),
            people.ip_addresses(sessions.person),
            people.consents(sessions.person).tolist(),
            sessions.bot.tolist(),
            sessions.in_campaign.tolist(),
        )
        for session, (cookie, device, ip, consent, bot, in_campaign) in enumerate(columns):
            self._identify(session, cookie, device)
            self._describe(session, device, ip, consent, bot)
            self._attribute(session, in_campaign)

    def _identify(self, session: int, cookie: str, device: str) -> None:
        channel, choice, chance = self.channel[session], self.choice[session], self._chance[session]
        user_id = self.user_id[session]
        if chance < SHARE_BLOCKED_ID:
            cookie = catalogue.BLOCKED_IDS[choice % len(catalogue.BLOCKED_IDS)]
        elif chance < 2 * SHARE_BLOCKED_ID:
            user_id = catalogue.BLOCKED_IDS[choice % len(catalogue.BLOCKED_IDS)]
        elif chance < 2 * SHARE_BLOCKED_ID + SHARE_MESSY_USER_ID:
            user_id = catalogue.messy_user_id(user_id, choice)
        self.cookie.append(cookie)
        members = "" if channel in (Channel.STORE, Channel.IOT) else f',"anonymousId":"{cookie}"'
        strongest = device if channel in (Channel.APP, Channel.IOT) else cookie if members else None
        self.anonymous.append((members, strongest.encode() if strongest else None))
        self.known.append((f'{members},"userId":"{user_id}"', user_id.encode()))

    def _describe(self, session: int, device: str, ip: str, consent: float, bot: bool) -> None:
        """The context: where and on what the session takes place, and what the person consents to."""
        channel, choice = self.channel[session], self.choice[session]
        members = f'"ip":"{ip}"'
        if channel == Channel.APP:
            members += f',"device":{{"id":"{device}"}}{APPS[int(device[:4], 16) % len(APPS)]}'
        elif channel == Channel.STORE:
            members += STORE
        elif channel == Channel.IOT:
            members += f',"device":{{"id":"{device}"}}{IOT}'
        else:
            members += BOTS[choice % len(BOTS)] if bot else BROWSERS[choice % len(BROWSERS)]
        if channel == Channel.SOCIAL:
            members += SOCIAL
        if consent < SHARE_TOLD_CONSENT and not bot:
            members += (
                NO_ANALYTICS if consent < SHARE_NO_ANALYTICS else NO_MARKETING if consent < SHARE_NO_MARKETING else ALL
            )
        self.context.append(members)

    def _attribute(self, session: int, in_campaign: bool) -> None:
        """The campaign, which on the web half of the sessions have in their pages' URL only, and the referrer."""
        choice, query = self.choice[session], ""
        if in_campaign and self.channel[session] == Channel.WEB and choice % 2:
            query = "?" + catalogue.CAMPAIGN_QUERIES[choice % len(catalogue.CAMPAIGN_QUERIES)]
        elif in_campaign:
            self.context[session] += CAMPAIGNS[choice // 2 % len(CAMPAIGNS)]
        self.query.append(query)
        referrer = catalogue.REFERRERS[choice % len(catalogue.REFERRERS)]
        self.referrer.append(f',"referrer":"{referrer}"' if referrer else "")


class EventWriter:
    """Writes the events of a timeline; message ids are made of `id_bytes`, 16 for each event."""

    def __init__(
        self, people: People, sessions: Sessions, timeline: Timeline, id_bytes: bytes, rng: np.random.Generator
    ) -> None:
        count = len(timeline.step)
        self._texts = SessionTexts(people, sessions, rng)
        self._session = timeline.session.tolist()
        self._step = timeline.step.tolist()
        self._known = _knows_user(sessions, timeline).tolist()
        self._product = np.searchsorted(catalogue.POPULARITY, rng.random(count), side="right").tolist()
        self._choice = rng.integers(0, 2**31, count).tolist()
        digits = id_bytes.hex()
        self._message_id = [digits[start : start + 32] for start in range(0, 32 * count, 32)]
        self.has_message_id: Flags = rng.random(count) >= SHARE_WITHOUT_MESSAGE_ID
        clock_error_ms = rng.normal(0, 1000 * CLOCK_ERROR_SECONDS, len(sessions.person)).astype(np.int64)
        self._clock_error_us = 1000 * clock_error_ms[timeline.session]
        time_format = rng.choice(len(TIME_FORMAT_SHARES), len(sessions.person), p=TIME_FORMAT_SHARES)
        self._time_format = time_format[timeline.session]
        self._bodies: dict[int, Callable[[int, int], Body]] = {
            Step.ADVERTISEMENT: self._advertisement,
            Step.BROWSE: self._browse,
            Step.VIEW: self._view,
            Step.ADD: self._add,
            Step.LOGIN: self._login,
            Step.ALIAS: self._alias,
            Step.GROUP: self._group,
            Step.CHECKOUT: self._checkout,
            Step.ORDER: self._order,
            Step.DEVICE_REPORT: self._device_report,
        }

    def write(self, rows: Indices, times: Times, circumstances: Circumstances) -> tuple[list[bytes], list[Key]]:
        """Values and keys of messages, one for each of `rows`, which are positions in the timeline.

        A position may come several times, as when an SDK repeats a message; `times` has an entry for each of `rows`.
        """
        values: list[bytes] = []
        keys: list[Key] = []
        self._payments_fail = circumstances.payments_fail.tolist()
        self._service = [f',"service_ms":{time:.1f}' if time else "" for time in circumstances.service_ms.tolist()]
        texts, has_id = self._texts, self.has_message_id.tolist()
        for row, moment in zip(rows.tolist(), self._times(rows, times)):
            session = self._session[row]
            identifiers, key = (texts.known if self._known[row] else texts.anonymous)[session]
            message_id = f'"messageId":"{self._message_id[row]}",' if has_id[row] else ""
            members, context, own_key = self._bodies[self._step[row]](row, session)
            context = texts.context[session] + context
            values.append(f'{{{message_id}{members}{identifiers},"context":{{{context}}},{moment}}}'.encode())
            keys.append(own_key or key)
        return values, keys

    def _times(self, rows: Indices, times: Times) -> list[str]:
        """The members of time, in one of four formats for each session; in the first, device clocks are wrong."""
        time_format, error = self._time_format[rows], self._clock_error_us[rows]
        members = [""] * len(rows)
        of_device, in_utc, in_epoch, local = (np.flatnonzero(time_format == number) for number in range(4))
        original = _rfc3339((times.happened + error)[of_device], "ms")
        sent = _rfc3339((times.received + error)[of_device], "us")
        for row, first, second in zip(of_device.tolist(), original, sent):
            members[row] = f'"originalTimestamp":"{first}Z","sentAt":"{second}Z"'
        for row, text in zip(in_utc.tolist(), _rfc3339(times.happened[in_utc], "ms")):
            members[row] = f'"timestamp":"{text}Z"'
        for row, milliseconds in zip(in_epoch.tolist(), (times.happened[in_epoch] // 1000).tolist()):
            members[row] = f'"timestamp":{milliseconds}'
        for row, text in zip(local.tolist(), _rfc3339(times.happened[local] + 8 * HOUR_US, "ms")):
            members[row] = f'"timestamp":"{text}+08:00"'
        received = _rfc3339(times.received, "us")
        return [f'{moment},"receivedAt":"{text}Z"' for moment, text in zip(members, received)]

    def _advertisement(self, row: int, session: int) -> Body:
        promotion = self._choice[row] % 9
        return f'"type":"track","event":"Promotion Clicked","properties":{{"promotion_id":"A{promotion}"}}', "", None

    def _browse(self, row: int, session: int) -> Body:
        name = catalogue.PAGES[self._choice[row] % len(catalogue.PAGES)]
        service = self._service[row]
        if self._texts.channel[session] == Channel.APP:
            return (
                f'"type":"screen","name":"{name}","properties":{{"variation":"{self._choice[row] % 3}"{service}}}',
                "",
                None,
            )
        path = f"/{name.lower()}"
        members = f'"type":"page","name":"{name}","properties":{{"path":"{path}"{service}}}'
        return members, self._page(session, path, name), None

    def _view(self, row: int, session: int) -> Body:
        return self._about_product("Product Viewed", "", row, session)

    def _add(self, row: int, session: int) -> Body:
        return self._about_product("Product Added", f',"quantity":{1 + self._choice[row] % 3}', row, session)

    def _about_product(self, event: str, more: str, row: int, session: int) -> Body:
        product = catalogue.PRODUCTS[self._product[row]]
        members = f'"type":"track","event":"{event}","properties":{{{product.fields}{more}}}'
        if self._texts.channel[session] == Channel.APP:
            return members, "", None
        return members, self._page(session, f"/product/{product.number}", product.category), None

    def _page(self, session: int, path: str, title: str) -> str:
        url = f"{catalogue.SITE}{path}{self._texts.query[session]}"
        return f',"page":{{"url":"{url}","title":"{title}"{self._texts.referrer[session]}}}'

    def _login(self, row: int, session: int) -> Body:
        contact = "".join(f',"{name}":"{value}"' for name, value in self._contact(row, session))
        return f'"type":"identify","traits":{{"name":"{self._texts.contact[session].name}"{contact}}}', "", None

    def _contact(self, row: int, session: int) -> list[tuple[str, str]]:
        """The e-mail, the phone or both as somebody types them in; now and then of no use."""
        choice, contact = self._choice[row], self._texts.contact[session]
        if choice % 1000 < 1000 * SHARE_INVALID_CONTACT:
            email = catalogue.INVALID_EMAILS[choice % len(catalogue.INVALID_EMAILS)]
            phone = catalogue.INVALID_PHONES[choice % len(catalogue.INVALID_PHONES)]
        else:
            email = catalogue.messy_email(contact.email, choice >> 10)
            phone = catalogue.messy_phone(contact.phone, choice >> 10)
        both = [("email", email), ("phone", phone)]
        return (both, both[:1], both[1:])[choice % 3]

    def _alias(self, row: int, session: int) -> Body:
        return f'"type":"alias","previousId":"{self._texts.cookie[session]}"', "", None

    def _group(self, row: int, session: int) -> Body:
        number = self._texts.choice[session] % len(catalogue.COMPANIES)
        traits = f'"name":"{catalogue.COMPANIES[number]}","email":"office{number}@example.com"'
        return f'"type":"group","groupId":"company-{number}","traits":{{{traits}}}', "", None

    def _checkout(self, row: int, session: int) -> Body:
        value = catalogue.PRODUCTS[self._product[row]].price
        properties = f'"value":{value:.2f},"currency":"{catalogue.CURRENCY}"'
        return f'"type":"track","event":"Checkout Started","properties":{{{properties}}}', "", None

    def _order(self, row: int, session: int) -> Body:
        """An order; guests, in a store too, leave their contact data with it."""
        if self._payments_fail[row]:
            return '"type":"track","event":"Payment Failed","properties":{"retryable":true}', "", None
        choice, product = self._choice[row], catalogue.PRODUCTS[self._product[row]]
        quantity = 1 + choice % 3
        revenue = f"{product.price * quantity:.2f}"
        if choice % 1000 < 1000 * SHARE_INVALID_REVENUE:
            revenue = '"n/a"'
        elif choice % 10 == 0:
            revenue = f'"{revenue}"'
        contact = [] if self._known[row] else self._contact(row, session)
        properties = (
            f'"order_id":"O{self._message_id[row][:12]}","revenue":{revenue},"currency":"{catalogue.CURRENCY}",'
            f'"products":[{{"product_id":"{product.number}","price":{product.price:.2f},"quantity":{quantity}}}]'
        ) + "".join(f',"{name}":"{value}"' for name, value in contact)
        key = contact[0][1].encode() if contact else None
        return f'"type":"track","event":"Order Completed","properties":{{{properties}}}', "", key

    def _device_report(self, row: int, session: int) -> Body:
        battery = self._choice[row] % 101
        return f'"type":"track","event":"Device Reported","properties":{{"battery":{battery}}}', "", None


def _knows_user(sessions: Sessions, timeline: Timeline) -> Flags:
    """Which steps carry the user id: those of logged-in sessions, those from a login on, and, of people with an
    account, what their customer card or their device at home reports."""
    always = sessions.logged_in | (sessions.registered & (sessions.channel >= Channel.STORE))
    logs_in = sessions.steps[:, Step.LOGIN] > 0
    flags: Flags = always[timeline.session] | ((timeline.step >= Step.LOGIN) & logs_in[timeline.session])
    return flags


def _rfc3339(microseconds: NDArray[np.int64], unit: str) -> list[str]:
    """Times without their offset, to fractions of the unit ("ms" or "us")."""
    moments = microseconds.astype("datetime64[us]")
    texts: list[str] = np.datetime_as_string(moments, unit=unit).tolist()  # type: ignore[call-overload]
    return texts
