"""The marked blocks of README.md and docs/, run as a reader would, against the session's stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks, documents
from tests.pipeline.platform import Platform

pytestmark = pytest.mark.stack

PROJECT = Path(__file__).resolve().parents[2]
PROGRAMS = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
MARKED = [block for document in documents() for block in blocks(document) if block.mark == "run"]


def run_block(block: Block, platform: Platform, folder: Path) -> str:
    """Run a block with the stack's ports in place of the default ones; returns its standard output."""
    ports = platform.stack.config.ports
    text = block.text
    for default, port in ((9200, ports.elasticsearch), (8081, ports.flink_rest), (8083, ports.sql_gateway)):
        text = text.replace(f"localhost:{default}", f"127.0.0.1:{port}")
    text = text.replace("curl -s", "curl -sSf --noproxy 127.0.0.1")  # an error must not pass unseen
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**platform.stack.env, "PATH": path, "PYTHONPATH": str(PROJECT)}
    command = [*PROGRAMS[block.language], text]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{block}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("block", MARKED, ids=str)
def test_block_does_what_it_says(block: Block, platform: Platform, tmp_path: Path) -> None:
    platform.assert_exact()  # results of what was sent before are there to be seen
    assert run_block(block, platform, tmp_path)
