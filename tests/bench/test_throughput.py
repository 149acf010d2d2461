"""The bench on the session's stack, small: that it works, not what it measures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks import StackUnderTest

PROJECT = Path(__file__).parents[2]


@pytest.mark.stack
def test_our_windows_equal_those_of_the_plain_loop(stack: StackUnderTest, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "throughput", "--events", "5000", "--mixes", "steady", "--rounds", "1"]
    command += ["--engines", "metrics", "--out", str(tmp_path)]
    done = subprocess.run(command, env=stack.env, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plain, ours = json.loads((tmp_path / "throughput.json").read_text())["results"]
    assert (plain["engine"], ours["engine"]) == ("plain", "metrics")
    assert ours["difference"] == {"lost": 0, "counts": 0, "persons": 0}
    assert ours["peak_mib"]["flink_taskmanager: python"] > 0
    assert (tmp_path / "throughput.png").stat().st_size > 0
    assert "| steady, metrics |" in (tmp_path / "throughput.md").read_text()
