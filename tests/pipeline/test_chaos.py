"""The short form of `make chaos`: a fault of each of some kinds, on the jobs that run for this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import Site
from tests.chaos.inflow import Inflow
from tests.chaos.run import disturbed, new_traffic
from tests.chaos.schedule import schedule
from tests.pipeline.platform import Platform

pytestmark = [pytest.mark.stack, pytest.mark.last]  # its events of tomorrow take the watermark with them

SEED = 1
# The others have tests of their own in this folder, or are for `make chaos`.
KINDS = (
    "kill JobManager", "kill Python worker", "kill broker in a transaction", "kill collector",
    "Elasticsearch answers 429", "wrong clocks", "corrupt and oversized messages",
)  # fmt: skip


def test_faults_of_many_kinds_leave_no_trace(platform: Platform, tmp_path: Path) -> None:
    with Inflow(platform.stack, tmp_path) as inflow:
        site = Site(platform, inflow, new_traffic(SEED))
        outcomes = list(disturbed(site, schedule(SEED, len(KINDS), KINDS)))
    assert {outcome.kind: outcome.difference for outcome in outcomes} == dict.fromkeys(KINDS, "")
