"""The fenced code blocks of README.md and docs/, with the mark that stands before them as a comment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

PROJECT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"(?:<!-- (?P<mark>\w+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block; `mark` is None without a comment before it."""

    document: str
    line: int
    language: str
    mark: Optional[str]
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    return [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(document.name, text.count("\n", 0, m.start()) + 1, m["language"], m["mark"], m["text"])
        for m in _BLOCK.finditer(text)
    ]
