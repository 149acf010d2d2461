"""Related items and recommendations over files equal a recount: in batch, and in streaming with mini-batches so small
that corrections flow through every view; in any order, with repeated events, merged, parted and erased persons."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from connectors.changelog import final_rows
from dmp.config import Config, RecommendationsSection
from jobs import clock, recommend, upstream
from jobs.job import Job
from schemas.tables import create_file_table
from schemas.topics import EVENTS_CLEAN, IDENTITIES, RECOMMENDATIONS, RELATED_ITEMS, Topic
from tests.recommend import recount
from tests.recommend.shop import NOW, Traffic, event, person_row, traffic, write_changes, write_rows

pytestmark = pytest.mark.flink

RULES = recount.Rules(period_hours=24, periods=4, basket_items=9, person_items=30)
Rows = dict[str, dict[str, Any]]


class Run(NamedTuple):
    """How the job is run. Small mini-batches fold few changes, so that many corrections flow through the views."""

    batch: bool
    parallelism: int
    mini_batch: int = 50
    seed: int = 1


def job_over_files(how: Run, config: Config, folder: Path) -> Job:
    job = Job("recommend", config, partial(create_file_table, folder=folder, changelog=not how.batch), batch=how.batch)
    job.set("parallelism.default", str(how.parallelism))
    job.set("table.exec.mini-batch.size", str(how.mini_batch))
    job.set("restart-strategy.type", "none")
    upstream.events(job)
    upstream.persons(job)
    clock.stopped(job, NOW)
    recommend.items(job)
    return job


def run(how: Run, given: Traffic, config: Config, folder: Path) -> tuple[Rows, Rows]:
    """Related items by item and recommendations by person."""
    write_rows(folder / EVENTS_CLEAN.table, given.events)
    if how.batch:
        write_rows(folder / IDENTITIES.table, [person_row(*item) for item in given.persons.items()])
    else:
        write_changes(folder / IDENTITIES.table, given.changes)
    for half in (recommend.relate, recommend.recommend):
        job = job_over_files(how, config, folder)
        half(job)
        job.statements.execute().wait()
    return by_key(folder, RELATED_ITEMS), by_key(folder, RECOMMENDATIONS)


def by_key(folder: Path, topic: Topic) -> Rows:
    """The final rows; RuntimeError if one is taken back that has never been there."""
    (key,) = topic.key
    found = final_rows(folder / topic.table, lambda row: {name: row[name] for name in row if name != "decided_at"})
    return {row.pop(key): row for row in found}


@pytest.fixture(scope="module")
def rules(config: Config) -> Config:
    return config.model_copy(update={"recommendations": RecommendationsSection(**RULES._asdict())})


@pytest.mark.parametrize("how", [Run(True, 2), Run(False, 2), Run(False, 1, seed=2)], ids=str)
def test_results_equal_a_recount(how: Run, rules: Config, java: None, tmp_path: Path) -> None:
    given = traffic(Random(how.seed))
    related, recommended = run(how, given, rules, tmp_path)
    expected = recount.related(given.seen, given.persons, RULES, NOW)
    assert related == expected
    assert recommended == recount.recommended(given.seen, given.persons, expected, RULES, NOW)
    assert len(related) == 20 and len(recommended) > 5


ODD = [
    ("Product Viewed", {"product_id": 7}, ["7"]),
    ("Product Viewed", {"product_id": "  P1 ", "sku": "s"}, ["P1"]),
    ("Product Viewed", {"product_id": None, "sku": "语言"}, ["语言"]),
    ("Order Completed", {"products": [{"product_id": "P1"}, {"sku": "S2"}, {}, "P3"], "sku": "S"}, ["P1", "S2", "S"]),
    ("Order Completed", {"products": {"product_id": "P1"}}, []),
    ("Order Completed", {"products": "P1"}, []),
    ("Product Added", {"product_id": " "}, []),
    ("Product Added", {"product_id": {"id": 1}}, []),
    ("Product Added", {"product_id": "a\u001fb"}, []),
    ("Product Added", {"product_id": "a" * 200}, ["a" * 200]),
    ("Product Added", {"product_id": "a" * 201}, []),
    ("Product Removed", {"product_id": "P1"}, []),
    ("Checkout Started", None, []),
]  # fmt: skip


def test_items_have_a_name(config: Config, java: None, tmp_path: Path) -> None:
    rows = [event(("user_id", str(number)), NOW, name, properties) for number, (name, properties, _) in enumerate(ODD)]
    rows += [
        {**event(("user_id", "bot"), NOW, "Product Viewed", {"sku": "S"}), "bot": True},
        {**event(("user_id", "nobody"), NOW, "Product Viewed", {"sku": "S"}), "subject_id": None},
    ]  # fmt: skip
    write_rows(tmp_path / EVENTS_CLEAN.table, rows)
    job = job_over_files(Run(True, 1), config, tmp_path)
    with job.environment.sql_query("SELECT subject_id, item FROM seen_items").execute().collect() as found:
        items = sorted((int(row[0]), row[1]) for row in found)
    assert items == sorted((number, item) for number, (_, _, names) in enumerate(ODD) for item in names)
    assert recount.items(rows[3]) == tuple(ODD[3][2]), json.dumps(rows[3])
