"""From where `dmp submit` resumes a job, looked up among folders as Flink makes them."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from dmp.config import Config
from dmp.jobs import Cluster

ONE, TWO = "1" * 32, "2" * 32
CLOCK = count(1_000)


@pytest.fixture
def flink(tmp_path: Path) -> Path:
    return tmp_path / "flink"


@pytest.fixture
def cluster(tmp_path: Path, config: Config) -> Cluster:
    return Cluster(config.model_copy(update={"stack": config.stack.model_copy(update={"data_dir": tmp_path})}))


def state(folder: Path) -> Path:
    """A checkpoint or savepoint that is newer than all before."""
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    os.utime(folder / "_metadata", (0, next(CLOCK)))
    return folder


def ran(flink: Path, *runs: str) -> None:
    (flink / "jobs").mkdir(parents=True, exist_ok=True)
    (flink / "jobs" / "index").write_text("\n".join(runs))


def test_the_newest_of_checkpoints_and_savepoints(flink: Path, cluster: Cluster) -> None:
    assert cluster.last_state("index") is None
    ran(flink, ONE)
    assert cluster.last_state("index") is None
    for newest in ("checkpoints/1/chk-1", "savepoints/index/savepoint-111111-a", "checkpoints/1/chk-2"):
        folder = state(flink / newest.replace("/1/", f"/{ONE}/"))
        assert cluster.last_state("index") == folder


def test_a_run_that_ended_before_its_first_checkpoint_does_not_hide_those_before(flink: Path, cluster: Cluster) -> None:
    checkpoint = state(flink / "checkpoints" / ONE / "chk-7")
    ran(flink, ONE, TWO)
    assert cluster.last_state("index") == checkpoint


def test_what_was_before_a_fresh_start_is_no_state_of_it(flink: Path, cluster: Cluster) -> None:
    state(flink / "savepoints" / "index" / "savepoint-111111-a")
    state(flink / "checkpoints" / ONE / "chk-1")
    ran(flink, TWO)
    assert cluster.last_state("index") is None


def test_a_checkpoint_that_is_not_complete_does_not_count(flink: Path, cluster: Cluster) -> None:
    ran(flink, ONE)
    complete = state(flink / "checkpoints" / ONE / "chk-1")
    (flink / "checkpoints" / ONE / "chk-2").mkdir()
    assert cluster.last_state("index") == complete
