"""The checks before a start that no real machine can be brought to fail on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmp.errors import UserError
from dmp.stack import checks


def test_small_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks.check_disk(tmp_path)
    monkeypatch.setattr(checks, "MIN_FREE_DISK_MB", 1 << 40)
    with pytest.raises(UserError, match=rf"MiB are free on the disk of {tmp_path}.*stack\.data_dir"):
        checks.check_disk(tmp_path)
