"""The schedule and the traffic depend on the seed alone, and hold what they promise."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone

from tests.chaos.report import summary
from tests.chaos.run import Outcome
from tests.chaos.schedule import schedule
from tests.chaos.traffic import Traffic
from tests.pipeline.recount import recount

KINDS = ("a", "b", "c")
TRAFFIC = Traffic(7, "test", datetime(2026, 5, 1, 10, tzinfo=timezone.utc))


def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    assert schedule(1, 50, KINDS) == schedule(1, 50, KINDS) != schedule(2, 50, KINDS)
    assert schedule(1, 50, KINDS)[:20] == schedule(1, 20, KINDS)


def test_every_kind_comes_before_any_comes_again() -> None:
    steps = schedule(3, 11, KINDS)
    assert len(steps) == 11
    for begin in (0, 3, 6):
        assert {step.kind for step in steps[begin : begin + 3]} == set(KINDS)
    assert len({step.seed for step in steps}) == 11


def test_traffic_has_all_that_is_to_be_disturbed() -> None:
    lines = [line for batch in range(30) for line in TRAFFIC.events(batch, 150)]
    lines += [line for batch in range(5) for line in (*TRAFFIC.skewed(batch, 40), *TRAFFIC.hostile(batch, 40))]
    assert TRAFFIC.events(4, 150) == TRAFFIC.events(4, 150) != TRAFFIC.events(5, 150)
    assert not [line for line in lines if b"\n" in line or not line]
    found = recount(enumerate(lines), [], b"key")
    assert found.received == found.accepted + sum(found.rejected.values()) + found.duplicates
    assert found.duplicates > 50
    assert {"malformed_json", "not_an_object", "too_large", "unknown_type", "bad_timestamp"} == set(found.rejected)
    assert "shared" in found.refused.values()
    assert max(Counter(found.identities.values()).values()) > 3, "nobody has merged"
    times = [last for _, _, _, last, _, _ in found.profiles.values()]
    assert max(times) > TRAFFIC.start.timestamp() * 1000 + 3_600_000, "nothing in the future"


def test_orders_link_part_and_erase() -> None:
    orders = [order for batch in range(40) for order in TRAFFIC.orders(batch)]
    assert {order.op for order in orders} == {"link", "unlink", "erase"}
    assert all(len(order.ends) == (1 if order.op == "erase" else 2) for order in orders)


def test_the_summary_adds_up_what_came_of_the_faults() -> None:
    outcomes = [Outcome("a", 10, 1.0), Outcome("a", 20, 4.0), Outcome("a", 5, 2.0), Outcome("b", 1, 9.0, "one window")]
    found = summary(outcomes)
    assert (found["faults"], found["events"], found["differences"]) == (4, 36, 1)
    assert found["kinds"]["a"] == {"faults": 3, "median_seconds": 2.0, "max_seconds": 4.0}
    assert json.loads(json.dumps(found)) == found
