"""`dmp replay --diff`: which persons differ between the results of two replays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmp.core.persons import Change
from dmp.errors import UserError
from dmp.replay import diff


def write(folder: Path, persons: dict[str, str]) -> Path:
    folder.mkdir()
    rows = [{"type": "user_id", "id": id_, "profile_id": profile} for id_, profile in persons.items()]
    (folder / "identities.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_changes_are_told_and_written(tmp_path: Path) -> None:
    old = write(tmp_path / "old", {"a": "p1", "b": "p2", "c": "p3"})
    new = write(tmp_path / "new", {"a": "p1", "b": "p1", "c": "p3"})
    assert diff(old, new) == [Change("merged", ("p1", "p2"), ("p1",), 2)]
    written = json.loads((new / "diff.jsonl").read_text(encoding="utf-8"))
    assert written == {"kind": "merged", "before": ["p1", "p2"], "after": ["p1"], "identifiers": 2}


@pytest.mark.parametrize("content", [None, "no JSON\n", '{"type": "user_id"}\n'])
def test_a_folder_without_results_is_refused(content: str, tmp_path: Path) -> None:
    new = write(tmp_path / "new", {})
    (tmp_path / "old").mkdir()
    if content:
        (tmp_path / "old" / "identities.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="no folder that dmp replay has written"):
        diff(tmp_path / "old", new)
