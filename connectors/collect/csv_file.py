"""Rows of any CSV file as events, by a mapping that says where each field comes from."""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Callable, Optional

import orjson

from connectors.collect.files import Convert, Line, LineIds, read_lines, without_line_end
from connectors.collect.mapping import Field, Mapping
from connectors.kafka.messages import Message
from connectors.keys import message_key
from dmp.core.numbers import to_decimal
from dmp.core.timestamps import rfc3339
from dmp.errors import UserError

MAX_ROW_BYTES = 64 * 1024  # of a row of several lines; no event may be as large


class CsvFormat:
    """Rows as messages. Ids that the mapping has hashed are HMAC-SHA256 under `pii_key`.

    A row that does not fit (columns, quotes, encoding) goes into Kafka as it is, where cleaning rejects it and keeps
    its bytes. An event whose time is none is rejected there, too.
    """

    def __init__(self, mapping: Mapping, pii_key: bytes) -> None:
        self._mapping, self._csv, self._pii_key = mapping, mapping.csv, pii_key

    def read(self, file: BinaryIO, offset: int, with_last: bool = True) -> Iterator[Line]:
        """The rows as `Line`s; one of several lines, because of line ends within quotes, is one."""
        parts: list[Line] = []
        for line in read_lines(file, offset, with_last):
            parts.append(line)
            whole = _joined(parts, file) if len(parts) > 1 else line
            if not self._goes_on(whole.data):
                yield whole
            elif whole.length <= MAX_ROW_BYTES:
                continue
            else:
                yield from parts  # a quote that nothing ends: each line for itself
            parts = []
        if with_last:
            yield from parts

    def _goes_on(self, data: bytes) -> bool:
        """Whether the row ends within quotes."""
        if self._csv.quote.encode() not in data:
            return False
        try:
            self._cells(data)
        except csv.Error as error:
            return "unexpected end of data" in str(error)
        except ValueError:
            pass
        return False

    def _cells(self, data: bytes) -> list[str]:
        text = data.decode(self._csv.encoding)
        (cells,) = csv.reader([text], delimiter=self._csv.delimiter, quotechar=self._csv.quote, strict=True)
        return cells

    def converter(self, first_line: bytes) -> Convert:
        """What makes a message of a row. UserError when the mapping names a column that the file has not."""
        columns = self._columns(first_line)
        fields = [(path.split("."), self._reader(field, columns)) for path, field in self._mapping.event.items()]
        ids = LineIds(first_line)

        def convert(line: Line) -> Optional[Message]:
            if line.offset == 0 and self._csv.columns is None:
                return None
            try:
                cells = self._cells(line.data)
            except (ValueError, csv.Error):
                cells = []
            if len(cells) != len(columns):
                return Message(line.data)
            event: dict[str, Any] = {"messageId": f"csv-{ids.of(line)}"}
            try:
                for path, read in fields:
                    _put(event, path, read(cells))
                _put(event, ["context", "library"], {"name": "dmp-csv", "version": "1"})
                return Message(orjson.dumps(event), message_key(event))
            except (UnicodeEncodeError, orjson.JSONEncodeError):  # halves of surrogate pairs, out of an odd encoding
                return Message(line.data)

        return convert

    def _columns(self, first_line: bytes) -> list[str]:
        if self._csv.columns is not None:
            columns = self._csv.columns
        else:
            try:
                columns = [name.strip() for name in self._cells(without_line_end(first_line))]
            except (ValueError, csv.Error):
                raise UserError("the first line of the file is no CSV header: see the mapping's csv section") from None
        missing = sorted({field.column for field in self._mapping.event.values() if field.column} - {*columns})
        if missing:
            raise UserError(
                f"the mapping names columns that the file has not: {', '.join(missing)}; it has {', '.join(columns)}"
            )
        return columns

    def _reader(self, field: Field, columns: list[str]) -> Callable[[list[str]], Any]:
        """What takes a field's value out of a row's cells; None for an empty cell."""
        if field.column is None:
            return lambda cells: field.constant
        place = columns.index(field.column)

        def read(cells: list[str]) -> Any:
            cell = cells[place].strip()
            if not cell:
                return None
            if field.values is not None:
                cell = field.values.get(cell, field.otherwise if field.otherwise is not None else cell)
            if field.time is not None:
                moment = field.time_ms(cell)
                return cell if moment is None else rfc3339(moment)
            if field.number:
                return _number(cell)
            cell = field.prefix + cell
            return hmac.new(self._pii_key, cell.encode(), hashlib.sha256).hexdigest()[:32] if field.hash else cell

        return read


def _joined(parts: list[Line], file: BinaryIO) -> Line:
    """Several lines as one, with the line ends between them."""
    offset, length = parts[0].offset, sum(part.length for part in parts)
    return Line(offset, without_line_end(os.pread(file.fileno(), length, offset)), length)


def _number(text: str) -> Any:
    """The number that a text is, else the text, which cleaning judges; the text, too, of what is beyond 64 bits."""
    number = to_decimal(text)
    if number is None or abs(number) >= 2**63:
        return text
    return int(number) if number == number.to_integral_value() else float(number)


def _put(event: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a member of an object within objects, which are made; nothing for None."""
    if value is None:
        return
    for name in path[:-1]:
        event = event.setdefault(name, {})
    event[path[-1]] = value
