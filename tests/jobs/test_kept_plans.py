"""Plans that are kept: what a job does is what it says now, whatever is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dmp.config import Config
from jobs.job import Job

pytestmark = pytest.mark.flink

NONE: Mapping[str, str] = {}


def written(config: Config, folder: Path, number: str, options: Mapping[str, str] = NONE) -> str:
    """What a job that is to write `number` writes; its plan is kept there, too."""
    target = folder / "written"
    job = Job("numbers", config)
    for key, value in options.items():
        job.set(key, value)
    job.sql(
        "CREATE TEMPORARY TABLE numbers (number INT) "
        f"WITH ('connector' = 'filesystem', 'path' = '{target}', 'format' = 'csv')"
    )
    job.view("chosen", f"SELECT CAST({number} AS INT) AS number")
    job.insert("INSERT INTO numbers SELECT number FROM chosen")
    job.submit(folder / "plan").wait()
    files = [file for file in target.rglob("*") if file.is_file()]
    content = "".join(file.read_text() for file in files)
    for file in files:
        file.unlink()
    return content.strip()


def test_the_kept_plan_runs_until_what_it_was_made_of_changes(config: Config, java: None, tmp_path: Path) -> None:
    def forge(old: str, new: str) -> None:
        kept = tmp_path / "plan"
        kept.write_text(kept.read_text().replace(old, new))

    assert written(config, tmp_path, "4100001") == "4100001"
    forge("4100001", "4200002")
    assert written(config, tmp_path, "4100001") == "4200002"
    assert written(config, tmp_path, "4300003") == "4300003"
    forge("4300003", "4400004")
    assert written(config, tmp_path, "4300003", {"table.exec.mini-batch.size": "7"}) == "4300003"
