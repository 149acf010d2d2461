"""`dmp alerts check` and `test`: the rules that come with the platform, and one line for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dmp.alerting import SHIPPED_RULES, alerts_of, load_rules
from tests.jobs.windows import as_given, metrics_row, quality_row

DMP = str(Path(sys.executable).with_name("dmp"))
BEGIN_MS = 1_772_323_200_000


def dmp(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DMP_")}
    return subprocess.run([DMP, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=60)


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def outage() -> list[dict[str, Any]]:
    """Five minutes of traffic, two of nothing, and again traffic."""
    minutes = [number for number in range(10) if number not in (5, 6)]
    starts = [BEGIN_MS + minute * 60_000 + part * 10_000 for minute in minutes for part in range(6)]
    return [metrics_row(start, "web", "Page Read", 20) for start in starts]


def test_the_rules_of_the_platform_are_in_order_and_of_every_kind(tmp_path: Path) -> None:
    rules = load_rules(SHIPPED_RULES, 10)
    assert {rule.kind for rule in rules} == {"threshold", "change", "zscore", "silence", "funnel_drop", "reject_rate"}
    assert all(rule.description for rule in rules)
    done = dmp(tmp_path, "alerts", "check")
    assert done.returncode == 0
    assert done.stdout.endswith(f"{len(rules)} rules, all in order\n")


def test_an_outage_in_a_file_is_one_alert_with_its_times(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", outage())
    done = dmp(tmp_path, "alerts", "test", "--metrics", "metrics.jsonl", "--json")
    assert done.returncode == 0
    (stopped,) = [alert for alert in map(json.loads, done.stdout.splitlines()) if alert["rule"] == "traffic-stopped"]
    assert (stopped["started_at"], stopped["opened_at"], stopped["resolved_at"]) == (
        "2026-03-01T00:05:00Z", "2026-03-01T00:06:00Z", "2026-03-01T00:07:10Z",
    )  # fmt: skip
    assert (stopped["status"], stopped["worst"], stopped["windows"]) == ("resolved", 12, 7)
    text = dmp(tmp_path, "alerts", "test", "--metrics", "metrics.jsonl").stdout
    assert "2026-03-01T00:05:00Z - 2026-03-01T00:07:10Z  critical  traffic-stopped: no events for" in text


def test_of_rows_with_the_same_key_the_last_counts_and_files_add_up(tmp_path: Path) -> None:
    rows = outage()
    bad = [quality_row(BEGIN_MS + n * 10_000, m, label, v) for n in range(5)
           for m, label, v in (("received", "", 100), ("rejected", "malformed_json", 50))]  # fmt: skip
    write(tmp_path / "metrics.jsonl", [{**row, "events": 1_000_000} for row in rows] + rows)
    write(tmp_path / "quality.jsonl", bad)
    arguments = ["--metrics", "metrics.jsonl", "--metrics", "quality.jsonl", "--json"]
    told = [json.loads(line) for line in dmp(tmp_path, "alerts", "test", *arguments).stdout.splitlines()]
    assert told == alerts_of(load_rules(SHIPPED_RULES, 10), map(as_given, [*rows, *bad]))
    assert {"rejects", "traffic-stopped"} <= {alert["rule"] for alert in told}


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("rules: [", "no valid YAML"),
        ("rules: [{name: a, kind: silence, windows: 0}]", "rule a: windows"),
        ("rules: [{name: a, kind: silence, window: 7}]", "multiple of the 10 s"),
        ("", "needs one key, rules"),
    ],
)
def test_wrong_rules_are_one_line_and_status_2(rules: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(rules)
    done = dmp(tmp_path, "alerts", "check", "--rules", "own.yaml")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "own.yaml" in done.stderr and words in done.stderr


@pytest.mark.parametrize(
    "line", ["nonsense", "{}", '{"window_start": 5}', json.dumps({**outage()[0], "events": "many"})], ids=range(4)
)
def test_a_line_that_is_no_window_is_named_by_its_number(line: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps(outage()[0]) + "\n" + line + "\n")
    done = dmp(tmp_path, "alerts", "test", "--metrics", "metrics.jsonl")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "metrics.jsonl, line 2" in done.stderr


def test_delivery_without_an_address_says_what_to_give(tmp_path: Path) -> None:
    done = dmp(tmp_path, "alerts", "deliver")
    assert done.returncode == 2
    assert "alerts.webhook" in done.stderr
