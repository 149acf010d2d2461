"""People as rows of features: from a CSV file, or from the live profiles in Elasticsearch."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dmp.core.clusters import Model, Numbers, profile_row
from dmp.errors import UserError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

Chunk = tuple[list[str], list[list[str]], Numbers]
"""Header, rows, and the features of these rows as numbers (N, F)."""

CLUSTER = "cluster"
CHUNK_ROWS = 10_000
PAGE = 10_000


class UserFile:
    """A CSV file of users with a header. UserError, with the line, for whatever is wrong with it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def chunks(self, features: Sequence[str]) -> Iterator[Chunk]:
        """The users, some at a time."""
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                try:
                    yield from self._read(reader, features)
                except csv.Error as error:
                    raise self._problem(reader.line_num, str(error)) from None
        except OSError as error:
            raise UserError(f"cannot read {self._path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UserError(f"{self._path} is no UTF-8 text: {error.reason}; save it as CSV in UTF-8") from None

    def _read(self, reader: csv._reader, features: Sequence[str]) -> Iterator[Chunk]:
        header = next(reader, None)
        if not header:
            raise self._problem(1, "the file is empty; the first line must name the columns")
        places = self._places(header, features)
        rows: list[list[str]] = []
        numbers: list[list[float]] = []
        found = False
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise self._problem(reader.line_num, f"{len(row)} values, but the header has {len(header)} columns")
            rows.append(row)
            numbers.append([self._number(reader.line_num, header[place], row[place]) for place in places])
            if len(rows) == CHUNK_ROWS:
                found = True
                yield header, rows, np.array(numbers)
                rows, numbers = [], []
        if rows:
            yield header, rows, np.array(numbers)
        elif not found:
            raise self._problem(2, "there is no user below the header")

    def _places(self, header: list[str], features: Sequence[str]) -> list[int]:
        missing = [name for name in features if name not in header]
        if missing:
            raise self._problem(1, f"no column {', '.join(missing)}; there are {', '.join(header)}")
        twice = [name for name in features if header.count(name) > 1]
        if twice:
            raise self._problem(1, f"there are two columns {twice[0]}")
        return [header.index(name) for name in features]

    def _number(self, line: int, column: str, text: str) -> float:
        try:
            number = float(text) if "_" not in text else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._problem(line, f"column {column}: {text!r} is no number")
        return number

    def _problem(self, line: int, what: str) -> UserError:
        return UserError(f"{self._path}, line {line}: {what}")

    def rows(self, features: Sequence[str]) -> Numbers:
        """The features of all users, (N, F)."""
        return np.concatenate([numbers for _, _, numbers in self.chunks(features)])


def score_file(model: Model, source: Path, target: Path) -> int:
    """Write the users of a CSV file with their `cluster` as one more column; returns how many there are.

    Nothing is written when anything is wrong with the source.
    """
    partial = target.with_name(f".{target.name}.partial")
    count = 0
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for header, rows, numbers in UserFile(source).chunks(model.features):
                if CLUSTER in header:
                    raise UserError(f"{source}, line 1: there is a column {CLUSTER} already: rename or remove it")
                if not count:
                    writer.writerow([*header, CLUSTER])
                writer.writerows([*row, cluster] for row, cluster in zip(rows, model.score(numbers).tolist()))
                count += len(rows)
        partial.replace(target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}; choose another file") from None
    finally:
        partial.unlink(missing_ok=True)
    return count


def profile_rows(client: Elasticsearch, features: Sequence[str]) -> Numbers:
    """The features of all persons in dmp-profiles, (N, F), in the order of their ids."""
    rows: list[list[float]] = []
    after: dict[str, object] = {}
    while True:
        page = client.search(index="dmp-profiles", size=PAGE, sort=["profile_id"], **after)["hits"]["hits"]
        rows += [profile_row(hit["_source"], features) for hit in page]
        if len(page) < PAGE:
            return np.array(rows).reshape(-1, len(features))
        after = {"search_after": page[-1]["sort"]}
