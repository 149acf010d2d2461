"""docs/reliability.md: every promise names tests, and the tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.blocks import PROJECT

ROWS = [
    line
    for line in (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("row", ROWS)
def test_every_promise_names_tests_that_exist(row: str) -> None:
    named = TEST.findall(row.rsplit(" | ", 1)[1])
    assert named
    for file, name in named:
        assert name in _functions(PROJECT / file), f"{file} has no {name}"


def _functions(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
