"""`dmp plan` and `dmp simulate` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks import ENVIRONMENT

DMP = str(Path(sys.executable).with_name("dmp"))
FOOTPRINT = Path(__file__).parents[2] / "bench" / "results" / "footprint.json"
LOAD = ("--rate", "1000", "--identifiers", "5e6")


def dmp(*arguments: str, columns: int = 160) -> subprocess.CompletedProcess[str]:
    env = {**ENVIRONMENT, "COLUMNS": str(columns)}
    return subprocess.run([DMP, *arguments], env=env, capture_output=True, text=True, timeout=120)


def test_a_plan_is_shown_with_formulas_sources_and_the_first_bottleneck() -> None:
    done = dmp("plan", *LOAD)
    assert done.returncode == 0, done.stderr
    for words in (
        "peak × processor time of an event ÷ utilisation",
        "Rao 2015: Jun Rao",
        "First bottleneck: ",
        "headroom",
    ):
        assert words in done.stdout
    assert "cannot keep up" in dmp("plan", *LOAD, "--slots", "1").stdout


def test_the_json_of_a_plan_is_json_even_without_a_steady_state() -> None:
    done = dmp("plan", *LOAD, "--slots", "1", "--json", "--measured", str(FOOTPRINT))
    found = json.loads(done.stdout, parse_constant=pytest.fail)
    assert found["limits"][0]["name"] == "flink: processors"
    assert found["stations"][1]["at_peak"]["wait"] is None
    assert {"partitions", "memory for RocksDB", "primary shards"} <= {figure["name"] for figure in found["figures"]}
    assert found["load"]["peak"] == 3000


def test_a_simulation_shows_percentiles_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "run.png"
    options = ("--seconds", "5", "--burst", "3:2:1", "--fail", "flink:1:3:1", "--keyed", "--discipline", "priority")
    done = dmp("simulate", *LOAD, *options, "--service", "log-normal", "--variation", "1.5", "--batch", "20",
               "--out", str(picture))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(words in done.stdout for words in ("p99.9", "urgent", "in batches of 20", "the longest"))
    assert picture.stat().st_size > 10_000
    found = json.loads(dmp("simulate", *LOAD, "--seconds", "2", "--batch", "20", "--json").stdout)
    assert found["latency"]["all"]["p50"] <= found["latency"]["all"]["p99"] <= found["latency"]["all"]["max"]
    assert [station["name"] for station in found["stations"]] == ["kafka", "flink", "elasticsearch"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["plan", "--rate", "0", "--identifiers", "1"], "--rate"),
        (["plan", "--rate", "10", "--identifiers", "1", "--peak", "5"], "below the mean rate"),
        (["plan", *LOAD, "--measured", "/no/such/file"], "cannot read /no/such/file"),
        (["plan", *LOAD, "--measured", __file__], "is no JSON"),
        (["simulate", *LOAD, "--seconds", "1", "--fail", "nowhere:1:0:1"], "no station nowhere"),
        (["simulate", *LOAD, "--burst", "3:2"], "FACTOR:START:SECONDS"),
        (["simulate", *LOAD, "--burst", "3:-2:1"], "not negative"),
        (["simulate", *LOAD, "--fail", "flink:x:0:1"], "STATION:SERVERS:START:SECONDS"),
        (["simulate", *LOAD, "--variation", "2"], "goes with --service log-normal"),
        (["simulate", *LOAD, "--seconds", "1", "--batch", "50", "--out", "/no/such/folder/a.png"], "cannot draw"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], problem: str) -> None:
    done = dmp(*arguments)
    assert done.returncode == 2, done.stderr
    assert problem in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    for text in ("[]", '{"costs": {"flink": -1}}', '{"measures": [{"stage": "identity, 3 hops + results"}]}'):
        file = tmp_path / "bench.json"
        file.write_text(text)
        done = dmp("plan", *LOAD, "--measured", str(file))
        assert done.returncode == 2 and "is not what a bench of this project writes" in done.stderr
