"""What people do in the shop: sessions of steps, from the first page to the order.

A block of traffic is made of whole sessions that overlap. The steps of a session keep their order; which session acts
next is mixed, so that the arrivals of all of them together can be an exact Poisson process.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from connectors.generate.people import DEVICES_EACH, Numbers, People

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Step(IntEnum):
    """What can happen in a session, in the order in which it happens."""

    ADVERTISEMENT = 0
    BROWSE = 1
    VIEW = 2
    ADD = 3
    LOGIN = 4
    ALIAS = 5
    GROUP = 6
    CHECKOUT = 7
    ORDER = 8
    DEVICE_REPORT = 9


class Channel(IntEnum):
    WEB = 0
    APP = 1
    SOCIAL = 2
    STORE = 3
    IOT = 4


CHANNEL_SHARES = (0.52, 0.33, 0.06, 0.06, 0.03)
SHARE_OF_BOTS = 0.04  # of the sessions on the web
SHARE_IN_CAMPAIGN = 0.3  # of the sessions on the web and in the app
SHARE_STILL_LOGGED_IN = 0.4  # of the sessions of registered people
STEPS_A_SESSION = 5  # about the mean; a block draws as many sessions as its steps need


@dataclass(frozen=True)
class Sessions:
    """Sessions as columns, one entry for each session."""

    person: Numbers
    device: Numbers
    channel: NDArray[np.int64]
    bot: Flags
    registered: Flags
    logged_in: Flags  # from the first step on; others log in at Step.LOGIN, if at all
    in_campaign: Flags
    steps: NDArray[np.int64]  # (sessions, len(Step)): how often each step happens


@dataclass(frozen=True)
class Timeline:
    """Steps in the order of their arrival, as columns; `session` is the row in Sessions."""

    session: Indices
    step: Indices


def visit(people: People, rng: np.random.Generator, steps: int) -> tuple[Sessions, Timeline]:
    """Sessions that give exactly `steps` steps; only the last one may be cut short."""
    sessions = _sessions(people, rng, steps)
    counts = sessions.steps.ravel()
    step = np.repeat(np.tile(np.arange(len(Step)), len(sessions.person)), counts)[:steps]
    session = np.repeat(np.repeat(np.arange(len(sessions.person)), len(Step)), counts)[:steps]
    return sessions, _interleave(rng, session, step)


def _interleave(rng: np.random.Generator, session: Indices, step: Indices) -> Timeline:
    """Let sessions begin in the first three quarters of the block, with exponential pauses between their steps."""
    begin = rng.random(int(session[-1]) + 1) * 0.75
    pause = np.minimum(rng.exponential(0.02, len(session)), 0.25)
    elapsed = np.cumsum(pause)
    first = np.searchsorted(session, session)  # row of the first step of the same session
    order = np.argsort(begin[session] + elapsed - elapsed[first], kind="stable")
    return Timeline(session[order], step[order])


def _sessions(people: People, rng: np.random.Generator, steps: int) -> Sessions:
    parts = [_draw(people, rng, max(steps // STEPS_A_SESSION, 1))]
    while sum(int(part.steps.sum()) for part in parts) < steps:
        parts.append(_draw(people, rng, max(steps // (4 * STEPS_A_SESSION), 1)))
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Sessions.__dataclass_fields__}
    return Sessions(**columns)


def _draw(people: People, rng: np.random.Generator, count: int) -> Sessions:
    person = people.draw(rng.random(count))
    channel = np.searchsorted(np.cumsum(CHANNEL_SHARES), rng.random(count)).clip(max=Channel.IOT)
    bot = (channel == Channel.WEB) & (rng.random(count) < SHARE_OF_BOTS)
    registered = people.registered(person) & ~bot
    logged_in = registered & (rng.random(count) < SHARE_STILL_LOGGED_IN)
    online = channel <= Channel.APP
    return Sessions(
        person=person,
        device=rng.integers(0, DEVICES_EACH, count).astype(np.uint64),
        channel=channel,
        bot=bot,
        registered=registered,
        logged_in=logged_in,
        in_campaign=(channel == Channel.SOCIAL) | (online & (rng.random(count) < SHARE_IN_CAMPAIGN)),
        steps=_funnel(rng, channel, bot, registered, logged_in),
    )


def _funnel(
    rng: np.random.Generator, channel: NDArray[np.int64], bot: Flags, registered: Flags, logged_in: Flags
) -> NDArray[np.int64]:
    """How often each step happens in each session: every stage of the funnel needs the one before."""
    count = len(channel)

    def chance(share: float) -> Flags:
        return rng.random(count) < share

    online = channel <= Channel.APP
    browses = online | (channel == Channel.SOCIAL) & chance(0.5)
    views = online & ~bot & chance(0.55)
    adds = views & chance(0.45)
    checks_out = adds & chance(0.6)
    orders = checks_out & chance(0.75)
    logs_in = online & registered & ~logged_in & (checks_out & chance(0.7) | chance(0.1))
    steps = np.zeros((count, len(Step)), dtype=np.int64)
    steps[:, Step.ADVERTISEMENT] = channel == Channel.SOCIAL
    steps[:, Step.BROWSE] = browses * rng.geometric(0.3, count)
    steps[:, Step.VIEW] = views * rng.geometric(0.4, count)
    steps[:, Step.ADD] = adds * rng.geometric(0.7, count)
    steps[:, Step.LOGIN] = logs_in
    steps[:, Step.ALIAS] = logs_in & chance(0.3)  # signing up rather than logging in
    steps[:, Step.GROUP] = (logs_in | logged_in) & chance(0.03)
    steps[:, Step.CHECKOUT] = checks_out
    steps[:, Step.ORDER] = orders | (channel == Channel.STORE)
    steps[:, Step.DEVICE_REPORT] = (channel == Channel.IOT) * rng.geometric(0.3, count)
    return steps
