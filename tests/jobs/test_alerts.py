"""Job `alerts` in a Flink mini-cluster, over changes of windows in files: the alerts are those of the final windows."""

from __future__ import annotations

import json
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.changelog import final_rows
from dmp.alerting import alerts_of, load_rules
from dmp.config import AlertsSection, Config
from jobs import alerts
from jobs.alerts import StreamJob
from schemas.tables import create_file_table
from schemas.topics import ALERTS
from tests.jobs.windows import as_given, metrics_row, quality_row

pytestmark = pytest.mark.flink

RULES = """
rules:
  - {name: traffic-unusual, kind: zscore, sigmas: 5, warmup: 6}
  - {name: channel-fell, kind: change, by: [channel], falls: 0.6, baseline: 4, at_least: 5}
  - {name: orders-stopped, kind: silence, where: {event: Order Completed}, windows: 3}
  - {name: checkout-broken, kind: funnel_drop, after: Checkout Started, step: Order Completed, baseline: 4, at_least: 5}
  - {name: rejects, kind: reject_rate, above: 0.2, clear: 0.1}
  - {name: minute, kind: threshold, by: [event], window: 60, above: 400}
"""
WINDOWS = 60


def traffic(begin_ms: int) -> list[dict[str, Any]]:
    """Windows with a shop that is broken for a while, a channel that falls away, and rejects."""
    rng = random.Random(4)
    found = []
    for number in range(WINDOWS):
        start = begin_ms + number * 10_000
        for channel in ("web", "app"):
            falls = channel == "app" and 25 <= number < 30
            for event, events in (("Page Read", 40), ("Checkout Started", 12), ("Order Completed", 8)):
                broken = event == "Order Completed" and 40 <= number < 45
                count = rng.randint(events - 3, events + 3) // (10 if falls else 1) * (not broken)
                count *= 6 if event == "Page Read" and number == 50 else 1
                if count:
                    found.append(metrics_row(start, channel, event, count))
        found.append(quality_row(start, "received", "", 100))
        found.append(quality_row(start, "rejected", "malformed_json", 40 if number in (15, 16) else 3))
    return found


def write_changes(folder: Path, final: list[dict[str, Any]]) -> None:
    """The rows as Flink writes changelogs; each third is out with another value first and corrected later."""
    rng = random.Random(5)
    for table in ("metrics", "quality"):
        (folder / table).mkdir()
        with (folder / table / "part-0-0").open("w") as file:
            late: list[dict[str, Any]] = []
            for row in (row for row in final if ("measure" in row) == (table == "quality")):
                if rng.random() < 0.33:
                    name = "value" if "measure" in row else "events"
                    first = {**row, name: row[name] + rng.randint(1, 30)}
                    file.write(json.dumps({"before": None, "after": first, "op": "c"}) + "\n")
                    late += ({"before": first, "after": None, "op": "d"}, {"before": None, "after": row, "op": "c"})
                else:
                    file.write(json.dumps({"before": None, "after": row, "op": "c"}) + "\n")
                while len(late) > 40:
                    file.write(json.dumps(late.pop(0)) + "\n")
            file.writelines(json.dumps(change) + "\n" for change in late)


def test_alerts_of_corrected_windows_are_those_of_the_final_windows(
    config: Config, java: None, connector_jars: str, tmp_path: Path
) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text(RULES)
    config = config.model_copy(update={"alerts": AlertsSection(rules=rules)})
    begin = (int(time.time()) // 60 - 15) * 60_000
    final = traffic(begin)
    write_changes(tmp_path, final)
    job = StreamJob("alerts", config, partial(create_file_table, folder=tmp_path, changelog=True))
    job.set("pipeline.jars", connector_jars)
    job.set("restart-strategy.type", "none")
    alerts.build(job)
    job.statements.execute().wait()

    told = final_rows(tmp_path / ALERTS.table, lambda row: {name: row[name] for name in row if name != "decided_at"})
    standing = [row for row in told if row["status"] != "withdrawn"]
    # When the files have ended, so has time: no window comes any more, and each series is followed to its end.
    after = metrics_row(begin + 86_400_000, "none", "none", 1)
    expected = alerts_of(load_rules(rules, 10), map(as_given, [*final, after]))
    expected = [row for row in expected if row["series"] not in ("channel=none", "event=none")]
    assert {row["rule"] for row in expected} == {rule.name for rule in load_rules(rules, 10)}
    by_id = lambda found: sorted(found, key=lambda row: row["alert_id"])  # noqa: E731
    assert by_id(standing) == by_id(expected)
