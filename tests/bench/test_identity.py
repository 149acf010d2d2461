"""Stages of `python -m bench identity` that no other test plans: they build jobs with tables of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.identity import BASELINE, RESULTS, STAGES, new_job, write_input
from bench.workload import MIXES


@pytest.mark.flink
@pytest.mark.parametrize(("stage", "sinks"), [(BASELINE, {"windows"}), (RESULTS, {"metrics", "profiles"})])
def test_a_stage_can_be_planned(stage: str, sinks: set[str], tmp_path: Path) -> None:
    write_input(tmp_path, 10, MIXES["steady"], readers=1)
    job = new_job(tmp_path, hops=3, settings={})
    STAGES[stage].build(job, tmp_path)
    plan = job.statements.explain()
    assert {table for table in sinks if f"Sink(table=[default_catalog.default_database.{table}]" in plan} == sinks
