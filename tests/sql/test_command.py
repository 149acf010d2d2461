"""`dmp sql` where it cannot work: one line that says what to do, exit status 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks import ENVIRONMENT

DMP = str(Path(sys.executable).with_name("dmp"))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with a configuration whose stack was never started."""
    file = folder / "dmp.toml"
    file.write_text(f'[stack]\ndata_dir = "{folder / "data"}"\n[ports]\nsql_gateway = 1\n', encoding="utf-8")
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("DMP_")}
    command = [DMP, "--config", str(file), "sql", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "there is no SQL client at"),
        (["--gateway"], "start the stack with 'dmp up'"),
        (["-q", "consent"], "start the stack with 'dmp up'"),
        (["-q", "nothing"], "there is no question nothing"),
        (["-q", "timeline"], "needs --param email="),
        (["-q", "consent", "-p", "email=x"], "has no parameter email; it has: none"),
        (["-q", "consent", "-p", "email"], "--param email: give it as NAME=VALUE"),
        (["-q", "person", "-p", "identifier=email:ann@example.com"], "DMP_PII_KEY_FILE: cannot read"),
        (["--csv"], "belong to --question NAME"),
        (["--list", "--gateway"], "choose one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1
    assert "ann@" not in done.stderr


def test_list_and_init_need_no_server(tmp_path: Path) -> None:
    assert "top_campaigns" in run(tmp_path, "--list").stdout
    script = run(tmp_path, "--init").stdout
    assert script.count("CREATE TABLE snapshot.events_clean") == 1
    assert f"file://{tmp_path}/data/archive" in script
