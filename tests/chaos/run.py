"""One fault after the other, and whether the results are what they must be after each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from schemas.topics import EVENTS_CLEAN
from tests.chaos.faults import FAULTS, Site
from tests.chaos.schedule import Step
from tests.chaos.traffic import Traffic, halves
from tests.pipeline import audiences

BATCH = 150  # events for each fault
RECOVERY_SECONDS = 1200  # on a machine so busy that heartbeats fail, jobs start again and again


@dataclass(frozen=True)
class Outcome:
    """What came of a fault. `seconds`: from when its healing began to exact results. `difference`: "" for none."""

    kind: str
    events: int
    seconds: float
    difference: str = ""


def new_traffic(seed: int) -> Traffic:
    """Traffic that no other run has had, up to now."""
    now = datetime.now(timezone.utc)
    return Traffic(seed, f"{now:%m%d%H%M%S}", now)


def undisturbed(site: Site) -> Outcome:
    """A batch without any fault, to compare with."""
    site.inflow.write(site.traffic.events(0, BATCH))
    begin = time.monotonic()
    assert_exact(site)
    return Outcome("none", BATCH, time.monotonic() - begin)


def disturbed(site: Site, steps: Sequence[Step], rest_seconds: float = 0) -> Iterator[Outcome]:
    """Each fault in turn; ends with the first one after which results differ from those of an undisturbed run."""
    for number, step in enumerate(steps, start=1):
        outcome = _disturbed_once(site, step, number)
        yield outcome
        if outcome.difference:
            return
        time.sleep(rest_seconds)


def _disturbed_once(site: Site, step: Step, batch: int) -> Outcome:
    fault = FAULTS[step.kind](site, step.seed)
    before = site.inflow.lines
    early, late = halves(site.traffic.events(batch, BATCH))
    last, late = halves(late)
    _give_orders(site, batch)
    site.inflow.write(early)
    try:
        fault.inject()
        site.inflow.write(late)
        fault.endure()
    finally:
        begin = time.monotonic()
        fault.heal()
    site.inflow.write(last)
    try:
        assert_exact(site)
    except AssertionError as error:
        return Outcome(step.kind, site.inflow.lines - before, time.monotonic() - begin, str(error))
    return Outcome(step.kind, site.inflow.lines - before, time.monotonic() - begin)


def _give_orders(site: Site, batch: int) -> None:
    for order in site.traffic.orders(batch):
        site.platform.dmp(order.op, *order.ends, *(("--yes", "--no-wait") if order.op == "erase" else ()))


def assert_exact(site: Site) -> None:
    """Wait until all that was sent has come through: nothing is lost or doubled on its way in, and identities, windows,
    profiles, totals and segments in Elasticsearch equal a recount."""
    site.inflow.wait_until_sent()
    site.platform.wait_until_running(RECOVERY_SECONDS)
    audiences.assert_exact(site.platform)
    ids = [json.loads(message.value)["message_id"] for message in site.platform.topic(EVENTS_CLEAN.name)]
    assert len(ids) == len(set(ids)), f"an accepted event stands twice in {EVENTS_CLEAN.name}"
