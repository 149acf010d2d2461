"""Tables that a bounded job wrote into files: JSON rows, or changes of rows in the form of Debezium."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

Row = dict[str, Any]


def rows(folder: Path) -> Iterator[Row]:
    """The lines of a table's folder; those of one key in the order in which they were written."""
    # part-<job>-<subtask>-<counter>; Flink hides files that no checkpoint has finished behind a dot.
    files = (file for file in folder.rglob("*part-*") if file.is_file())
    for file in sorted(files, key=lambda file: int(file.name.split(".inprogress")[0].rsplit("-", 1)[1])):
        with file.open("rb") as lines:
            yield from map(orjson.loads, lines)


def final_rows(folder: Path, shape: Callable[[Row], Row]) -> Iterator[Row]:
    """What is left of a table when every row that was taken back is left out. `shape` drops what is not deterministic.

    RuntimeError if a row is there twice, or was taken back without having been there.
    """
    left: Counter[bytes] = Counter()
    for line in rows(folder):
        if "op" not in line:
            left[orjson.dumps(shape(line))] += 1
        elif line["op"] == "d":
            left[orjson.dumps(shape(line["before"]))] -= 1
        else:
            left[orjson.dumps(shape(line["after"]))] += 1
    for text, count in left.items():
        if count not in (0, 1):
            raise RuntimeError(f"{folder.name}: there are {count} of {text.decode()}")
        if count:
            yield orjson.loads(text)
